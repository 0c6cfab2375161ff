"""Edges in place of colours: the fixed first layer of DeepCluster (Caron et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Sobel"]


class Sobel(nn.Module):
    """Images (B, C, H, W) → how their grey changes from right to left and from bottom to top, (B, 2, H, W).

    Grey is the mean of the channels. Nothing is trained and nothing is saved: the two filters are always the same.
    Outside the image is zero, which is the mean grey of normalised images; the outermost pixels see that border.

    Example:
        >>> ramp = torch.arange(4.0).expand(1, 1, 4, 4)  # one brighter with each column
        >>> Sobel()(ramp)[0, :, 1, 1].tolist()
        [-8.0, 0.0]
    """

    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        self.register_buffer("kernels", torch.stack([across, across.T])[:, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the two maps of edges."""
        return F.conv2d(images.mean(dim=1, keepdim=True), self.kernels, padding=1)
