"""IDX files, the format of MNIST and its family (LeCun, Cortes & Burges), plain or gzipped."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from undercoat.data.labelling import number_labels
from undercoat.data.listing import ArrayRows, Labels, Listing
from undercoat.data.names import Names
from undercoat.data.readers.arrays import plain_row
from undercoat.errors import DataError

__all__ = ["holds_idx", "is_idx_name", "read_idx", "stamp_of"]

_IMAGES = re.compile(r"images?[-.]idx[34]-[a-z]+(\.gz)?$")
_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_FOLDERS = (".", "raw", "*/raw")  # the last as torchvision lays it out


@dataclass(frozen=True)
class _File:
    """One IDX file of images and what its head says."""

    path: Path
    split: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


def is_idx_name(name: str) -> bool:
    """Whether a file's name is that of IDX images.

    Example:
        >>> is_idx_name("t10k-images-idx3-ubyte.gz"), is_idx_name("t10k-labels-idx1-ubyte.gz")
        (True, False)
    """
    return bool(_IMAGES.search(name.lower()))


def holds_idx(folder: Path) -> bool:
    """Whether a folder, or ``raw`` below it, holds IDX images."""
    return bool(_image_files(folder))


def _image_files(folder: Path) -> list[Path]:
    for pattern in _FOLDERS:
        places = [folder] if pattern == "." else sorted(folder.glob(pattern))
        found = {path.name.removesuffix(".gz"): path for place in places for path in _images_in(place)}
        if found:
            return [found[name] for name in sorted(found, key=lambda name: (_split_of(name) != "train", name))]
    return []


def _images_in(folder: Path) -> list[Path]:
    """Gzipped files first, so that an unpacked twin of the same name takes their place."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if is_idx_name(path.name)), key=lambda p: p.suffix != ".gz")


def _split_of(name: str) -> str:
    lowered = name.lower()
    if "train" in lowered:
        return "train"
    return "test" if "t10k" in lowered or "test" in lowered else ""


def read_idx(source: str) -> Listing:
    """IDX images (…-images-idx3-ubyte[.gz]) with the labels beside them; a folder of both gives splits."""
    place = Path(source)
    paths = _image_files(place) if place.is_dir() else [place]
    if not paths:
        raise DataError(f"'{source}' holds no IDX images; give a folder with …-images-idx3-ubyte files")
    files = [_head(path) for path in paths]
    names = [file.split for file in files]
    if len(files) > 1 and (len(set(names)) < len(names) or "" in names):
        found = ", ".join(file.path.name for file in files)
        raise DataError(f"'{source}' holds several sets ({found}); give one file of them")
    if len({(file.shape[1:], file.dtype) for file in files}) > 1:
        raise DataError(f"the IDX files in '{source}' have images of different sizes; give one file of them")
    counts = [file.shape[0] for file in files]
    classes, labels, notes = _all_labels(files)
    many = len(files) > 1
    return Listing(
        name=source,
        reader="idx",
        keys=Names.of(f"{file.split}/{i}" if many else str(i) for file in files for i in range(file.shape[0])),
        source=_rows(files),
        stamp=stamp_of([*paths, *filter(None, map(_labels_beside, paths))]),
        classes=classes,
        labels=labels,
        splits=np.repeat(np.array(names, "<U5"), counts),
        groups=np.zeros(sum(counts), "<U1"),
        notes=notes,
    )


def _open(path: Path) -> BinaryIO:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _read_head(stream: BinaryIO, path: Path) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    try:
        mark = stream.read(4)
        shape = tuple(np.frombuffer(stream.read(4 * mark[3]), ">u4").tolist())
        if mark[:2] != b"\0\0" or len(shape) != mark[3]:
            raise ValueError("wrong mark")
        return shape, np.dtype(_DTYPES[mark[2]])
    except (OSError, EOFError, IndexError, KeyError, ValueError, zlib.error):
        raise DataError(f"'{path}' is no IDX file, or it is cut off; fetch it again") from None


def _head(path: Path) -> _File:
    with _open(path) as stream:
        shape, dtype = _read_head(stream, path)
    if len(shape) not in (3, 4) or 0 in shape:
        raise DataError(f"'{path}' holds an array of shape {shape}, no images; give the …-images-idx3 file")
    return _File(path, _split_of(path.name), shape, dtype)


def _rows(files: list[_File]) -> ArrayRows:
    first = files[0]
    height, width = first.shape[1:3]
    channels = first.shape[3] if len(first.shape) == 4 else 1

    def stream() -> Iterator[NDArray[np.generic]]:
        for file in files:
            yield from _images(file, (height, width, channels))

    shape = (sum(file.shape[0] for file in files), height, width, channels)
    return ArrayRows(shape, first.dtype.newbyteorder("="), stream)


def _images(file: _File, shape: tuple[int, int, int]) -> Iterator[NDArray[np.generic]]:
    size = int(np.prod(shape)) * file.dtype.itemsize
    with _open(file.path) as stream:
        _read_head(stream, file.path)
        for position in range(file.shape[0]):
            try:
                data = stream.read(size)
            except (OSError, EOFError, zlib.error):
                data = b""
            if len(data) < size:
                raise DataError(
                    f"'{file.path}' is cut off after {position:,} of {file.shape[0]:,} images; fetch it again"
                )
            yield plain_row(np.frombuffer(data, file.dtype).reshape(shape))


def _labels_beside(path: Path) -> Path | None:
    plain = path.name.removesuffix(".gz")
    name = re.sub(r"idx[34]", "idx1", plain.replace("images", "labels").replace("image", "label"))
    for candidate in (path.with_name(name), path.with_name(f"{name}.gz")):
        if candidate.is_file():
            return candidate
    return None


def _all_labels(files: list[_File]) -> tuple[tuple[str, ...], Labels, tuple[str, ...]]:
    texts: list[str] = []
    notes = []
    for file in files:
        path = _labels_beside(file.path)
        if path is None:
            notes.append(f"no labels beside {file.path.name}")
            texts += [""] * file.shape[0]
            continue
        with _open(path) as stream:
            shape, dtype = _read_head(stream, path)
            values = np.frombuffer(stream.read(), dtype)
        if len(values) != file.shape[0] or len(shape) != 1:
            raise DataError(f"'{path}' has {len(values):,} labels for {file.shape[0]:,} images; fetch both again")
        texts += map(str, values.tolist())
    classes, labels = number_labels(texts)
    return classes, labels, tuple(notes)


def stamp_of(paths: list[Path]) -> str:
    """Hash the place, size and time of change of a few files."""
    stamp = blake2b(digest_size=16)
    for path in paths:
        status = path.stat()
        stamp.update(f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return stamp.hexdigest()
