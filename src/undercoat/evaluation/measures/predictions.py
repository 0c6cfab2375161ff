"""What a measure is given and gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Measure", "Measurement", "Predictions", "Resampled"]

#: (R, N) counts of how often each test image was drawn → (R,) values of the measure on those resamples
Resampled = Callable[[NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Scores of the test images beside the truth.

    Attributes:
        scores: (N, classes) float32, larger means more likely.
        labels: (N,) int64; or (N, classes) of 0 and 1 when an image can have several.
        classes: names of the classes.
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.int64] | NDArray[np.uint8]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def truth(self) -> NDArray[np.bool_]:
        """(N, classes): whether the image has the class."""
        if self.labels.ndim == 2:
            return np.asarray(self.labels, dtype=np.bool_)
        return np.asarray(self.labels[:, None] == np.arange(len(self.classes)))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(N,): whether the highest score is the image's class; for single labels."""
        return np.asarray(self.scores.argmax(axis=1) == self.labels)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A number with its interval.

    Attributes:
        value: in 0..1.
        low: lower bound of the 95 % interval.
        high: upper bound.
        interval: how the interval was made.
        chance: what blind guessing gives.
        notes: sentences that a reader of the number should know.
    """

    value: float
    low: float
    high: float
    interval: str
    chance: float
    notes: tuple[str, ...] = ()


class Measure(Protocol):
    """The contract: a value with its interval, and the same value on resamples for paired differences.

    Predictions are scores of whole images, or :class:`~undercoat.evaluation.measures.mask_predictions.MaskPredictions`.
    """

    def __call__(self, predictions: Any, *, seed: int = 0, resamples: int = 2000) -> Measurement:
        """Measure the predictions."""
        ...

    def resampled(self, predictions: Any) -> Resampled:
        """Prepare the measure for many resamples of the same predictions."""
        ...
