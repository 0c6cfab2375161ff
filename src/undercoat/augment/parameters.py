"""What was drawn for views: small readable arrays on the host, before any pixel is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Numbers", "ViewParameters"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ViewParameters:
    """The random numbers of R views, as the things that they mean; R is B times the number of views.

    Attributes:
        boxes: (R, 4) left, top, width, height of the crop, fractions of the image's width and height.
        flipped: (R, 2) 1 where the view is mirrored left to right, and top to bottom; else 0.
        degrees: (R,) how far the resized crop is turned about its centre, counter-clockwise.
        sigma_px: (R,) standard deviation of the blur in the view's own pixels, 0 for none.
        brightness: (R,) factor, 1 for none.
        contrast: (R,) factor about the crop's mean grey, 1 for none.
        saturation: (R,) factor about each pixel's grey, 1 for none.
        hue: (R,) fraction of the colour circle, 0 for none.
        grey: (R,) 1 where all colour is taken away, else 0.
    """

    boxes: Numbers
    flipped: Numbers
    degrees: Numbers
    sigma_px: Numbers
    brightness: Numbers
    contrast: Numbers
    saturation: Numbers
    hue: Numbers
    grey: Numbers

    def __len__(self) -> int:
        return len(self.boxes)

    @staticmethod
    def plain(boxes: Numbers) -> ViewParameters:
        """Parameters that crop to ``boxes`` (R, 4) and change nothing else.

        Example:
            >>> ViewParameters.plain(np.array([[0.0, 0.0, 1.0, 1.0]])).contrast
            array([1.])
        """
        nothing, whole = np.zeros(len(boxes)), np.ones(len(boxes))
        return ViewParameters(
            boxes=boxes,
            flipped=np.zeros((len(boxes), 2)),
            degrees=nothing,
            sigma_px=nothing,
            brightness=whole,
            contrast=whole,
            saturation=whole,
            hue=nothing,
            grey=nothing,
        )

    @staticmethod
    def joined(parts: Sequence[ViewParameters]) -> ViewParameters:
        """Put the rows of several views under one another, in their order."""
        names = [field.name for field in fields(ViewParameters)]
        return ViewParameters(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def take(self, rows: NDArray[np.intp]) -> ViewParameters:
        """Select rows by position."""
        return ViewParameters(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def changes_colour(self) -> bool:
        """Whether channels are mixed anywhere."""
        return bool((self.saturation != 1).any() or self.hue.any() or self.grey.any())

    @property
    def changes_contrast(self) -> bool:
        """Whether any view needs its mean grey."""
        return bool((self.contrast != 1).any())

    def widened(self, factor: float) -> ViewParameters:
        """The same with boxes of the same centres and ``factor`` times the sides."""
        sides = self.boxes[:, 2:] * factor
        corners = self.boxes[:, :2] + (self.boxes[:, 2:] - sides) / 2.0
        return replace(self, boxes=np.concatenate([corners, sides], axis=1))

    def on(self, device: torch.device) -> dict[str, Tensor]:
        """Copy everything to the device in one transfer: (R,) or (R, n) float32 by name."""
        parts = {field.name: getattr(self, field.name).reshape(len(self), -1) for field in fields(self)}
        table = torch.from_numpy(np.concatenate(list(parts.values()), axis=1).astype(np.float32)).to(device)
        ends = np.cumsum([part.shape[1] for part in parts.values()]).tolist()
        return {
            name: table[:, end - part.shape[1] : end].squeeze(1)
            for (name, part), end in zip(parts.items(), ends, strict=True)
        }
