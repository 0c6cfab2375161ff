"""What can be written after the ``?`` of ``patches:PHOTO?…``, with its presets."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from undercoat.errors import SpecError
from undercoat.functional.patches import PatchLaw
from undercoat.spec import Spec

__all__ = ["PATCHES", "PRESETS", "PatchSettings", "is_patches", "parse_patches"]

PATCHES = "patches:"
_STRENGTHS = ("brightness", "contrast", "saturation", "hue")

PRESETS: dict[str, PatchLaw] = {
    "paper": PatchLaw(
        scale=(1e-3, 1.0), ratio=(3 / 4, 4 / 3), rotation=35.0, flip=0.5, jitter=1.0
    ),  # Asano et al. 2020, section 3.2; its β is quoted as 1e-3 and as 1e-4
    "code": PatchLaw(
        initial_crop=0.5,
        scale=(1 / 500, 1.0),
        ratio=(3 / 4, 4 / 3),
        rotation=30.0,
        shear=30.0,
        turn="after",
        jitter=0.5,
    ),  # the authors' single_img_pretraining, which is not quite what the paper says
    "none": PatchLaw(),
}

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Strength = Annotated[float, Field(ge=0.0, le=10.0)]
Off = Literal["off"]


class PatchSettings(Spec):
    """Options of a set of patches; what is left out is the preset's.

    Attributes:
        n: how many patches.
        size: side in pixels.
        seed: of everything random.
        images: how many of the source images are used, chosen by ``seed``; ten of them are among the first thousand.
        split: of the source images: train, val or test.
        preset: paper, code or none.
        initial_crop: to noise_std: as :class:`undercoat.functional.patches.PatchLaw`; ``off`` for none.
    """

    n: int = Field(50_000, ge=1, le=10**9)
    size: int | None = Field(None, ge=8, le=2048)
    seed: int = Field(0, ge=0, lt=2**63)
    images: int | None = Field(None, ge=1)
    split: str = ""
    preset: Literal["paper", "code", "none"] = "paper"
    initial_crop: Annotated[float, Field(gt=0.0, le=1.0)] | Off | None = None
    scale: tuple[float, float] | Off | None = None
    ratio: tuple[float, float] | None = None
    rotation: Annotated[float, Field(ge=0.0, le=180.0)] | None = None
    shear: Annotated[float, Field(ge=0.0, le=60.0)] | None = None
    turn: Literal["before", "after"] | None = None
    flip: Share | None = None
    vertical_flip: Share | None = None
    jitter: Share | None = None
    brightness: Strength | None = None
    contrast: Strength | None = None
    saturation: Strength | None = None
    hue: Annotated[float, Field(ge=0.0, le=0.5)] | None = None
    linear: Strength | None = None
    noise_std: Share | None = None

    @model_validator(mode="after")
    def _pairs(self) -> PatchSettings:
        if isinstance(self.scale, tuple) and not 0.0 < self.scale[0] <= self.scale[1] <= 1.0:
            raise ValueError(f"scale is {_shown(self.scale)}; give two shares of the area, above 0, up to 1, rising")
        if self.ratio and not 0.01 <= self.ratio[0] <= self.ratio[1] <= 100.0:
            raise ValueError(f"ratio is {_shown(self.ratio)}; give two ratios of 0.01 to 100, the lower first")
        return self

    def law(self) -> PatchLaw:
        """The preset with what differs from it.

        Raises:
            SpecError: for an option that would change nothing.
        """
        names = [field.name for field in fields(PatchLaw)]
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        changes: dict[str, Any] = {key: None if value == "off" else value for key, value in given.items()}
        law = replace(PRESETS[self.preset], **changes)
        idle = [name for name in _STRENGTHS if name in given and not law.jitter]
        if idle:
            raise SpecError(f"{idle[0]} changes nothing while jitter, how often colours change, is 0; add jitter=1")
        if "ratio" in given and law.scale is None:
            raise SpecError("ratio changes nothing while scale is off; add scale=0.001,1")
        return law


def _shown(pair: tuple[float, float]) -> str:
    return f"{pair[0]:g},{pair[1]:g}"


def is_patches(spec: str | os.PathLike[str]) -> bool:
    """Whether a data spec asks for patches; a path that exists is a path."""
    text = os.fspath(spec)
    return text.startswith(PATCHES) and not os.path.exists(text)


def parse_patches(spec: str) -> tuple[str, PatchSettings]:
    """Take ``patches:SOURCE?n=…`` apart into the source and the settings.

    Raises:
        SpecError: for an unknown option, with the nearest known one, one that is given twice, or a value out of its
            range.

    Example:
        >>> source, settings = parse_patches("patches:photo:coffee?n=1000&scale=0.01,0.5")
        >>> source, settings.n, settings.scale
        ('photo:coffee', 1000, (0.01, 0.5))
    """
    text = spec.removeprefix(PATCHES)
    source, options = text, ""
    if "?" in text and not os.path.exists(text):
        source, options = text.rsplit("?", 1)
    if not source:
        raise SpecError(f"'{spec}' names no photo; write patches:PHOTO.jpg?n=50000 or patches:photo:coffee")
    values: dict[str, Any] = {}
    for part in filter(None, options.split("&")):
        key, _, value = part.partition("=")
        if not value:
            raise SpecError(f"option '{key}' in '{spec}' has no value; write {key}=…")
        if key in values:
            raise SpecError(f"'{spec}' gives {key} twice; leave one out")
        values[key] = _pair(key, value, spec) if key in ("scale", "ratio") else value
    return source, PatchSettings.of(values, where=f"'{spec}'")


def _pair(key: str, text: str, spec: str) -> Any:
    """Two numbers; one stands for it and 1 as a scale, for it and its inverse as a ratio."""
    if (key, text) == ("scale", "off"):
        return text
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2:
        raise SpecError(f"{key}={text} in '{spec}' is no pair of numbers; write for example {key}=0.5,1")
    if len(numbers) == 1:
        numbers = sorted([numbers[0], 1.0 if key == "scale" or not numbers[0] else 1.0 / numbers[0]])
    return tuple(numbers)
