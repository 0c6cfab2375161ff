"""Several looks at once: what remains of many differences when the number of looks is paid for."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["holm", "p_of_interval"]


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p values so that the chance of even one false finding stays below the level they are compared with.

    The smallest p is multiplied by the number of tests m, the next by m - 1, and so on; no adjusted value is smaller
    than one before it, nor larger than 1. Nothing is assumed of how the tests hang together.

    Args:
        p_values: (M,) in 0..1.

    Returns:
        (M,) adjusted values in the same order.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]

    Reference: Holm 1979.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def p_of_interval(value: float, low: float, high: float, *, confidence: float = 0.95) -> float:
    """Two-sided p value of "no difference" that belongs to a measured difference and its interval.

    The standard error is the half of the interval on the side of zero, divided by the normal quantile, so p < 0.05
    exactly where a 95 % interval leaves out zero, also for intervals that are not symmetric.

    Args:
        value: the difference.
        low: lower end of its interval.
        high: upper end.
        confidence: of the interval, in (0, 1).

    Example:
        >>> round(p_of_interval(0.1, 0.0, 0.2), 3), round(p_of_interval(0.1, 0.05, 0.15), 5)
        (0.05, 9e-05)

    Reference: Altman & Bland 2011, "How to obtain the P value from a confidence interval".
    """
    half = value - low if value > 0 else high - value
    if half <= 0:
        return 1.0 if value == 0 else 0.0
    quantile = NormalDist().inv_cdf(0.5 + confidence / 2)
    return 2 * (1 - NormalDist().cdf(abs(value) / half * quantile))
