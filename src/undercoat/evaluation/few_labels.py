"""Few labels: which images keep theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undercoat.data.canvases import Canvases
from undercoat.errors import DataError
from undercoat.evaluation.label_list import of_list
from undercoat.evaluation.labels import class_counts, named
from undercoat.functional.draws import permutation

__all__ = ["every_class_held_out", "few", "limited"]


def few(
    train: Canvases, *, limit: int | float | None, listed: str | None, chooses: bool, seed: int
) -> tuple[Canvases, tuple[str, ...]]:
    """Keep the images whose labels may be used, with at least one of each class, or two where a part is held out.

    Args:
        train: N labelled images.
        limit: a count, or a share of N; None = all, or what the list names.
        listed: a file with their names, as :func:`~undercoat.evaluation.label_list.write_label_list` writes it.
        chooses: whether a part of them will be held out.
        seed: of the choice.

    Returns:
        the images, and notes on them.

    Raises:
        DataError: more labels than there are; fewer than the classes need; a class without an image; names that train
            does not have.
    """
    if limit is None and listed is None:
        return train, ()
    counts = class_counts(train)
    if len(empty := np.flatnonzero(counts == 0)):
        raise DataError(
            f"{len(empty)} classes of {train.name!r} have no labelled train image "
            f"({named([train.classes[c] for c in empty])}), but few labels hold at least one of each; add images of "
            "them, leave the classes out, or use all labels"
        )
    if listed is not None:
        return of_list(train, Path(listed)), ()
    assert limit is not None
    count, notes = _count(train, limit, chooses=chooses, seed=seed)
    return train.take(limited(train, count, seed=seed)), notes


def _count(train: Canvases, limit: int | float, *, chooses: bool, seed: int) -> tuple[int, tuple[str, ...]]:
    """How many labels a limit is on these images."""
    first = _ranks(train, _order(train, seed))
    least = int((first < (0 if chooses else -1)).sum())
    need = f"{'two' if chooses else 'one'} of each of {len(train.classes)} classes"
    if isinstance(limit, float):
        count = round(limit * len(train))
        if count >= least:
            return count, ()
        share = f"labels_limit {limit:.6g} of {len(train)} train labels is {count}"
        return least, (f"{share}, too few for {need}: {least} are used",)
    if limit > len(train):
        raise DataError(
            f"labels_limit is {limit}, but train of {train.name!r} has {len(train)} labels; give at most {len(train)}"
        )
    if limit < least:
        held = " (one to fit, one to choose settings on)" if chooses else ""
        raise DataError(f"labels_limit is {limit}, but {need}{held} take {least} images; give at least {least}")
    return limit, ()


def limited(train: Canvases, limit: int, *, seed: int) -> NDArray[np.int64]:
    """Choose which images keep their labels when only ``limit`` labels may be used.

    Every class keeps its share, and at least two images while the limit allows; where the data names validation
    images, one of the two is such an image if the class has any, so that there is one to fit and one to choose on. With
    several labels an image, the first images go to the classes that have none (then one) yet, the rarest class first;
    after that an image counts for the rarest of its classes. A smaller limit chooses a part of what a larger one
    chooses, so that curves over labels are not blurred by the choice.

    Args:
        train: N labelled images.
        limit: how many; all when there are fewer.
        seed: of the choice.

    Returns:
        (min(limit, N),) positions, rising.
    """
    order = _order(train, seed)
    place = np.empty(len(train), dtype=np.int64)
    place[order] = np.arange(len(train))
    return np.sort(np.lexsort((place, _ranks(train, order)))[:limit])


def _order(train: Canvases, seed: int) -> NDArray[np.int64]:
    return permutation(len(train), seed=seed, epoch=0, purpose="labels limit")


def _ranks(train: Canvases, order: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) which images come first: -2 and -1 for a class's first and second, then 0..1, the share used up by then."""
    labels, held = np.asarray(train.labels), np.asarray(train.splits == "val")
    if not train.multi_label:
        return _shares(labels, _both_kinds_first(labels, held, order), certain=2)
    counts = class_counts(train)
    rarest = np.where(labels > 0, counts, len(train) + 1).argmin(axis=1)
    rank = _shares(np.where(labels.any(axis=1), rarest, -1), order, certain=0)
    for certain in (1, 2):
        for c in np.argsort(counts, kind="stable"):
            mine = order[labels[order, c] > 0]
            if (rank[mine] < 0).sum() < min(certain, len(mine)):
                free, first = mine[rank[mine] >= 0], mine[rank[mine] < 0]
                other = free[~np.isin(held[free], held[first])]  # of the kind, to fit or to choose on, not there yet
                rank[(other if len(other) else free)[0]] = certain - 3
    return rank


def _both_kinds_first(
    labels: NDArray[np.int64], held: NDArray[np.bool_], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The order with one image to fit and one to choose on at the front of each class."""
    if not held.any():
        return order
    own = (order[labels[order] == c] for c in np.unique(labels))
    first = np.concatenate([kind[:1] for mine in own for kind in (mine[~held[mine]], mine[held[mine]])])
    return np.concatenate([first, order[~np.isin(order, first)]])


def _shares(stratum: NDArray[np.int64], order: NDArray[np.int64], *, certain: int) -> NDArray[np.float64]:
    rank = np.empty(len(stratum))
    for c in np.unique(stratum):
        mine = order[stratum[order] == c]
        rank[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
        rank[mine[:certain]] = np.arange(-certain, 0)[: len(mine)]
    return rank


def every_class_held_out(train: Canvases, held_out: NDArray[np.bool_], *, seed: int) -> NDArray[np.bool_]:
    """Hold out one image more of each class that has none there and two or more to fit.

    A split by shares leaves small classes out: a fifth of two images is none. Images that the data calls validation,
    and images in groups, stay where they are.

    Args:
        train: N labelled images.
        held_out: (N,) booleans; left as they are.
        seed: of the choice.

    Returns:
        (N,) booleans.
    """
    part = held_out.copy()
    if (train.splits == "val").any() or (train.groups != "").any():
        return part
    labels = np.asarray(train.labels)
    member = labels > 0 if train.multi_label else None
    order = permutation(len(train), seed=seed, epoch=0, purpose="one of every class")
    for c in np.argsort(class_counts(train), kind="stable"):
        mine = member[:, c] if member is not None else labels == c
        if (mine & part).any():
            continue
        for row in order[(mine & ~part)[order]]:
            own = member[row] if member is not None else None
            left = member[~part][:, own].sum(axis=0) if member is not None else np.array([(mine & ~part).sum()])
            if (left >= 2).all():  # nor may any other class of the image lose its only one
                part[row] = True
                break
    return part
