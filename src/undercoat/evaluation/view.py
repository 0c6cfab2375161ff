"""How images are shown to a frozen backbone: a centre crop, in batches, on a device, in a precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.augment import centre_view
from undercoat.data.canvases import Canvases
from undercoat.errors import SpecError

__all__ = ["EvaluationView", "Pass"]


@dataclass(frozen=True, kw_only=True)
class EvaluationView:
    """How an image is shown to the backbone when it is evaluated: a centre crop, nothing random.

    Attributes:
        size_px: side of the square view.
        crop_fraction: share of the shorter side that is kept, in (0, 1]; 1 shows all of a square image.

    Example:
        >>> EvaluationView(size_px=224, crop_fraction=0.875).crop_fraction
        0.875
    """

    size_px: int
    crop_fraction: float = 1.0

    def __post_init__(self) -> None:
        if self.size_px < 1:
            raise SpecError(f"size_px is {self.size_px}, but a view needs at least one pixel; give a larger size_px")
        if not 0 < self.crop_fraction <= 1:
            raise SpecError(f"crop_fraction is {self.crop_fraction}, but it is a share of the side; give 0 < x <= 1")


@dataclass(frozen=True, kw_only=True)
class Pass:
    """How images are shown and the backbone is run, whatever is read from it.

    Attributes:
        view: size and crop.
        device: where the backbone runs.
        autocast_dtype: ``torch.bfloat16`` for autocast, None for full precision.
        batch: images at a time.
    """

    view: EvaluationView
    device: torch.device
    autocast_dtype: torch.dtype | None
    batch: int

    def batches(self, canvases: Canvases) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Show all images: (B,) positions, and (B, C, H, W) in 0..1 on the device."""
        for start in range(0, len(canvases), self.batch):
            index = np.arange(start, min(start + self.batch, len(canvases)))
            yield (
                index,
                centre_view(
                    torch.from_numpy(canvases.batch(index)).to(self.device),
                    canvases.aspect[index],
                    size_px=self.view.size_px,
                    crop_fraction=self.view.crop_fraction,
                    dtype=torch.float32,
                    low=canvases.low,
                    high=canvases.high,
                ),
            )

    @property
    def autocast(self) -> AbstractContextManager[None]:
        """The precision of the backbone, as a context."""
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.autocast_dtype)
