"""Canvases: a data set decoded once to equal squares, memory-mapped, with whatever is known about each image.

A canvas holds the *whole* image, squeezed to ``size_px`` × ``size_px``; ``aspect`` remembers width / height,
so that crops are drawn with the image's true proportions and nothing is cut off before training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undercoat.data.names import Names
from undercoat.data.virtual import NumberedNames
from undercoat.errors import DataError

__all__ = ["UNLABELLED", "Canvases"]

UNLABELLED = -1


@dataclass(frozen=True, kw_only=True)
class Canvases:
    """N images as squares, ready to be read in any order.

    Attributes:
        name: the data spec as a person wrote it.
        digest: hash of the images' content, labels left out: the same images give the same digest anywhere.
            A selection has the whole set's digest and, after a dot, its own: ``3f…9a.77c0…``.
        images: (N, size, size, C) uint8, uint16 or float32; a read-only memory map.
        low: the raw value that becomes 0.0.
        high: the raw value that becomes 1.0 (255 for uint8).
        mean: (C,) mean over all pixels, after scaling to 0..1.
        std: (C,) standard deviation over all pixels, after scaling to 0..1.
        aspect: (N,) float32, width / height of each original.
        keys: N names, unique: the path relative to the data's root, or a position.
        classes: names of the classes, empty when there are no labels.
        labels: (N,) int64 class numbers, -1 where unknown; or (N, classes) uint8 0/1 when multi-label
            (a row of 255 where unknown); None when the data has no labels at all.
        splits: (N,) strings "train", "val", "test" or "" where unknown.
        groups: (N,) strings; images of one group (patient, site) stay on one side of a split; "" = alone.
        rows: (N,) int64: which rows of ``images`` these are (a selection shares the memory map).
        skipped: (key, reason) of every file that could not be used.
        folder: where the cache lies.
        notes: sentences about choices that a reader made.
        masks: (rows of ``images``, size, size) uint8 class numbers, 255 where a pixel is ignored; a read-only memory
            map beside ``images``, read by ``mask_batch``. None when the images have no masks.
        mask_classes: names of class 0, 1, … of the masks.
        mask_digest: hash of the masks' pixels and class names.
    """

    name: str
    digest: str
    images: NDArray[np.generic]
    low: float
    high: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    aspect: NDArray[np.float32]
    keys: Sequence[str]
    classes: tuple[str, ...]
    labels: NDArray[np.int64] | NDArray[np.uint8] | None
    splits: NDArray[np.str_]
    groups: NDArray[np.str_]
    rows: NDArray[np.int64]
    skipped: tuple[tuple[str, str], ...]
    folder: Path
    notes: tuple[str, ...] = ()
    masks: NDArray[np.uint8] | None = None
    mask_classes: tuple[str, ...] = ()
    mask_digest: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size_px(self) -> int:
        """Side of the square canvases."""
        return int(self.images.shape[1])

    @property
    def channels(self) -> int:
        """Channels of every image."""
        return int(self.images.shape[3])

    @property
    def sources(self) -> int:
        """How many photos the images come from: as many as there are images, but for patches of a few photos."""
        photos = getattr(self.images, "photos", None)
        return len(self) if photos is None else len(photos)

    @property
    def multi_label(self) -> bool:
        """Whether an image can have several classes at once."""
        return self.labels is not None and self.labels.ndim == 2

    def batch(self, index: NDArray[np.int64]) -> NDArray[np.generic]:
        """Read (B, size, size, C) canvases by their position in this selection."""
        return np.asarray(self.images[self.rows[index]])

    def mask_batch(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read the (B, size, size) masks of images by their position in this selection.

        Raises:
            DataError: when the images have no masks.
        """
        if self.masks is None:
            raise DataError(f"{self.name!r} has no masks; give data that has, such as pairs:FOLDER")
        return np.asarray(self.masks[self.rows[index]])

    def take(self, index: NDArray[np.int64]) -> Canvases:
        """Select images by position; the memory map is shared, and the digest says which rows these are."""
        index = np.asarray(index, np.int64)
        rows = self.rows[index]
        return replace(
            self,
            digest=_digest_of_rows(self.digest.partition(".")[0], rows, len(self.images)),
            aspect=self.aspect[index],
            keys=self.keys.take(index)
            if isinstance(self.keys, Names | NumberedNames)
            else [self.keys[i] for i in index],
            labels=None if self.labels is None else self.labels[index],
            splits=self.splits[index],
            groups=self.groups[index],
            rows=rows,
        )

    def in_split(self, *names: str) -> Canvases:
        """Select the images of one or more splits, such as ``in_split("train", "val")``."""
        return self.take(np.flatnonzero(np.isin(self.splits, names)))

    def without_labels(self) -> Canvases:
        """The same images with every label and mask removed: what pretraining is given."""
        return replace(self, labels=None, classes=(), masks=None, mask_classes=(), mask_digest="")


def _digest_of_rows(whole: str, rows: NDArray[np.int64], count: int) -> str:
    if len(rows) == count and bool((rows == np.arange(count)).all()):
        return whole
    return f"{whole}.{blake2b(rows.astype('<i8').tobytes(), digest_size=6).hexdigest()}"
