"""Readouts: what is fitted on frozen features of the training images. One file and one entry each."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from undercoat.errors import SpecError, did_you_mean
from undercoat.evaluation.readouts.knn import KNN
from undercoat.evaluation.readouts.labelled import Fitted, LabelledFeatures, Readout
from undercoat.evaluation.readouts.linear import Linear

__all__ = ["READOUTS", "Fitted", "LabelledFeatures", "Readout", "build_readout"]

READOUTS: dict[str, type[Readout]] = {"knn": KNN, "linear": Linear}


def build_readout(name: str, arguments: dict[str, Any] | None = None) -> Readout:
    """Build a readout by name.

    Raises:
        SpecError: unknown name or argument (the nearest is named), or a value that cannot be used.

    Example:
        >>> build_readout("knn", {"k": 5})
        KNN(k=5, temperature=0.07)
    """
    if name not in READOUTS:
        raise SpecError(f"{name!r} is no readout{did_you_mean(name, READOUTS)} (undercoat list readouts)")
    readout: Any = READOUTS[name]
    known = [field.name for field in fields(readout)]
    for key in arguments or {}:
        if key not in known:
            hint = did_you_mean(key, known)
            raise SpecError(f"readout {name!r} has no argument {key!r}{hint} (known: {', '.join(known)})")
    try:
        built: Readout = readout(**(arguments or {}))
    except (TypeError, ValueError) as error:
        raise SpecError(f"readout {name!r} cannot use {arguments}: {error}; see undercoat list readouts") from error
    return built
