"""The recipe of random views: what may happen to an image, how often and how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.augment.parameters import Numbers, ViewParameters
from undercoat.augment.rendering import Planes, render
from undercoat.errors import SpecError
from undercoat.functional.draws import Draws
from undercoat.functional.geometry import CROP_TRIES, crop_boxes

__all__ = ["BLUR_REFERENCE_PX", "Augmentation"]

BLUR_REFERENCE_PX = 224
"""View size at which ``blur_sigma_px`` is meant."""

Aspect = Tensor | NDArray[np.floating]


def _between(uniform: Numbers, low: float, high: float) -> Numbers:
    return low + (high - low) * uniform


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random views of images, as MoCo v2 makes them unless told otherwise (Chen et al. 2020, section 3).

    A view is a function of (seed, epoch, image index, number of the view) only: not of its batch or its place
    in it, of the device or of the number of processes.

    Attributes:
        size_px: side of the square views.
        scale: fraction of the image's area that a crop covers, drawn uniformly.
        ratio: width / height of a crop in the original's pixels, its logarithm drawn uniformly.
        jitter_probability: how often brightness, contrast, saturation and hue change together.
        brightness: largest change; factors are uniform in 1 ± this, never below 0.
        contrast: largest change of contrast about the crop's mean grey.
        saturation: largest change of saturation; three channels only.
        hue: largest turn of the colour circle as a fraction of it, at most 0.5; three channels only.
        grey_probability: how often all colour is taken away; three channels only.
        blur_probability: how often a view is blurred.
        blur_sigma_px: lowest and highest standard deviation of the Gaussian *for views of 224 px*; it shrinks
            and grows with ``size_px``, so that a blur removes the same detail of the picture at any size.
        flip_probability: how often left and right change places.
        vertical_flip_probability: how often top and bottom change places.
        rotation_degrees: the resized crop is turned by at most this, or between these two angles,
            counter-clockwise; the corners show the image beyond the crop, mirrored at its border.

    Example:
        >>> images = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
        >>> draws = Draws(seed=0, epoch=np.array([0, 0]), index=np.array([0, 1]))
        >>> first, second = Augmentation(size_px=16).views(images, torch.ones(2), draws)
        >>> first.shape
        torch.Size([2, 3, 16, 16])
    """

    size_px: int = 224
    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    jitter_probability: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey_probability: float = 0.2
    blur_probability: float = 0.5
    blur_sigma_px: tuple[float, float] = (0.1, 2.0)
    flip_probability: float = 0.5
    vertical_flip_probability: float = 0.0
    rotation_degrees: float | tuple[float, float] = 0.0

    def __post_init__(self) -> None:
        """Refuse values that mean nothing, with the field's name.

        Raises:
            SpecError: for the first field out of its range.
        """
        for name in ("jitter", "grey", "blur", "flip", "vertical_flip"):
            self._check(f"{name}_probability", 0.0, 1.0)
        for name in ("brightness", "contrast", "saturation", "blur_sigma_px"):
            self._check(name, 0.0, 1000.0)
        self._check("size_px", 2, 65536)
        self._check("hue", 0.0, 0.5)
        self._check("rotation_degrees", -360.0, 360.0)
        self._check("scale", 1e-6, 1.0)
        self._check("ratio", 0.001, 1000.0)

    def _check(self, name: str, low: float, high: float) -> None:
        value, usual = getattr(self, name), getattr(type(self), name)
        numbers = list(value) if isinstance(value, Sequence) else [value]
        kinds = int if isinstance(usual, int) else (int, float)
        if not all(isinstance(number, kinds) and low <= number <= high for number in numbers):
            raise SpecError(f"augmentation's {name} is {value!r}, out of its range: give {low:g} to {high:g}")
        pair = isinstance(usual, tuple) or (name == "rotation_degrees" and len(numbers) != 1)
        if len(numbers) != 1 + pair or numbers[0] > numbers[-1]:
            form = "two numbers, the lower first" if pair else "one number"
            raise SpecError(f"augmentation's {name} is {value!r}, not of its form: give {form}")

    @property
    def blur_radius_px(self) -> int:
        """Pixels at which the blur's kernel is cut off: four standard deviations of the strongest blur."""
        strongest = self.blur_sigma_px[1] * self.size_px / BLUR_REFERENCE_PX
        return ceil(4.0 * strongest) if self.blur_probability > 0 else 0

    def draw(self, draws: Draws, aspect: Aspect, *, view: int) -> ViewParameters:
        """Draw everything random about one view, without touching a pixel.

        Args:
            draws: the source of random numbers for these B images.
            aspect: (B,) width / height of the originals.
            view: number of the view: 0, 1, …

        Example:
            >>> draws = Draws(seed=0, epoch=np.array([0]), index=np.array([0]))
            >>> Augmentation().draw(draws, np.ones(1), view=0).boxes.shape
            (1, 4)
        """

        def uniform(purpose: str, count: int) -> Numbers:
            return draws.uniform(f"view {view} {purpose}", count)

        shape = aspect.cpu().numpy() if isinstance(aspect, Tensor) else np.asarray(aspect)
        crop = uniform("crop", 2 * CROP_TRIES + 2)
        flip, jitter, blur = uniform("flip", 2), uniform("colour", 6), uniform("blur", 2)
        jittered = jitter[:, 0] < self.jitter_probability

        def factor(column: int, strength: float) -> Numbers:
            drawn = _between(jitter[:, column], max(0.0, 1.0 - strength), 1.0 + strength)
            return np.where(jittered, drawn, 1.0)

        sigma_px = _between(blur[:, 1], *self.blur_sigma_px) * self.size_px / BLUR_REFERENCE_PX
        degrees = self.rotation_degrees
        least, most = degrees if isinstance(degrees, tuple | list) else (-degrees, degrees)
        return ViewParameters(
            boxes=crop_boxes(crop, shape, scale=self.scale, ratio=self.ratio),
            flipped=(flip < [self.flip_probability, self.vertical_flip_probability]).astype(np.float64),
            degrees=_between(uniform("rotation", 1)[:, 0], least, most),
            sigma_px=np.where(blur[:, 0] < self.blur_probability, sigma_px, 0.0),
            brightness=factor(1, self.brightness),
            contrast=factor(2, self.contrast),
            saturation=factor(3, self.saturation),
            hue=np.where(jittered, _between(jitter[:, 4], -self.hue, self.hue), 0.0),
            grey=(jitter[:, 5] < self.grey_probability).astype(np.float64),
        )

    def views(
        self,
        images: Tensor,
        aspect: Aspect,
        draws: Draws,
        *,
        number: int = 2,
        dtype: torch.dtype = torch.float32,
        low: float = 0.0,
        high: float = 255.0,
    ) -> tuple[Tensor, ...]:
        """Make ``number`` random views of each image, on the device where the images are.

        Args:
            images: (B, S, S, C) whole images squeezed to squares, raw uint8, uint16, int32 or float values.
            aspect: (B,) width / height of the originals; leave it on the host.
            draws: the source of random numbers for these B images.
            number: how many views.
            dtype: of the views and of the arithmetic: float32, or bfloat16 where that is faster.
            low: the raw value that becomes 0.0.
            high: the raw value that becomes 1.0.

        Returns:
            ``number`` tensors (B, C, size_px, size_px) in 0..1, channels-last in memory, without gradient.
        """
        planes = Planes.of(images, dtype=dtype, low=low, high=high)
        drawn = ViewParameters.joined([self.draw(draws, aspect, view=view) for view in range(number)])
        return render(planes, drawn, size_px=self.size_px, radius=self.blur_radius_px)
