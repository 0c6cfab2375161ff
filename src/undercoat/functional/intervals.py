"""Intervals beside numbers: how far a measured value may lie from the one that more images would give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["bootstrap", "counts", "crossed_bootstrap", "percentile", "wilson"]

Floats = NDArray[np.float64]
_BLOCK_NUMBERS = 2_000_000  # 16 MB of counts at a time, however many images and resamples there are


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a fraction, which stays inside 0..1 and keeps its coverage for few images.

    Args:
        successes: how many of n were right; 0 … n.
        n: how many were tried; with 0 nothing is known, and the interval is 0..1.
        confidence: share of repetitions in which the interval holds the true fraction; in (0, 1).

    Returns:
        Lower and upper bound, in 0..1.

    Example:
        >>> [round(bound, 4) for bound in wilson(8, 10)]
        [0.4902, 0.9433]

    Reference: Wilson 1927; Brown, Cai & DasGupta 2001, eq. 4.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in 0 … {n}, got {successes}")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = successes / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (rate * (1 - rate) / n + z**2 / (4 * n**2)) ** 0.5
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == n else centre + half


def counts(n: int, resamples: int, *, seed: int) -> Iterator[NDArray[np.int64]]:
    """Draw bootstrap resamples as how often each of n items was drawn, in blocks of bounded memory.

    Yields:
        (R, n) whole numbers, each row summing to n; all blocks together have ``resamples`` rows.

    Example:
        >>> blocks = list(counts(3, 5, seed=0))
        >>> sum(len(block) for block in blocks), blocks[0].sum(axis=1).tolist()
        (5, [3, 3, 3, 3, 3])
    """
    rng = np.random.default_rng(seed)
    rows = max(1, _BLOCK_NUMBERS // max(n, 1))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)


def percentile(values: ArrayLike, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the central share of bootstrap values; values that are not finite are left out.

    Example:
        >>> percentile([0.0, 1.0, 2.0, 3.0, 4.0], confidence=0.5)
        (1.0, 3.0)
    """
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def bootstrap(
    values: ArrayLike, *, seed: int = 0, resamples: int = 2000, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a mean.

    For a paired difference, pass the differences: what the two sides share then cancels, image by image.

    Args:
        values: (N,) one number an image, N ≥ 1.
        seed: of the resamples; the same seed gives the same interval.
        resamples: how many.
        confidence: in (0, 1).

    Returns:
        Lower and upper bound, in the unit of the values.

    Example:
        >>> bootstrap([0.25, 0.25, 0.25])
        (0.25, 0.25)

    Reference: Efron & Tibshirani 1993, chapter 13.
    """
    values = np.asarray(values, dtype=np.float64)
    means = [block @ values / len(values) for block in counts(len(values), resamples, seed=seed)]
    return percentile(np.concatenate(means), confidence=confidence)


def crossed_bootstrap(
    statistic: Callable[[NDArray[np.int64]], Floats],
    *,
    images: int,
    seeds: int,
    seed: int = 0,
    resamples: int = 2000,
) -> tuple[float, float]:
    """95 % percentile interval of a mean over training seeds, when all seeds are tested on the same images.

    Images and seeds are both drawn again, independently: an image that is hard is hard for every seed, so
    images must not be drawn anew for each seed. Deviations between seeds are stretched by √(S / (S - 1)):
    with two or three seeds, drawing among them would otherwise show a half or a third less variance than
    there is.

    Args:
        statistic: (R, images) counts of how often each image was drawn → (R, seeds), the statistic of every
            seed on the images drawn.
        images: how many test images.
        seeds: S, how many training seeds; with 1 only the images are drawn again.
        seed: of the resamples.
        resamples: how many.

    Returns:
        Lower and upper bound, in the unit of the statistic.

    Example:
        >>> differences = np.array([[0.5, 0.5], [0.5, 0.5]])  # (seeds, images)
        >>> crossed_bootstrap(lambda drawn: drawn @ differences.T / 2, images=2, seeds=2, resamples=10)
        (0.5, 0.5)

    Reference: Owen 2007 (the pigeonhole bootstrap).
    """
    rng = np.random.default_rng([seed, 1])
    stretch = (seeds / (seeds - 1)) ** 0.5 if seeds > 1 else 1.0
    means = []
    for block in counts(images, resamples, seed=seed):
        value = statistic(block)
        drawn = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=len(block)) / seeds
        centre = value.mean(axis=1)
        means.append(centre + stretch * ((drawn * value).sum(axis=1) - centre))
    return percentile(np.concatenate(means))
