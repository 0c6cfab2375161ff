"""NumPy arrays of images: ``.npy``, and ``.npz`` with labels, splits and groups."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from undercoat.data.labelling import UNKNOWN_ROW, number_labels, read_splits
from undercoat.data.listing import ArrayRows, Labels, Listing
from undercoat.data.names import Names
from undercoat.errors import DataError, did_you_mean

__all__ = ["plain_row", "read_arrays"]

KEYS = ("images", "labels", "split", "group", "classes")
_HEADS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
Head = tuple[tuple[int, ...], bool, np.dtype[Any]]  # shape, Fortran order, dtype


def plain_row(row: NDArray[Any]) -> NDArray[np.generic]:
    """Bring one image to a dtype that canvases have: truth values to 0 and 255, other numbers to float32.

    Example:
        >>> plain_row(np.array([[[True]]])).tolist(), plain_row(np.array([[[-5]]])).dtype.name
        ([[[255]]], 'float32')
    """
    if row.dtype == bool:
        return row.astype(np.uint8) * np.uint8(255)
    if row.dtype.kind == "u" and row.dtype.itemsize <= 2:
        return row.astype(row.dtype.newbyteorder("="), copy=False)
    return row.astype(np.float32)


def read_arrays(source: str) -> Listing:
    """A .npy array (N, H, W[, C]), or a .npz with images and, if known, labels, split, group and classes."""
    path = Path(source)
    try:
        head = _npz_head(path) if path.suffix.lower() == ".npz" else _npy_head(path)
        others = _npz_others(path) if path.suffix.lower() == ".npz" else {}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"'{source}' cannot be read as a NumPy file ({error}); save it again") from None
    shape = _image_shape(head, source)
    for key, values in others.items():
        if key != "classes" and len(values) != shape[0]:
            raise DataError(f"'{key}' in '{source}' has {len(values):,} entries for {shape[0]:,} images")
    classes, labels = _labels(others, source)
    status = path.stat()
    stamp = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    return Listing(
        name=source,
        reader="arrays",
        keys=Names.of(str(position) for position in range(shape[0])),
        source=ArrayRows(shape, head[2].newbyteorder("="), lambda: _stream(path, head, shape)),
        stamp=blake2b(stamp.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest(),
        classes=classes,
        labels=labels,
        splits=read_splits([str(value) for value in others["split"]], source)
        if "split" in others
        else np.zeros(shape[0], "<U5"),
        groups=others["group"].astype(np.str_) if "group" in others else np.zeros(shape[0], "<U1"),
    )


def _read_head(stream: IO[bytes]) -> Head:
    version = np.lib.format.read_magic(stream)
    if version not in _HEADS:
        raise ValueError(f"array format {version}")
    return _HEADS[version](stream)


def _npy_head(path: Path) -> Head:
    with path.open("rb") as stream:
        return _read_head(stream)


def _npz_head(path: Path) -> Head:
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        for name in names:
            if name not in KEYS:
                near = did_you_mean(name, KEYS) or f"; arrays are {', '.join(KEYS)}"
                raise DataError(f"'{name}' is no array of a data .npz ('{path}'){near}")
        if "images" not in names:
            raise DataError(f"'{path}' has no array 'images' among {', '.join(names)}; name it so")
        with archive.open("images.npy") as stream:
            return _read_head(stream)


def _npz_others(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as archive:  # a pickled array could run code: refused
        return {key: np.asarray(archive[key]) for key in archive.files if key != "images"}


def _image_shape(head: Head, source: str) -> tuple[int, int, int, int]:
    shape, _, dtype = head
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise DataError(f"'{source}' holds {dtype} values, no numbers that make images; save uint8, uint16 or float32")
    if len(shape) not in (3, 4) or 0 in shape:
        raise DataError(f"'{source}' holds an array of shape {shape}; give (N, H, W) or (N, H, W, C)")
    if len(shape) == 4 and shape[1] in (1, 2, 3, 4) and shape[3] > 16:
        raise DataError(
            f"'{source}' holds an array of shape {shape}, which looks like (N, C, H, W); "
            "save it with the channels last: images.transpose(0, 2, 3, 1)"
        )
    return shape[0], shape[1], shape[2], shape[3] if len(shape) == 4 else 1


def _stream(path: Path, head: Head, shape: tuple[int, int, int, int]) -> Iterator[NDArray[np.generic]]:
    rows = _npz_rows(path, head) if path.suffix.lower() == ".npz" else _npy_rows(path)
    position = 0
    try:
        for row in rows:
            yield plain_row(row.reshape(shape[1:]))
            position += 1
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"'{path}' breaks off after {position:,} images ({error}); save it again") from None


def _npy_rows(path: Path) -> Iterator[NDArray[Any]]:
    for row in np.load(path, mmap_mode="r", allow_pickle=False):
        yield np.array(row)


def _npz_rows(path: Path, head: Head) -> Iterator[NDArray[Any]]:
    """Read a compressed array from front to back, one image at a time."""
    shape, fortran, dtype = head
    if fortran:  # its first axis is scattered over the whole file
        with np.load(path, allow_pickle=False) as archive:
            yield from archive["images"]
        return
    size = int(np.prod(shape[1:])) * dtype.itemsize
    with zipfile.ZipFile(path) as archive, archive.open("images.npy") as stream:
        _read_head(stream)
        for _ in range(shape[0]):
            data = stream.read(size)
            if len(data) < size:
                raise EOFError("the file is cut off")
            yield np.frombuffer(data, dtype).reshape(shape[1:])


def _labels(others: dict[str, NDArray[Any]], source: str) -> tuple[tuple[str, ...], Labels]:
    if "labels" not in others:
        return (), None
    values = others["labels"]
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    names = tuple(str(name) for name in others.get("classes", np.zeros(0, str)).tolist())
    if values.ndim == 2:
        if not np.isin(values, (0, 1, UNKNOWN_ROW)).all():
            raise DataError(f"'labels' in '{source}' has other values than 0 and 1; a row marks its classes by 1")
        names = names or tuple(str(number) for number in range(values.shape[1]))
        _match(names, values.shape[1], source)
        return names, values.astype(np.uint8)
    if values.ndim != 1 or values.dtype.kind not in "iubUS":
        raise DataError(f"'labels' in '{source}' is {values.dtype} {values.shape}; give (N,) integers or names")
    if names and values.dtype.kind in "iu":
        _match(names, int(values.max()) + 1, source)
        return names, np.where(values < 0, -1, values).astype(np.int64)
    texts = values.astype(np.str_).tolist()
    return number_labels(["" if values.dtype.kind == "i" and text.startswith("-") else text for text in texts])


def _match(names: tuple[str, ...], count: int, source: str) -> None:
    if len(names) < count:
        raise DataError(f"'classes' in '{source}' names {len(names)} classes and labels go up to {count}")
