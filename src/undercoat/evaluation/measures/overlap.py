"""Dice and intersection over union: how far predicted masks cover the true ones."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from undercoat.errors import DataError, SpecError, did_you_mean
from undercoat.evaluation.measures.mask_predictions import MaskPredictions
from undercoat.evaluation.measures.predictions import Measurement, Resampled
from undercoat.functional.intervals import counts, percentile

__all__ = ["Dice", "IoU", "Overlap"]


@dataclass(frozen=True)
class Overlap(ABC):
    """A share taken image by image, averaged over images, then over classes; the interval is drawn over images.

    An image counts for a class when its true mask has the class, whatever was predicted: the same images count for
    every arm, so that arms are compared in pairs. Where the truth is empty, the share is 0 for one wrong pixel and
    undefined (0 / 0) for none; neither says how well a thing was outlined. Such images are left out, and the notes
    count them and those in which something was invented. The background does not count unless it is asked for.

    Attributes:
        of: one class by name; empty for the mean over all but the background.
    """

    of: str = ""

    @abstractmethod
    def per_image(self, predictions: MaskPredictions) -> NDArray[np.float64]:
        """(N, classes) the share, NaN where the image does not have the class."""

    @abstractmethod
    def of_everything(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value of marking every pixel where the class has this share of them."""

    @property
    def name(self) -> str:
        """As in a record's ``metric``."""
        return type(self).__name__.lower() + (f":{self.of}" if self.of else "")

    def __call__(self, predictions: MaskPredictions, *, seed: int = 0, resamples: int = 2000) -> Measurement:
        """Measure the predictions; ``chance`` is what marking every pixel as the class would reach.

        Raises:
            SpecError: for a class that the masks do not have.
            DataError: when no test image has a class that counts.
        """
        statistic = self.resampled(predictions)
        n, chosen = len(predictions), self._columns(predictions)
        low, high = percentile(np.concatenate([statistic(block) for block in counts(n, resamples, seed=seed)]))
        there = ~np.isnan(predictions.dice)
        everything = self.of_everything(predictions.share)
        chance = [everything[there[:, c], c].mean() for c in chosen if there[:, c].any()]
        return Measurement(
            value=float(statistic(np.ones((1, n), dtype=np.int64))[0]),
            low=low,
            high=high,
            interval=f"bootstrap over test images, {resamples} resamples",
            chance=float(np.mean(chance)),
            notes=tuple(self._note(predictions, c) for c in chosen if not there[:, c].all()),
        )

    def resampled(self, predictions: MaskPredictions) -> Resampled:
        """Prepare for resamples: counts (R, N) → means (R,) over the classes that were drawn."""
        shares = self.per_image(predictions)[:, self._columns(predictions)]
        there = ~np.isnan(shares)
        if not there.any():
            raise DataError(
                f"no test image has a pixel of {self.of or 'any class but the background'!r}, so {self.name} is "
                "undefined; add test images"
            )
        present, shares = there.astype(np.float64), np.nan_to_num(shares)

        def mean(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
            with warnings.catch_warnings(), np.errstate(invalid="ignore"):
                warnings.simplefilter("ignore", RuntimeWarning)  # a resample in which no class was drawn
                return np.asarray(np.nanmean((drawn @ shares) / (drawn @ present), axis=1))

        return mean

    def _columns(self, predictions: MaskPredictions) -> list[int]:
        names = predictions.classes
        if not self.of:
            return list(range(1, len(names)))
        if self.of not in names:
            raise SpecError(
                f"masks have no class {self.of!r}{did_you_mean(self.of, names)} (known: {', '.join(names)})"
            )
        return [names.index(self.of)]

    def _note(self, predictions: MaskPredictions, column: int) -> str:
        name = predictions.classes[column]
        without = int((predictions.counts[:, column, 2] == 0).sum())
        return (
            f"{without} of {len(predictions)} test images have no {name} and are left out of its overlap; in "
            f"{predictions.invented[column]} of these {name} was predicted all the same"
        )


class Dice(Overlap):
    """Dice's coefficient, 2 |A ∩ B| / (|A| + |B|) of predicted pixels A and true pixels B; the F1 score of pixels.

    Example:
        >>> found = MaskPredictions(counts=np.array([[[2, 2, 3], [1, 2, 1]]]), classes=("background", "disc"))
        >>> round(Dice()(found).value, 3), round(Dice()(found).chance, 3)
        (0.667, 0.4)
    """

    def per_image(self, predictions: MaskPredictions) -> NDArray[np.float64]:
        """(N, classes) Dice's coefficient, NaN where the image does not have the class."""
        return predictions.dice

    def of_everything(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """2 p / (1 + p)."""
        return np.asarray(2 * share / (1 + share))


class IoU(Overlap):
    """Intersection over union, |A ∩ B| / |A ∪ B| (Jaccard's index); D / (2 - D) of an image's Dice D.

    Example:
        >>> found = MaskPredictions(counts=np.array([[[2, 2, 3], [1, 2, 1]]]), classes=("background", "disc"))
        >>> IoU()(found).value
        0.5
    """

    def per_image(self, predictions: MaskPredictions) -> NDArray[np.float64]:
        """(N, classes) intersection over union, NaN where the image does not have the class."""
        return predictions.iou

    def of_everything(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Marking everything has the class's share itself."""
        return share
