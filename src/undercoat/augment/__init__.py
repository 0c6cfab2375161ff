"""Random views and the evaluation view, batched on the device; presets by name, listed here only."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from undercoat.augment.augmentation import Augmentation
from undercoat.augment.centre import centre_view
from undercoat.augment.parameters import ViewParameters
from undercoat.augment.rendering import Planes, render
from undercoat.errors import SpecError, did_you_mean

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "Planes",
    "ViewParameters",
    "augmentation",
    "centre_view",
    "render",
]

_crop_flip = Augmentation(jitter_probability=0.0, grey_probability=0.0, blur_probability=0.0)

AUGMENTATIONS: dict[str, Augmentation] = {
    "moco_v2": Augmentation(),
    "hpt": Augmentation(hue=0.4),  # Reed et al. 2021: hue 0.4 in every MoCo configuration that jitters colour
    "moco_v1": Augmentation(jitter_probability=1.0, hue=0.4, blur_probability=0.0),  # He et al. 2020, section 3.3
    "simclr": Augmentation(  # Chen et al. 2020, appendix A, strength 1
        scale=(0.08, 1.0), brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2
    ),
    "byol": Augmentation(scale=(0.08, 1.0), saturation=0.2),  # Grill et al. 2020, appendix B, without solarisation
    "crop_flip": _crop_flip,
    "inception_crop": replace(_crop_flip, scale=(0.08, 1.0)),  # Szegedy et al. 2015: supervised and DeepCluster runs
    "large_crop": replace(_crop_flip, scale=(0.6, 1.0)),  # what jigsaw tiles are cut from (Misra & van der Maaten)
    "centre": replace(_crop_flip, scale=(1.0, 1.0), ratio=(1.0, 1.0), flip_probability=0.0),
}


def augmentation(preset: str = "moco_v2", **overrides: Any) -> Augmentation:
    """Look a preset up and change some of its fields.

    Args:
        preset: one of :data:`AUGMENTATIONS`.
        **overrides: fields of :class:`Augmentation`.

    Raises:
        SpecError: for an unknown preset or field, with the nearest known one, or a value out of range.

    Example:
        >>> augmentation("hpt", size_px=64).hue
        0.4
    """
    if preset not in AUGMENTATIONS:
        known = ", ".join(AUGMENTATIONS)
        raise SpecError(f"{preset!r} is no augmentation{did_you_mean(preset, AUGMENTATIONS)} (known: {known})")
    names = [field.name for field in fields(Augmentation)]
    for name in overrides:
        if name not in names:
            raise SpecError(f"{name!r} is no field of an augmentation{did_you_mean(name, names)}")
    chosen: dict[str, Any] = {name: getattr(AUGMENTATIONS[preset], name) for name in names} | overrides
    pairs: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in chosen.items()}
    return Augmentation(**pairs)
