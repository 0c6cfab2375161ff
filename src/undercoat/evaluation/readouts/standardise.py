"""Batch-norm without affine whose statistics are those of the training images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Standardise"]


@dataclass(frozen=True)
class Standardise:
    """Batch-norm without affine, with the statistics of the training images: mean 0, deviation 1.

    A feature (or channel) that does not vary on the training images is set to 0, whatever it does elsewhere.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, features: Tensor, *, channels: int | None = None) -> Standardise:
        """Measure (D,) mean and deviation of features (N, D).

        Args:
            features: of the training images.
            channels: one mean and deviation for each of so many channels, over images and places; None = for each
                feature.
        """
        variance, mean = torch.var_mean(features, dim=0, correction=0)
        return cls._from(mean, variance, features.abs().amax(dim=0), channels)

    @classmethod
    def over(cls, blocks: Iterable[Tensor], *, channels: int | None = None) -> Standardise:
        """Measure features that come in blocks (B, D), as if they were one table (Chan et al. 1983).

        Example:
            >>> rows = torch.rand(7, 3)
            >>> bool(torch.allclose(Standardise.over(rows.split(3)).scale, Standardise.of(rows).scale, rtol=1e-4))
            True
        """
        count, mean, squares, largest = 0, torch.zeros(()), torch.zeros(()), torch.zeros(())
        for block in blocks:
            variance, middle = torch.var_mean(block, dim=0, correction=0)
            step = middle.double() - mean.to(middle.device)
            both = count + len(block)
            squares = squares.to(middle.device) + variance.double() * len(block) + step**2 * (count * len(block) / both)
            mean = mean.to(middle.device) + step * (len(block) / both)
            largest = torch.maximum(largest.to(middle.device), block.abs().amax(dim=0))
            count = both
        return cls._from(mean.float(), (squares / max(1, count)).float(), largest, channels)

    @classmethod
    def _from(cls, mean: Tensor, variance: Tensor, largest: Tensor, channels: int | None) -> Standardise:
        if channels is not None:
            places = mean.reshape(channels, -1)
            between, middle = torch.var_mean(places, dim=1, correction=0, keepdim=True)
            variance = (variance.reshape(channels, -1).mean(dim=1, keepdim=True) + between).expand_as(places).flatten()
            mean, largest = middle.expand_as(places).flatten(), largest.reshape(channels, -1)
            largest = largest.amax(dim=1, keepdim=True).expand_as(places).flatten()
        std = variance.sqrt()
        still = std <= 1e-6 * largest
        return cls(mean, torch.where(still, 0.0, 1.0 / std))

    def __call__(self, features: Tensor) -> Tensor:
        """Return (N, D) standardised features."""
        return (features - self.mean) * self.scale
