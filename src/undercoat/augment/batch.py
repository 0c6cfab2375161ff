"""What one training step sees: views and how they came about."""

from __future__ import annotations

from torch import Tensor

from undercoat.functional.draws import Draws

__all__ = ["Batch"]


class Batch:
    """Views of B images, handed to a method's ``forward``.

    A plain class on purpose: wrappers for mixed precision and for several processes walk into tuples and
    dataclasses to convert what they hold, and here everything is already in its place.

    Attributes:
        views: tuple of (B, C, H, W) tensors in 0..1.
        index: (B,) int64, which image of the data set each row shows.
        draws: random numbers that depend on (seed, epoch, image) only.
        step: optimiser steps taken before this one.
        labels: (B,) int64 class numbers, or (B, classes) float32 0/1; None unless the method reads labels.
    """

    __slots__ = ("draws", "index", "labels", "step", "views")

    def __init__(
        self, views: tuple[Tensor, ...], index: Tensor, draws: Draws, step: int, labels: Tensor | None = None
    ) -> None:
        self.views = views
        self.index = index
        self.draws = draws
        self.step = step
        self.labels = labels

    def __len__(self) -> int:
        return len(self.index)
