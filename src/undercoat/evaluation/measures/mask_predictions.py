"""Predicted masks beside the true ones, kept as pixel counts an image: all that overlap measures need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from undercoat.data.masks import IGNORED

__all__ = ["MaskPredictions", "pixel_counts"]


def pixel_counts(predicted: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Count the pixels of every class in every image; pixels that the truth ignores count nowhere.

    Args:
        predicted: (N, H, W) class numbers.
        truth: (N, H, W) class numbers, 255 = ignored.
        classes: how many.

    Returns:
        (N, classes, 3): pixels of the class in both, in the prediction, in the truth.

    Example:
        >>> truth = np.array([[[0, 1], [1, 255]]], dtype=np.uint8)
        >>> pixel_counts(np.ones_like(truth), truth, 2).tolist()
        [[[0, 0, 1], [2, 3, 2]]]
    """
    counted = truth != IGNORED
    counts = np.empty((len(truth), classes, 3), dtype=np.int64)
    for number in range(classes):
        found, true = (predicted == number) & counted, truth == number
        for place, pixels in enumerate((found & true, found, true)):
            counts[:, number, place] = pixels.sum(axis=(1, 2))
    return counts


@dataclass(frozen=True, kw_only=True)
class MaskPredictions:
    """How predicted masks of the test images overlap with the true ones.

    Attributes:
        counts: (N, classes, 3) as :func:`pixel_counts` makes them.
        classes: names of the classes; the first is the background.
    """

    counts: NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def dice(self) -> NDArray[np.float64]:
        """(N, classes): 2 |A ∩ B| / (|A| + |B|); NaN where the image has no such pixel in truth (Dice 1945)."""
        both, found, true = np.moveaxis(self.counts, 2, 0)
        return np.where(true > 0, 2 * both / np.maximum(found + true, 1), np.nan)

    @property
    def iou(self) -> NDArray[np.float64]:
        """(N, classes): |A ∩ B| / |A ∪ B|; NaN where the image has no such pixel in truth (Jaccard 1901)."""
        both, found, true = np.moveaxis(self.counts, 2, 0)
        return np.where(true > 0, both / np.maximum(found + true - both, 1), np.nan)

    @property
    def invented(self) -> NDArray[np.int64]:
        """(classes,): images in which pixels of a class were found that the truth has nowhere."""
        return np.asarray(((self.counts[:, :, 2] == 0) & (self.counts[:, :, 1] > 0)).sum(axis=0))

    @property
    def share(self) -> NDArray[np.float64]:
        """(N, classes): share of the image's pixels that the truth gives each class."""
        true = self.counts[:, :, 2]
        return np.asarray(true / np.maximum(true.sum(axis=1, keepdims=True), 1))
