"""Canvases on disk: written front to back beside their statistics, so that memory does not grow with N."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undercoat.data.decode import CanvasFormat, Decoded
from undercoat.data.drafts import save_array, write_file
from undercoat.data.names import Names

__all__ = ["FORMAT_VERSION", "CanvasWriter", "StoredFacts", "moments", "read_facts"]

FORMAT_VERSION = 1
FACTS = np.dtype([("width", "<i4"), ("height", "<i4"), ("kind", "u1"), ("content", "u1", (16,))])
Kind = tuple[str, str, int, str]  # format, mode, channels, dtype


@dataclass(frozen=True)
class StoredFacts:
    """What ``meta.json`` beside the canvases says; all statistics are of raw values.

    ``low`` and ``high`` are the range that becomes 0..1 when none is asked for.
    """

    version: int
    digest: str
    count: int
    size_px: int
    channels: int
    dtype: str
    low: float
    high: float
    raw_mean: tuple[float, ...]
    raw_std: tuple[float, ...]
    kinds: tuple[Kind, ...]

    @classmethod
    def load(cls, folder: Path) -> StoredFacts:
        """Read ``meta.json``."""
        values = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        for key in ("raw_mean", "raw_std"):
            values[key] = tuple(values[key])
        values["kinds"] = tuple((str(a), str(b), int(c), str(d)) for a, b, c, d in values["kinds"])
        return cls(**values)


def moments(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Sum, sum of squares, minimum and maximum over all pixels: (4, C)."""
    flat = pixels.reshape(-1, pixels.shape[-1]).astype(np.float64)
    return np.stack([flat.sum(axis=0), np.einsum("nc,nc->c", flat, flat), flat.min(axis=0), flat.max(axis=0)])


def read_facts(folder: Path) -> NDArray[np.void]:
    """Read each original's width, height, kind and content hash: (N,) records, memory-mapped."""
    facts: NDArray[np.void] = np.load(folder / "facts.npy", mmap_mode="r")
    return facts


class CanvasWriter:
    """Writes canvases one after the other into a new folder.

    Plain writes rather than a memory map: a full disk is then an error that can be caught, not a signal.
    """

    def __init__(self, folder: Path, form: CanvasFormat) -> None:
        self.folder, self.form = folder, form
        self.count = 0
        self._images = (folder / "images.npy").open("wb")
        self._images.write(self._header(0))
        self._facts = (folder / "facts.bin").open("wb")
        self._sums = np.zeros((2, form.channels), np.float64)
        self._low, self._high = np.inf, -np.inf
        self._hash = blake2b(digest_size=16)
        self._hash.update(f"{FORMAT_VERSION} {form.size_px} {form.channels} {form.dtype}\n".encode())

    def _header(self, count: int) -> bytes:
        form = self.form
        shape = (count, form.size_px, form.size_px, form.channels)
        descr = np.lib.format.dtype_to_descr(np.dtype(form.dtype))
        out = io.BytesIO()  # NumPy leaves room for N to grow, so the header's length never changes
        np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
        return out.getvalue()

    def add(self, key: bytes, content: bytes, kind: int, canvas: Decoded, sums: NDArray[np.float64]) -> None:
        """Append one canvas with its key, the hash of its content and its ``moments``."""
        self._images.write(np.ascontiguousarray(canvas.pixels).data.cast("B"))
        fact = np.array((canvas.width, canvas.height, kind, np.frombuffer(content, np.uint8)), FACTS)
        self._facts.write(fact.tobytes())
        self._hash.update(len(key).to_bytes(4, "little") + key + content)
        self._sums += sums[:2]
        self._low, self._high = min(self._low, sums[2].min()), max(self._high, sums[3].max())
        self.count += 1

    def close(self) -> None:
        """Close the files; what was written stays."""
        try:
            self._images.close()
        finally:
            self._facts.close()

    def finish(self, keys: Names, kinds: list[Kind]) -> StoredFacts:
        """Write the header, keys and statistics."""
        self._images.seek(0)
        self._images.write(self._header(self.count))
        self.close()
        facts = np.fromfile(self.folder / "facts.bin", FACTS)
        (self.folder / "facts.bin").unlink()
        save_array(self.folder / "facts.npy", facts)
        save_array(self.folder / "aspect.npy", (facts["width"] / facts["height"]).astype(np.float32))
        keys.save(self.folder)
        mean, square = self._sums / (self.count * self.form.size_px**2)
        low, high = self._range()
        stored = StoredFacts(
            version=FORMAT_VERSION,
            digest=self._hash.hexdigest()[:24],
            count=self.count,
            size_px=self.form.size_px,
            channels=self.form.channels,
            dtype=self.form.dtype,
            low=low,
            high=high,
            raw_mean=tuple(mean.tolist()),
            raw_std=tuple(np.sqrt(np.maximum(square - mean**2, 0.0)).tolist()),
            kinds=tuple(kinds),
        )
        write_file(self.folder / "meta.json", json.dumps(asdict(stored), indent=1).encode())
        return stored

    def _range(self) -> tuple[float, float]:
        """The raw values that become 0 and 1."""
        if self.form.dtype == "uint8":
            return 0.0, 255.0
        if self.form.dtype == "uint16":  # 12-bit data fills 0..4095: take the bits that are in use
            return 0.0, float(2 ** max(int(self._high).bit_length(), 8) - 1)
        if self._low >= 0.0 and self._high <= 1.0:
            return 0.0, 1.0
        return float(self._low), float(self._high if self._high > self._low else self._low + 1.0)
