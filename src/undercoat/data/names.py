"""Many short strings in two flat arrays, so that a million names cost little and can be memory-mapped."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from undercoat.data.drafts import save_array

__all__ = ["Names"]

_BLOCK = 4096


class Names(Sequence[str]):
    """An immutable sequence of strings, kept as UTF-8 bytes and the place where each one ends.

    File names that are no valid UTF-8 are kept as they are (see ``path``) and shown with backslashes.

    Args:
        blob: uint8, all names one after the other.
        ends: (N,) uint64, where each name ends in ``blob``.
        rows: which of them this sequence shows, in what order; None for all.

    Example:
        >>> names = Names.of(["a.png", "käse.png", "c.png"])
        >>> names[1], len(names), list(names.take(np.array([2, 0])))
        ('käse.png', 3, ['c.png', 'a.png'])
    """

    __slots__ = ("blob", "ends", "rows")

    def __init__(
        self, blob: NDArray[np.uint8], ends: NDArray[np.uint64], rows: NDArray[np.int64] | None = None
    ) -> None:
        self.blob, self.ends, self.rows = blob, ends, rows

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """Pack strings; the iterable is read once and nothing else is kept of it."""
        blob, ends = bytearray(), array("Q")
        for name in names:
            blob += name.encode("utf-8", "surrogateescape")
            ends.append(len(blob))
        return cls(np.frombuffer(blob, np.uint8), np.frombuffer(ends, np.uint64))

    @classmethod
    def load(cls, folder: Path) -> Names:
        """Open names that ``save`` wrote; they stay on disk until they are asked for."""
        ends = np.load(folder / "key_ends.npy", mmap_mode="r")
        return cls(np.load(folder / "keys.npy", mmap_mode="r"), ends)

    def save(self, folder: Path) -> None:
        """Write ``keys.npy`` and ``key_ends.npy`` into a folder."""
        plain = self if self.rows is None else Names.of(self.path(i) for i in range(len(self)))
        save_array(folder / "keys.npy", plain.blob)
        save_array(folder / "key_ends.npy", plain.ends)

    def raw(self, position: int) -> bytes:
        """The bytes of one name."""
        row = position if self.rows is None else int(self.rows[position])
        start = int(self.ends[row - 1]) if row else 0
        return self.blob[start : int(self.ends[row])].tobytes()

    def raws(self) -> Iterator[bytes]:
        """The bytes of all names, read in blocks: ten times faster than one by one."""
        if self.rows is not None:
            yield from map(self.raw, range(len(self)))
            return
        start = 0
        for first in range(0, len(self.ends), _BLOCK):
            ends = self.ends[first : first + _BLOCK].tolist()
            block, offset = self.blob[start : ends[-1]].tobytes(), start
            for end in ends:
                yield block[start - offset : end - offset]
                start = end

    def path(self, position: int) -> str:
        """One name as the operating system takes it, invalid UTF-8 included."""
        return self.raw(position).decode("utf-8", "surrogateescape")

    def take(self, index: NDArray[np.int64]) -> Names:
        """Choose names by position; the bytes are shared."""
        rows = np.asarray(index, np.int64) if self.rows is None else self.rows[index]
        return Names(self.blob, self.ends, rows)

    def __len__(self) -> int:
        return len(self.ends) if self.rows is None else len(self.rows)

    def __iter__(self) -> Iterator[str]:
        return (raw.decode("utf-8", "backslashreplace") for raw in self.raws())

    @overload
    def __getitem__(self, position: int) -> str: ...
    @overload
    def __getitem__(self, position: slice) -> list[str]: ...
    def __getitem__(self, position: int | slice) -> str | list[str]:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        count = len(self)
        if not -count <= position < count:
            raise IndexError(f"name {position} of {count}")
        return self.raw(int(position) % count).decode("utf-8", "backslashreplace")
