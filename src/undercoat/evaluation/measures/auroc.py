"""AUROC over classes: how well images with a class are ranked above images without it."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from undercoat.errors import DataError
from undercoat.evaluation.measures.predictions import Measurement, Predictions, Resampled
from undercoat.evaluation.measures.ranking import area_under_curve, resampled_area
from undercoat.functional.intervals import counts, percentile

__all__ = ["AUROC"]


class AUROC:
    """Mean over classes of the area under the ROC curve, with a bootstrap interval over test images.

    A class that no test image has, or that all have, has no curve: it is left out and named. With one class
    an image, each class is ranked against the rest.

    Example:
        >>> scores = np.array([[0.1], [0.4], [0.35], [0.8]], dtype=np.float32)
        >>> labels = np.array([[0], [0], [1], [1]], dtype=np.uint8)
        >>> AUROC()(Predictions(scores=scores, labels=labels, classes=("nodule",))).value
        0.75
    """

    def __call__(self, predictions: Predictions, *, seed: int = 0, resamples: int = 2000) -> Measurement:
        """Measure the predictions.

        Raises:
            DataError: when no class has a curve.
        """
        areas = area_under_curve(predictions.scores, predictions.truth)
        statistic = self.resampled(predictions)
        blocks = counts(len(predictions), resamples, seed=seed)
        low, high = percentile(np.concatenate([statistic(block) for block in blocks]))
        names = [name for name, area in zip(predictions.classes, areas, strict=True) if np.isnan(area)]
        left_out = f"; {len(names)} of {len(areas)} classes undefined and left out: {', '.join(names)}" if names else ""
        return Measurement(
            value=float(np.nanmean(areas)),
            low=low,
            high=high,
            interval=f"bootstrap over test images, {resamples} resamples{left_out}",
            chance=0.5,
            notes=(f"AUROC{left_out[1:]}",) if names else (),
        )

    def resampled(self, predictions: Predictions) -> Resampled:
        """Prepare for resamples: counts (R, N) → mean areas (R,) of classes with a curve in the resample."""
        truth = predictions.truth
        defined = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
        if not len(defined):
            raise DataError(
                f"no class of {len(predictions.classes)} is on some test images and off others, so AUROC is "
                "undefined; add test images"
            )
        areas = [resampled_area(predictions.scores[:, c], truth[:, c]) for c in defined]

        def mean_area(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # a resample in which every class is undefined
                return np.asarray(np.nanmean([area(drawn) for area in areas], axis=0))

        return mean_area
