"""Which images a segmentation is fitted and measured on, and what their masks look like in the protocol's view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from undercoat.data.canvases import Canvases
from undercoat.data.masks import IGNORED, mask_view
from undercoat.errors import DataError
from undercoat.evaluation.few_labels import few
from undercoat.evaluation.view import EvaluationView
from undercoat.functional.geometry import centre_boxes

__all__ = ["check_masks", "commonest_mask", "few_masks", "marks_anything", "shown_masks"]

_BLOCK = 256


def shown_masks(canvases: Canvases, index: NDArray[np.int64], view: EvaluationView) -> NDArray[np.uint8]:
    """Show masks as ``view`` shows their images: (B, size_px, size_px) class numbers, by nearest neighbour."""
    boxes = centre_boxes(canvases.aspect[index], fraction=view.crop_fraction)
    return mask_view(canvases.mask_batch(index), boxes, size_px=view.size_px)


def check_masks(train: Canvases, test: Canvases) -> None:
    """Stop when the masks of train and test do not allow a measurement.

    Raises:
        DataError: no images, no masks, different classes, or nothing marked on the images of one part.
    """
    for part, canvases in (("train", train), ("test", test)):
        if not len(canvases):
            raise DataError(f"the {part} part of {canvases.name!r} is empty; give data with {part} images")
        if canvases.masks is None:
            raise DataError(
                f"{canvases.name!r} has no masks, so nothing can be segmented; give pairs:FOLDER of images/ and masks/"
            )
        if not marks_anything(canvases):
            raise DataError(
                f"none of the {len(canvases)} {part} masks of {canvases.name!r} marks anything, so a segmentation "
                "means nothing; add images on which something is marked, or split the data otherwise"
            )
    if train.mask_classes != test.mask_classes:
        raise DataError(
            f"masks of train have the classes {', '.join(train.mask_classes)} and those of test "
            f"{', '.join(test.mask_classes)}; give both the same classes, in the same order"
        )


def marks_anything(canvases: Canvases) -> bool:
    """Whether any pixel of any mask has a class other than the background."""
    for start in range(0, len(canvases), _BLOCK):
        some = canvases.mask_batch(np.arange(start, min(start + _BLOCK, len(canvases))))
        if ((some > 0) & (some != IGNORED)).any():
            return True
    return False


def few_masks(
    train: Canvases, *, limit: int | float | None, listed: str | None, chooses: bool, seed: int
) -> tuple[Canvases, tuple[str, ...]]:
    """Keep the images whose masks may be used, as :func:`~undercoat.evaluation.few_labels.few` does for labels.

    Every image counts alike: what is on its mask is not looked at.
    """
    alike = replace(train, labels=np.zeros(len(train), np.int64), classes=("image",))
    chosen, notes = few(alike, limit=limit, listed=listed, chooses=chooses, seed=seed)
    return replace(chosen, labels=None, classes=()), notes


def commonest_mask(train: Canvases, view: EvaluationView) -> NDArray[np.uint8]:
    """Ask each pixel's commonest class on the train images: (size_px, size_px), what knows only where things are.

    The lowest class wins a tie; a pixel that every mask ignores is background.
    """
    votes = np.zeros((len(train.mask_classes), view.size_px, view.size_px), np.int64)
    for start in range(0, len(train), _BLOCK):
        shown = shown_masks(train, np.arange(start, min(start + _BLOCK, len(train))), view)
        for number in range(len(votes)):
            votes[number] += (shown == number).sum(axis=0)
    return np.asarray(votes.argmax(axis=0), np.uint8)
