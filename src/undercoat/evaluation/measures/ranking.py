"""Area under the ROC curve: how often an image with the class is scored above one without it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["area_under_curve", "resampled_area"]

Floats = NDArray[np.float64]


def area_under_curve(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> Floats:
    """Measure each class; ties count half.

    Args:
        scores: (N, C), larger means more likely; finite.
        truth: (N, C), whether the image has the class.

    Returns:
        (C,) in 0..1, 0.5 at chance; NaN where no image, or every image, has the class.

    Example:
        >>> area_under_curve(np.array([[0.1], [0.4], [0.35], [0.8]]), np.array([[0], [0], [1], [1]]) > 0)
        array([0.75])

    Reference: Hanley & McNeil 1982 (the Mann-Whitney form).
    """
    once = np.ones((1, len(scores)), dtype=np.int64)
    columns = zip(scores.T, truth.T, strict=True)
    return np.array([resampled_area(column, positive)(once)[0] for column, positive in columns])


def resampled_area(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> Callable[[NDArray[np.int64]], Floats]:
    """Sort one class's scores once, so that each bootstrap resample costs two passes over them.

    Args:
        scores: (N,) finite.
        positive: (N,) whether the image has the class.

    Returns:
        (R, N) counts of how often each image was drawn → (R,) areas, NaN where one kind is missing.
    """
    order = np.argsort(scores, kind="stable")
    ascending, positive = scores[order], positive[order]
    first = np.searchsorted(ascending, ascending, side="left")  # of the images with this very score
    after = np.searchsorted(ascending, ascending, side="right")

    def area(drawn: NDArray[np.int64]) -> Floats:
        drawn = drawn[:, order]
        below = np.zeros((len(drawn), len(order) + 1))
        np.cumsum(drawn * ~positive, axis=1, out=below[:, 1:])
        wins = (below[:, first[positive]] + below[:, after[positive]]) / 2
        hits = drawn[:, positive]
        pairs = hits.sum(axis=1) * below[:, -1]
        with np.errstate(invalid="ignore"):
            return np.asarray((hits * wins).sum(axis=1) / pairs, dtype=np.float64)

    return area
