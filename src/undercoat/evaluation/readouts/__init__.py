"""Readouts: what is fitted on a frozen backbone's training images, most of them on its features. One file each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from undercoat.errors import SpecError, did_you_mean
from undercoat.evaluation.readouts.augmented_probe import AugmentedProbe
from undercoat.evaluation.readouts.fine_tune import FineTune
from undercoat.evaluation.readouts.knn import KNN
from undercoat.evaluation.readouts.labelled import Fitted, ImageReadout, LabelledFeatures, Readout
from undercoat.evaluation.readouts.linear import Linear
from undercoat.evaluation.readouts.segmentation import Segmentation

__all__ = [
    "READOUTS",
    "Fitted",
    "ImageReadout",
    "LabelledFeatures",
    "Readout",
    "build_readout",
    "fit_layers",
    "settings_of",
]

READOUTS: dict[str, type[Readout] | type[ImageReadout]] = {
    "knn": KNN,
    "linear": Linear,
    "augmented_probe": AugmentedProbe,
    "fine_tune": FineTune,
    "segmentation": Segmentation,
}


def build_readout(name: str, arguments: dict[str, Any] | None = None) -> Readout | ImageReadout:
    """Build a readout by name.

    Args:
        name: one of :data:`READOUTS`.
        arguments: its settings; where it has presets, ``preset`` names one, and what is given beside it comes first.

    Raises:
        SpecError: unknown name or argument (the nearest is named), or a value that cannot be used.

    Example:
        >>> build_readout("knn", {"k": 5})
        KNN(k=5, temperature=0.07)
    """
    if name not in READOUTS:
        raise SpecError(f"{name!r} is no readout{did_you_mean(name, READOUTS)} (undercoat list readouts)")
    readout: Any = READOUTS[name]
    presets: dict[str, dict[str, Any]] = getattr(readout, "PRESETS", {})
    given = dict(arguments or {})
    if presets and (preset := given.pop("preset", None)) is not None:
        if not isinstance(preset, str) or preset not in presets:
            hint = did_you_mean(str(preset), presets)
            raise SpecError(f"readout {name!r} has no preset {preset!r}{hint} (known: {', '.join(presets)})")
        given = presets[preset] | given
    known = [field.name for field in fields(readout)] + ["preset"] * bool(presets)
    for key in given:
        if key not in known:
            hint = did_you_mean(key, known)
            raise SpecError(f"readout {name!r} has no argument {key!r}{hint} (known: {', '.join(known)})")
    try:
        built: Readout | ImageReadout = readout(**given)
    except (TypeError, ValueError) as error:
        raise SpecError(f"readout {name!r} cannot use {arguments}: {error}; see undercoat list readouts") from error
    _check_whole(name, built)
    return built


def _check_whole(name: str, built: Any) -> None:
    """Refuse fractions where things are counted: they would only fail after the features were read."""
    for field in fields(built):
        value = getattr(built, field.name)
        if type(field.default) is int and type(value) is not int:
            raise SpecError(f"readout {name!r} cannot use {field.name}: {value!r}; give a whole number")


def settings_of(readout: Any) -> dict[str, Any]:
    """Write out a readout's settings; those that were added later are left out where they change nothing.

    Example:
        >>> settings_of(build_readout("knn"))
        {'k': 20, 'temperature': 0.07}
    """
    return {
        field.name: getattr(readout, field.name)
        for field in fields(readout)
        if not (field.metadata.get("later") and getattr(readout, field.name) == field.default)
    }


def fit_layers(
    readout: Readout, train: Mapping[str, LabelledFeatures], *, seed: int = 0, device: str = "cpu"
) -> Iterator[tuple[str, Fitted]]:
    """Fit a readout on every layer: together where it can, else one after another, as they are asked for.

    Args:
        readout: with or without a ``fit_layers`` of its own.
        train: layer → its features; labels and held-out images are the same in all.
        seed: as for :meth:`Readout.fit`.
        device: likewise.
    """
    together = getattr(readout, "fit_layers", None)
    if together is not None:
        yield from together(train, seed=seed, device=device).items()
        return
    for layer, features in train.items():
        yield layer, readout.fit(features, seed=seed, device=device)
