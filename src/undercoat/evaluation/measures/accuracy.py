"""Shares of images whose class was found."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from undercoat.errors import SpecError
from undercoat.evaluation.measures.predictions import Measurement, Predictions, Resampled
from undercoat.functional.intervals import counts, percentile, wilson

__all__ = ["Accuracy", "BalancedAccuracy"]


class Accuracy:
    """Share of test images whose highest score is their class (top-1), with Wilson's interval.

    Example:
        >>> scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], dtype=np.float32)
        >>> found = Accuracy()(Predictions(scores=scores, labels=np.array([0, 1, 0, 0]), classes=("a", "b")))
        >>> found.value, found.chance, round(found.low, 3), round(found.high, 3)
        (0.75, 0.5, 0.301, 0.954)
    """

    def __call__(self, predictions: Predictions, *, seed: int = 0, resamples: int = 2000) -> Measurement:
        """Measure the predictions; nothing is random, so seed and resamples are not used."""
        correct = _single(predictions, "accuracy").correct
        low, high = wilson(int(correct.sum()), len(correct))
        chance = 1 / len(predictions.classes)
        return Measurement(value=float(correct.mean()), low=low, high=high, interval="Wilson", chance=chance)

    def resampled(self, predictions: Predictions) -> Resampled:
        """Prepare for resamples: counts (R, N) → accuracies (R,)."""
        correct = _single(predictions, "accuracy").correct.astype(np.float64)
        return lambda drawn: np.asarray(drawn @ correct / len(correct))


class BalancedAccuracy:
    """Mean over classes of the share of their images that was found; rare classes count as much as others.

    Classes without a test image are left out and named. The interval is a bootstrap over test images.
    """

    def __call__(self, predictions: Predictions, *, seed: int = 0, resamples: int = 2000) -> Measurement:
        """Measure the predictions."""
        statistic = self.resampled(_single(predictions, "balanced_accuracy"))
        n = len(predictions)
        low, high = percentile(np.concatenate([statistic(block) for block in counts(n, resamples, seed=seed)]))
        absent = [predictions.classes[c] for c in np.flatnonzero(predictions.truth.sum(axis=0) == 0)]
        note = f"balanced accuracy leaves out classes without a test image: {', '.join(absent)}"
        return Measurement(
            value=float(statistic(np.ones((1, n), dtype=np.int64))[0]),
            low=low,
            high=high,
            interval=f"bootstrap over test images, {resamples} resamples",
            chance=1 / len(predictions.classes),
            notes=(note,) if absent else (),
        )

    def resampled(self, predictions: Predictions) -> Resampled:
        """Prepare for resamples: counts (R, N) → mean recalls (R,), over the classes that were drawn."""
        truth = _single(predictions, "balanced_accuracy").truth.astype(np.float64)
        found = truth * predictions.correct[:, None]

        def recall(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
            with warnings.catch_warnings(), np.errstate(invalid="ignore"):
                warnings.simplefilter("ignore", RuntimeWarning)  # a resample in which no class was drawn
                return np.asarray(np.nanmean((drawn @ found) / (drawn @ truth), axis=1))

        return recall


def _single(predictions: Predictions, measure: str) -> Predictions:
    if predictions.labels.ndim == 2:
        raise SpecError(f"{measure} needs one class per image, but these images can have several; measure 'auroc'")
    return predictions
