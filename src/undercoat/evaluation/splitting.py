"""Which images are for fitting, for choosing and for testing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undercoat.data.canvases import Canvases
from undercoat.data.splits import split_rows
from undercoat.errors import DataError

__all__ = ["held_out", "train_and_test"]


def train_and_test(canvases: Canvases, *, test_fraction: float, seed: int) -> tuple[Canvases, Canvases]:
    """Part data into train, with what is named validation, and test.

    Args:
        canvases: N images.
        test_fraction: share drawn as test when the data names no test images, stratified by class and never
            through a group; in (0, 1).
        seed: of that draw.

    Raises:
        DataError: when one of the two would be empty, or the data itself names a split that cuts a group.
    """
    test = np.flatnonzero(canvases.splits == "test")
    if not len(test):
        free = np.flatnonzero(canvases.splits != "val")
        test = free[split_rows(canvases.take(free), (test_fraction,), seed=seed)[0]]
    _refuse_cut_groups(canvases, test)
    if not 0 < len(test) < len(canvases):
        part = "train" if len(test) else "test"
        raise DataError(
            f"{canvases.name!r} has {len(canvases)} images, and none would be for {part}; "
            "add images, or name others train and test"
        )
    return canvases.take(np.setdiff1d(np.arange(len(canvases)), test)), canvases.take(test)


def _refuse_cut_groups(canvases: Canvases, test: NDArray[np.int64]) -> None:
    """A patient who was learned from is no test, whoever drew the split."""
    both = np.intersect1d(canvases.groups[test], np.delete(canvases.groups, test))
    both = both[both != ""]
    if len(both):
        raise DataError(
            f"{len(both):,} groups of {canvases.name!r} are on both sides, in test and among the other images (such as "
            f"{str(both[0])!r}), so what is tested would have been seen; move each group to one side"
        )


def held_out(train: Canvases, fraction: float, *, seed: int) -> NDArray[np.bool_]:
    """Choose the part of train that settings are chosen on.

    Args:
        train: N images.
        fraction: share drawn when the data names no validation images, stratified by class and never
            through a group; in (0, 1).
        seed: of that draw.

    Returns:
        (N,) booleans, some True and some False.

    Raises:
        DataError: when too few images, or groups, are left for one side.
    """
    part = np.asarray(train.splits == "val")
    if not part.any() or part.all():
        part = np.zeros(len(train), dtype=np.bool_)
        part[split_rows(train, (1 - fraction, fraction), seed=seed)[1]] = True
    if not part.any() or part.all():
        raise DataError(
            f"a held-out fraction of {fraction:g} of {len(train)} images of {train.name!r} leaves one side "
            "empty; change held_out_fraction, or add images or groups"
        )
    return part
