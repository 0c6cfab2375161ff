"""Splits of a data set: stratified by class, never through a group, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from undercoat.data.labelling import UNKNOWN_ROW
from undercoat.data.listing import Labels
from undercoat.functional.draws import permutation

__all__ = ["Labelled", "split_rows"]


class Labelled(Protocol):
    """What a split heeds of N images: ``Canvases`` have it, and a reader's ``Listing`` does before decoding."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def labels(self) -> Labels:
        """(N,) class numbers, (N, classes) marks, or None."""

    @property
    def groups(self) -> NDArray[np.str_]:
        """(N,) what must stay together; "" stands alone."""

    def __len__(self) -> int: ...


def split_rows(canvases: Labelled, fractions: Sequence[float], *, seed: int) -> list[NDArray[np.int64]]:
    """Cut a set into parts of given fractions, each with its share of every class.

    Images of one group land in one part together. Single-label sets without groups get, of each class, the
    share rounded up or down. With groups or several labels an image, units are placed one by one, rarest class
    and largest unit first, where they lower the squared error of the class counts most (relative to each part's
    share; in the spirit of the iterative stratification of Sechidis, Tsoumakas & Vlahavas 2011).

    Args:
        canvases: the set; unlabelled images count as one more class.
        fractions: of each part; each > 0, together at most 1. What they leave is in no part.
        seed: another seed gives another split.

    Returns:
        positions in ``canvases``, sorted, one array a part.

    Raises:
        ValueError: for fractions out of range.

    Example:
        >>> import tempfile
        >>> from undercoat.data.opening import open_data
        >>> digits = open_data("sample:digits", cache=tempfile.mkdtemp())
        >>> fit, held = split_rows(digits, (0.8, 0.2), seed=0)
        >>> len(fit) + len(held), int(np.bincount(digits.labels[held]).min())
        (1797, 34)
    """
    if not fractions or min(fractions) <= 0 or sum(fractions) > 1 + 1e-9:
        raise ValueError(f"fractions {tuple(fractions)} have to be above 0 and at most 1 together")
    rest = 1.0 - sum(fractions)
    shares = np.array([*fractions, rest] if rest > 1e-9 else fractions, np.float64)
    order = permutation(len(canvases), seed=seed, epoch=0, purpose="split")
    grouped = bool((canvases.groups != "").any())
    if grouped or (canvases.labels is not None and canvases.labels.ndim == 2):
        part = _assign_units(_class_counts(canvases), _units(canvases), order, shares)
    else:
        labels = np.zeros(len(canvases), np.int64) if canvases.labels is None else canvases.labels
        part = _assign_rows(np.asarray(labels, np.int64), order, shares)
    return [np.flatnonzero(part == number) for number in range(len(fractions))]


def _assign_rows(labels: NDArray[np.int64], order: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round each class's share up or down so that the parts' totals come out right too."""
    part = np.zeros(len(labels), np.int64)
    owed = np.zeros(len(shares))
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        exact = shares * len(rows)
        counts = np.floor(exact + 1e-9).astype(np.int64)
        remainder = exact - counts
        left = len(rows) - int(counts.sum())
        counts[np.argsort(-(remainder + owed), kind="stable")[:left]] += 1
        owed += exact - counts
        part[rows] = np.repeat(np.arange(len(shares)), counts)
    return part


def _units(canvases: Labelled) -> NDArray[np.int64]:
    """(N,) which unit each image belongs to: its group, or itself."""
    alone = canvases.groups == ""
    _, unit = np.unique(canvases.groups, return_inverse=True)
    numbers = unit.astype(np.int64)
    numbers[alone] = numbers.max(initial=0) + 1 + np.arange(int(alone.sum()))
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


def _class_counts(canvases: Labelled) -> NDArray[np.float64]:
    """(N, classes + 1) which classes each image has; the last column counts every image."""
    labels = canvases.labels
    if labels is None:
        return np.ones((len(canvases), 1))
    if labels.ndim == 2:
        marks = np.where(labels == UNKNOWN_ROW, 0, labels).astype(np.float64)
    else:
        marks = (labels[:, None] == np.arange(len(canvases.classes))).astype(np.float64)
    return np.concatenate([marks, np.ones((len(canvases), 1))], axis=1)


def _assign_units(
    marks: NDArray[np.float64],
    unit: NDArray[np.int64],
    order: NDArray[np.int64],
    shares: NDArray[np.float64],
) -> NDArray[np.int64]:
    count = int(unit.max(initial=-1)) + 1
    totals = np.zeros((count, marks.shape[1]))
    np.add.at(totals, unit, marks)
    place = np.zeros(count, np.int64)
    place[unit[order]] = np.arange(len(order))  # a unit's turn among equals is drawn, not its position
    amount = np.maximum(totals.sum(axis=0), 1.0)
    wanted = shares[:, None] * amount[None, :]
    weight = amount**-2.0
    weight[-1] *= 0.01  # the parts' sizes follow from their classes; alone they only break ties
    rarest = np.where(totals > 0, amount, np.inf).min(axis=1)
    assigned = np.zeros(count, np.int64)
    turns = np.lexsort((place, -totals[:, -1], rarest))  # rarest class, then large units, then the draw
    for number in turns:
        unit_counts = totals[number]
        gain = (2.0 * wanted * unit_counts - unit_counts**2) @ weight / shares  # how much the error falls
        assigned[number] = chosen = int(np.argmax(gain))
        wanted[chosen] -= unit_counts
    return assigned[unit]
