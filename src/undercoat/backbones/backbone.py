"""The one interface every image network is used through: images in 0..1 → features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Backbone"]


class Backbone(nn.Module):
    """A trunk with its normalisation: images (B, C, H, W) in 0..1 → features (B, D).

    Keeping mean and std beside the trunk means that nobody can feed it wrongly: the loader, the evaluators and
    the user's own code all hand over plain 0..1 images. A grey image (C = 1) is repeated for a trunk that
    takes three channels.

    Args:
        trunk: maps normalised images (B, channels, H, W) to features (B, dim).
        name: how to build the trunk again, such as ``"timm/resnet18"``; empty for a module of your own.
        dim: D, the number of features.
        channels: what the trunk takes.
        mean: per channel, in 0..1.
        std: per channel, in 0..1; each > 0.

    Example:
        >>> trunk = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> backbone = Backbone(trunk, name="", dim=3, channels=3, mean=[0.5] * 3, std=[0.5] * 3)
        >>> backbone(torch.ones(2, 3, 8, 8)).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        *,
        name: str,
        dim: int,
        channels: int,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.name, self.dim, self.channels = name, dim, channels
        self.register_buffer("mean", torch.empty(1, channels, 1, 1), persistent=False)
        self.register_buffer("std", torch.empty(1, channels, 1, 1), persistent=False)
        self.set_normalisation(mean, std)

    def set_normalisation(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Use another mean and std (one number, or one per channel)."""
        for buffer, values in ((self.mean, mean), (self.std, std)):
            given = torch.as_tensor(list(values), dtype=torch.float32)
            buffer.copy_(given.expand(self.channels).reshape(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return features (B, D) of images (B, C, H, W) in 0..1."""
        if images.shape[1] == 1 and self.channels > 1:
            images = images.expand(-1, self.channels, -1, -1)
        features: Tensor = self.trunk((images - self.mean) / self.std)
        return features
