"""Measures: what is computed from scores of test images. One file and one entry each."""

from __future__ import annotations

from undercoat.errors import SpecError, did_you_mean
from undercoat.evaluation.measures.accuracy import Accuracy, BalancedAccuracy
from undercoat.evaluation.measures.auroc import AUROC
from undercoat.evaluation.measures.predictions import Measure, Measurement, Predictions

__all__ = ["MEASURES", "Measure", "Measurement", "Predictions", "measure_named"]

MEASURES: dict[str, Measure] = {
    "accuracy": Accuracy(),
    "balanced_accuracy": BalancedAccuracy(),
    "auroc": AUROC(),
}


def measure_named(name: str) -> Measure:
    """Look up a measure.

    Raises:
        SpecError: for an unknown name; the nearest is given.
    """
    if name not in MEASURES:
        raise SpecError(f"{name!r} is no measure{did_you_mean(name, MEASURES)} (known: {', '.join(MEASURES)})")
    return MEASURES[name]
