"""Colour jitter as one matrix: brightness, contrast, saturation, hue and grey are linear, so they compose."""

from __future__ import annotations

from math import pi, sqrt

import torch
from torch import Tensor

__all__ = ["GREY_WEIGHTS", "colour_matrix", "hue_matrix"]

GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Share of red, green and blue in grey: luma of ITU-R BT.601."""


def hue_matrix(turn_fraction: Tensor) -> Tensor:
    """Turn colours about the grey axis.

    The hue shift of image libraries goes through HSV, which is not linear. This linear stand-in keeps greys
    and the mean of the three channels, and equals the HSV shift at 0, 1/3 and 2/3, where channels change
    places. In between it stays about twice as near to the HSV shift as turning YIQ's chroma plane does
    (measured in ``docs/augmentation.md``).

    Args:
        turn_fraction: (B,) hue shift as a fraction of the whole circle, such as -0.1..0.1.

    Returns:
        (B, 3, 3), to be multiplied with columns of red, green, blue.

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0])
        >>> (hue_matrix(torch.tensor([1 / 3])) @ red).abs().round()  # a third of the circle: green
        tensor([[0., 1., 0.]])
    """
    cosine, sine = torch.cos(2.0 * pi * turn_fraction), torch.sin(2.0 * pi * turn_fraction)
    kept = (1.0 + 2.0 * cosine) / 3.0
    back, ahead = (1.0 - cosine) / 3.0 - sine / sqrt(3.0), (1.0 - cosine) / 3.0 + sine / sqrt(3.0)
    rows = [kept, back, ahead, ahead, kept, back, back, ahead, kept]
    return torch.stack(rows, dim=1).view(-1, 3, 3)


def colour_matrix(gain: Tensor, saturation: Tensor, hue: Tensor, grey: Tensor) -> Tensor:
    """Compose gain, saturation, hue and grey, in this order, to one matrix for each image.

    Greys are only scaled: the rows of each matrix sum to ``gain``.

    Args:
        gain: (B,) brightness × contrast.
        saturation: (B,) 1 leaves colours, 0 removes them.
        hue: (B,) fraction of the circle.
        grey: (B,) 1 where the image ends up grey, else 0.

    Returns:
        (B, 3, 3), to be multiplied with columns of red, green, blue.

    Example:
        >>> half = torch.tensor([0.5])
        >>> colour_matrix(half, half * 2, half * 0, half * 0).round(decimals=3).abs()
        tensor([[[0.5000, 0.0000, 0.0000],
                 [0.0000, 0.5000, 0.0000],
                 [0.0000, 0.0000, 0.5000]]])
    """
    to_grey = torch.tensor(GREY_WEIGHTS, dtype=gain.dtype, device=gain.device).expand(3, 3)
    same = torch.eye(3, dtype=gain.dtype, device=gain.device)
    saturate = same * saturation.view(-1, 1, 1) + to_grey * (1.0 - saturation.view(-1, 1, 1))
    jitter = hue_matrix(hue) @ saturate
    last = torch.where(grey.view(-1, 1, 1) > 0, to_grey, same)
    return gain.view(-1, 1, 1) * (last @ jitter)
