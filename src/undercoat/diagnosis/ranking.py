"""How well scores bring the images of one class to the front, against what chance gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undercoat.data import Canvases
from undercoat.diagnosis.findings import Finding, by_chance
from undercoat.errors import DataError, SpecError, did_you_mean
from undercoat.functional.draws import permutation
from undercoat.functional.intervals import counts, percentile

__all__ = ["average_precision", "known_and_relevant", "weighted_precision"]

_RESAMPLES = 2000
_UNKNOWN = 255  # in a row of an image with several labels


def known_and_relevant(canvases: Canvases, label: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Positions of the images whose labels are known, and whether each of them is of the class.

    Raises:
        DataError: for data without labels, or when all or none are of the class.
        SpecError: for a class that the data does not have.
    """
    if canvases.labels is None:
        raise DataError(f"{canvases.name!r} has no labels, so label {label!r} means nothing there; leave it out")
    if label not in canvases.classes:
        hint = did_you_mean(label, canvases.classes)
        raise SpecError(f"{canvases.name!r} has no class {label!r}{hint}; leave label out, or name one of its classes")
    number = canvases.classes.index(label)
    labels = np.asarray(canvases.labels).astype(np.int64)
    if canvases.multi_label:
        known = np.flatnonzero(labels[:, number] != _UNKNOWN)
        relevant = labels[known, number] == 1
    else:
        known = np.flatnonzero(labels >= 0)
        relevant = labels[known] == number
    if relevant.all() or not relevant.any():
        raise DataError(f"all or none of the images of {canvases.name!r} are {label!r}, so nothing can be ranked")
    return known, relevant


def average_precision(
    name: str, scores: NDArray[np.float64], relevant: NDArray[np.bool_], *, seed: int = 0, repeats: int = 50
) -> Finding:
    """Average precision of a ranking, with its interval over images and the null of shuffled labels.

    Args:
        name: of what gave the scores.
        scores: (N,) higher is more alike; -inf for images that could not be scored, which come last.
        relevant: (N,) which images are of the class.
        seed: of the interval and of the null.
        repeats: shuffles.

    Example:
        >>> found = average_precision("x", np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False]))
        >>> round(found.value, 4)  # (1/1 + 2/3) / 2
        0.8333
    """
    everyone = np.ones((1, len(scores)))
    value = float(weighted_precision(scores, relevant, everyone)[0])
    drawn = [weighted_precision(scores, relevant, block) for block in counts(len(scores), _RESAMPLES, seed=seed)]
    low, high = percentile(np.concatenate(drawn))
    orders = [permutation(len(scores), seed=seed, epoch=i, purpose="shuffled labels") for i in range(repeats)]
    null = by_chance([float(weighted_precision(scores, relevant[order], everyone)[0]) for order in orders])
    return Finding(name, "", "", "average precision", value, low, high, **null, n=len(scores))


def weighted_precision(
    scores: NDArray[np.float64], relevant: NDArray[np.bool_], weights: NDArray[Any]
) -> NDArray[np.float64]:
    """Average precision of one ranking under several weightings of its images, as scikit-learn defines it.

    Images of one score come in together, so that their order does not matter.

    Args:
        scores: (N,) higher comes first.
        relevant: (N,) which images are wanted.
        weights: (R, N) how much each image counts, such as how often it was drawn.

    Returns:
        (R,); NaN where no wanted image counts.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, wanted = scores[order], relevant[order]
    # the last place of each score, from which precision is read
    last = np.searchsorted(-ranked, -ranked, side="right") - 1
    counted = weights[:, order].astype(np.float64)
    hits = np.cumsum(counted * wanted, axis=1)
    seen = np.cumsum(counted, axis=1)[:, last]
    precision = np.divide(hits[:, last], seen, out=np.zeros_like(seen), where=seen > 0)
    total = hits[:, -1]
    gained = (counted * wanted * precision).sum(axis=1)
    mean: NDArray[np.float64] = np.divide(gained, total, out=np.full_like(total, np.nan), where=total > 0)
    return mean
