"""What a reader finds: every image's name, label and split, and the way to its pixels; nothing decoded."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from undercoat.data.names import Names

__all__ = ["ArrayRows", "Encoded", "FilePaths", "Labels", "Listing", "MaskFiles", "ZipMembers"]

Labels = NDArray[np.int64] | NDArray[np.uint8] | None


class Encoded(Protocol):
    """Images as files in some format, each readable by its position, from any thread."""

    def open(self, position: int) -> BinaryIO:
        """Open one file for reading."""

    def read(self, position: int) -> bytes:
        """Read one file whole."""


@dataclass(frozen=True)
class FilePaths:
    """Image files on disk; names are relative to ``root`` (an absolute name stands for itself)."""

    root: Path
    names: Names

    def open(self, position: int) -> BinaryIO:
        """Open one file for reading."""
        return open(os.path.join(self.root, self.names.path(position)), "rb")

    def read(self, position: int) -> bytes:
        """Read one file whole."""
        with self.open(position) as file:
            return file.read()


@dataclass(frozen=True)
class ZipMembers:
    """Image files inside a zip archive, never unpacked to disk."""

    path: Path
    names: Names

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)

    def read(self, position: int) -> bytes:
        """Read one member whole."""
        return self._archive.read(self.names.path(position))

    def open(self, position: int) -> BinaryIO:
        """Open one member for reading."""
        return io.BytesIO(self.read(position))


@dataclass(frozen=True)
class ArrayRows:
    """Images as the rows of one array, read from front to back so that memory stays flat.

    Attributes:
        shape: (N, H, W, C).
        dtype: of the stored numbers.
        stream: opens the source and yields N arrays (H, W, C).
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype[np.generic]
    stream: Callable[[], Iterator[NDArray[np.generic]]]


@dataclass(frozen=True, kw_only=True)
class MaskFiles:
    """Masks beside the images of a listing: one file an image, whose pixels are class numbers or values to cut.

    Attributes:
        source: where the files lie.
        rows: (N,) which file there belongs to each image.
        stamp: changes whenever a file's name, size or time of change does.
        classes: names of class 0, 1, …; empty where only the pixels tell.
        thresholds: of each part of a joined set, the value above which a pixel is marked; None = the pixels tell.
        part: (N,) which part each mask is from.
    """

    source: Encoded
    rows: NDArray[np.int64]
    stamp: str
    classes: tuple[str, ...] = ()
    thresholds: tuple[float | None, ...] = (None,)
    part: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: NDArray[np.int64]) -> MaskFiles:
        """Choose masks by the position of their images."""
        return replace(self, rows=self.rows[index], part=self.part[index])


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a reader found at a source.

    Attributes:
        name: the data spec as a person wrote it.
        reader: which reader it was.
        keys: N unique names.
        source: the way to the pixels.
        stamp: changes whenever a file's name, size or time of change does.
        classes: names of the classes; empty without labels.
        labels: (N,) int64 with -1 where unknown, (N, classes) uint8 with rows of 255 where unknown, or None.
        splits: (N,) "train", "val", "test" or "".
        groups: (N,) "" where an image stands alone.
        skipped: (key, reason) of what was found and cannot be used.
        notes: sentences about choices that the reader made.
        masks: of the images, in their order; None when they have none.
    """

    name: str
    reader: str
    keys: Names
    source: Encoded | ArrayRows
    stamp: str
    classes: tuple[str, ...] = ()
    labels: Labels = None
    splits: NDArray[np.str_]
    groups: NDArray[np.str_]
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    masks: MaskFiles | None = None

    def __len__(self) -> int:
        return len(self.keys)
