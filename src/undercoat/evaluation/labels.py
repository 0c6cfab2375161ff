"""Which images are used, and whether their labels allow a measurement at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undercoat.data.canvases import Canvases
from undercoat.errors import DataError

__all__ = ["check_classes", "class_counts", "labelled", "named", "unseen"]


def labelled(canvases: Canvases, part: str) -> Canvases:
    """Keep the images whose label is known.

    Args:
        canvases: any data.
        part: ``"train"`` or ``"test"``, named in the error.

    Raises:
        DataError: when there are no images, or none has a label.
    """
    if not len(canvases):
        raise DataError(f"the {part} part of {canvases.name!r} is empty; give data with {part} images")
    if canvases.labels is None:
        raise DataError(
            f"{canvases.name!r} has no labels, so nothing can be read out; "
            "give class folders, or a CSV with a column 'label'"
        )
    known = (canvases.labels != 255).all(axis=1) if canvases.multi_label else canvases.labels >= 0
    if not known.any():
        raise DataError(f"no {part} image of {canvases.name!r} has a label; label a few, or choose another split")
    return canvases if known.all() else canvases.take(np.flatnonzero(known))


def class_counts(canvases: Canvases) -> NDArray[np.int64]:
    """Count the images of each class: (classes,)."""
    labels = np.asarray(canvases.labels)
    if canvases.multi_label:
        return np.asarray(labels.sum(axis=0), dtype=np.int64)
    return np.bincount(labels, minlength=len(canvases.classes)).astype(np.int64)


def check_classes(train: Canvases, test: Canvases, *, chooses: bool) -> None:
    """Stop when the classes of train and test do not allow a measurement.

    Args:
        train: labelled images.
        test: labelled images.
        chooses: whether a part of train will be held out.

    Raises:
        DataError: different classes; a single class; a class with one image when a part is held out.
    """
    if train.classes != test.classes:
        raise DataError(
            f"train has the classes {named(train.classes)} and test {named(test.classes)}; "
            "give both the same classes, in the same order"
        )
    counts = class_counts(train)
    present = np.flatnonzero(counts)
    if train.multi_label:
        if not (counts[present] < len(train)).any():
            raise DataError(f"no class of {train.name!r} is on some images and off others; add other labels")
        return
    if len(present) < 2:
        raise DataError(
            f"all {len(train)} train images of {train.name!r} are labelled {train.classes[present[0]]!r}, "
            "and one class cannot be told from nothing; add images of another class"
        )
    single = [train.classes[c] for c in np.flatnonzero(counts == 1)]
    if chooses and single:
        raise DataError(
            f"{len(single)} classes of {train.name!r} have a single train image ({named(single)}), so none "
            "can be held out to choose settings on; add images, merge classes, or read out with knn alone"
        )


def unseen(train: Canvases, test: Canvases) -> tuple[str, ...]:
    """Say which classes are in test but not in train: their images cannot be got right.

    Returns:
        No sentence, or one.
    """
    missing = np.flatnonzero((class_counts(train) == 0) & (class_counts(test) > 0))
    if not len(missing):
        return ()
    images = int(class_counts(test)[missing].sum())
    names = named([train.classes[c] for c in missing])
    return (f"{len(missing)} classes of test are not in train ({names}): their {images} images count as wrong",)


def named(names: tuple[str, ...] | list[str], most: int = 5) -> str:
    """Join names for a sentence, the first few of them.

    Example:
        >>> named(["a", "b", "c"], most=2)
        'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
