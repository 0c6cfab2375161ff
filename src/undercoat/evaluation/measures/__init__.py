"""Measures: what is computed from scores of test images. One file and one entry each."""

from __future__ import annotations

from undercoat.errors import SpecError, did_you_mean
from undercoat.evaluation.measures.accuracy import Accuracy, BalancedAccuracy
from undercoat.evaluation.measures.auroc import AUROC
from undercoat.evaluation.measures.mask_predictions import MaskPredictions
from undercoat.evaluation.measures.overlap import Dice, IoU, Overlap
from undercoat.evaluation.measures.predictions import Measure, Measurement, Predictions

__all__ = [
    "MEASURES",
    "MaskPredictions",
    "Measure",
    "Measurement",
    "Predictions",
    "mask_measures",
    "measure_named",
    "reads_masks",
]

MEASURES: dict[str, Measure] = {
    "accuracy": Accuracy(),
    "balanced_accuracy": BalancedAccuracy(),
    "auroc": AUROC(),
    "dice": Dice(),
    "iou": IoU(),
}


def reads_masks(name: str) -> bool:
    """Whether a measure is taken of masks rather than of scores of whole images.

    Example:
        >>> reads_masks("dice:liver"), reads_masks("accuracy")
        (True, False)
    """
    return isinstance(measure_named(name), Overlap)


def mask_measures(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Name the measures of masks: overall, and of every class where there are several.

    Example:
        >>> mask_measures(("background", "liver", "spleen"))
        ('dice', 'iou', 'dice:liver', 'dice:spleen', 'iou:liver', 'iou:spleen')
    """
    names = [name for name, measure in MEASURES.items() if isinstance(measure, Overlap)]
    each = [f"{name}:{of}" for name in names for of in classes[1:]] if len(classes) > 2 else []
    return (*names, *each)


def measure_named(name: str) -> Measure:
    """Look up a measure; ``dice:NAME`` and ``iou:NAME`` are those of one class.

    Raises:
        SpecError: for an unknown name; the nearest is given.
    """
    kind, _, of = name.partition(":")
    if of and isinstance(overlap := MEASURES.get(kind), Overlap):
        return type(overlap)(of)
    if name not in MEASURES:
        raise SpecError(f"{name!r} is no measure{did_you_mean(name, MEASURES)} (known: {', '.join(MEASURES)})")
    return MEASURES[name]
