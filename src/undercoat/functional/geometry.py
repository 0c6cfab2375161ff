"""Where a view lies in its image, and the linear operators that carry pixels there.

Cropping, flipping, antialiased resizing and Gaussian blurring are linear and separable, so any chain of
them is ``rows @ image @ columns.T`` with two small matrices for each image. When the matrices are
composed first, a view costs two batched matrix products, however many operations it consists of.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, log, sqrt
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "CROP_TRIES",
    "blur_matrix",
    "centre_boxes",
    "crop_boxes",
    "resize_matrix",
    "turn",
    "turned_places",
    "turned_size_px",
]

CROP_TRIES = 10
Edge = Literal["crop", "image", "mirror"]


def crop_boxes(
    uniform: NDArray[np.float64],
    aspect: NDArray[np.floating],
    *,
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> NDArray[np.float64]:
    """Draw random-resized-crop boxes with the proportions of each *original* image.

    The law is that of Szegedy et al. 2015 as torchvision has it: an area fraction uniform in ``scale`` and a
    width / height with a logarithm uniform in ``ratio``, tried ten times until the box fits; then the largest
    centred box whose proportions are allowed.

    Args:
        uniform: (B, 2 * CROP_TRIES + 2) numbers in [0, 1).
        aspect: (B,) width / height of the originals.
        scale: lowest and highest fraction of the image's area, in 0..1.
        ratio: lowest and highest width / height of the box, in the original's pixels.

    Returns:
        (B, 4) left, top, width, height as fractions of the image's width and height.

    Example:
        >>> crop_boxes(np.full((1, 22), 0.5), np.array([2.0]), scale=(0.5, 0.5), ratio=(1.0, 1.0)).round(3)
        array([[0.25, 0.  , 0.5 , 1.  ]])
    """
    whole = np.asarray(aspect, dtype=np.float64)[:, None]
    area = scale[0] + (scale[1] - scale[0]) * uniform[:, :CROP_TRIES]
    shape = np.exp(log(ratio[0]) + log(ratio[1] / ratio[0]) * uniform[:, CROP_TRIES : 2 * CROP_TRIES])
    # A hair of tolerance lets an exact fit (scale 1 on a square) survive the rounding of the square root.
    width, height = np.sqrt(area * shape / whole), np.sqrt(area * whole / shape)
    fits = np.maximum(width, height) <= 1 + 1e-9
    first, row = np.argmax(fits, axis=1), np.arange(len(whole))
    any_fits = np.any(fits, axis=1, keepdims=True)
    allowed = np.clip(whole, *ratio)
    fitted = np.concatenate([allowed / whole, whole / allowed], axis=1)
    drawn = np.stack([width[row, first], height[row, first]], axis=1)
    sides = np.minimum(np.where(any_fits, drawn, fitted), 1.0)
    place = np.where(any_fits, uniform[:, 2 * CROP_TRIES :], 0.5)
    return np.concatenate([place * (1.0 - sides), sides], axis=1)


def centre_boxes(aspect: NDArray[np.floating], *, fraction: float) -> NDArray[np.float64]:
    """Return the centred square whose side is ``fraction`` of each original's shorter side.

    Args:
        aspect: (B,) width / height of the originals.
        fraction: in (0, 1]; 0.875 is the usual "resize to 256, crop 224".

    Returns:
        (B, 4) left, top, width, height as fractions of the image's width and height.

    Example:
        >>> centre_boxes(np.array([2.0]), fraction=1.0)
        array([[0.25, 0.  , 0.5 , 1.  ]])
    """
    whole = np.asarray(aspect, dtype=np.float64)
    sides = fraction * np.stack([np.minimum(1.0, 1.0 / whole), np.minimum(1.0, whole)], axis=1)
    return np.concatenate([(1.0 - sides) / 2.0, sides], axis=1)


def resize_matrix(
    crop_px: Tensor,
    *,
    size_in: int,
    size_out: int,
    edge: Edge = "crop",
    taps: int | None = None,
) -> Tensor:
    """Build the matrices that resample one axis from ``size_in`` to ``size_out`` pixels.

    The filter is a triangle, widened by the factor by which the axis shrinks: bilinear when it grows,
    antialiased when it shrinks, as in ``torch.nn.functional.interpolate(mode="bilinear", antialias=True)``.

    Args:
        crop_px: (B, 2) float32, where the crop begins and ends, in input pixels, fractions too. A crop that
            ends before it begins mirrors the axis.
        size_in: input pixels.
        size_out: output pixels.
        edge: what the filter sees beyond its crop: ``"crop"`` nothing (as if cropped first), ``"image"`` the
            rest of the image and nothing beyond it, ``"mirror"`` the image and its reflection without end.
        taps: how many inputs can weigh on one output: ``ceil(2 * max(1, longest crop / size_out))``. Give it
            when the tensor lives on an accelerator, which would otherwise be asked and waited for.

    Returns:
        (B, size_out, size_in), each row summing to 1.

    Example:
        >>> resize_matrix(torch.tensor([[0.0, 4.0]]), size_in=4, size_out=2)
        tensor([[[0.4286, 0.4286, 0.1429, 0.0000],
                 [0.0000, 0.1429, 0.4286, 0.4286]]])
    """
    start, end = crop_px[:, :1], crop_px[:, 1:]
    step = (end - start) / size_out
    support = step.abs().clamp_min(1.0)
    if taps is None:
        taps = ceil(2.0 * float(support.max()) - 1e-6)
    centre = start + step * (torch.arange(size_out, device=crop_px.device) + 0.5)
    first = torch.floor(centre - support + 0.5)
    if edge != "mirror":
        taps = min(taps, size_in)
        first = first.clamp(0, size_in - taps)
    source = first[:, :, None] + torch.arange(taps, device=crop_px.device)
    distance = (source - (centre - 0.5)[:, :, None]).abs_() / support[:, :, None]
    weight = (1.0 - distance).clamp_min_(0.0)
    if edge == "crop":
        low, high = torch.minimum(start, end).floor(), torch.maximum(start, end).ceil()
        weight = weight * ((source >= low[:, :, None]) & (source < high[:, :, None]))
    weight = weight / weight.sum(2, keepdim=True)
    index = source.long()
    if edge == "mirror":
        index = index.remainder(2 * size_in)
        index = torch.minimum(index, 2 * size_in - 1 - index)
    return weight.new_zeros(len(weight), size_out, size_in).scatter_add_(2, index, weight)


@lru_cache(maxsize=16)
def _shifts(size: int, radius: int, device: torch.device) -> Tensor:
    """(radius + 1, size * size): which output takes from which input at each distance, edges reflected."""
    place = torch.arange(size, device=device)
    table = torch.zeros(radius + 1, size, size, device=device)
    for offset in range(-radius, radius + 1):
        source = (place + offset).abs()
        source = torch.minimum(source, 2 * (size - 1) - source)
        table[abs(offset), place, source] += 1.0
    return table.reshape(radius + 1, -1)


def blur_matrix(sigma_px: Tensor, *, size: int, radius: int) -> Tensor:
    """Build the matrices that blur one axis with a Gaussian, edges reflected.

    The kernel is the Gaussian sampled at whole pixels up to ``radius`` and normalised, as in torchvision.

    Args:
        sigma_px: (B,) float32, standard deviations; 0 leaves the axis as it is.
        size: pixels of the axis.
        radius: pixels at which the kernel is cut off; at most ``size - 1``.

    Returns:
        (B, size, size), each row summing to 1.

    Example:
        >>> blur_matrix(torch.tensor([0.0, 1.0]), size=3, radius=1)[:, 1]
        tensor([[0.0000, 1.0000, 0.0000],
                [0.2741, 0.4519, 0.2741]])
    """
    distance = torch.arange(radius + 1, device=sigma_px.device)
    kernel = torch.exp(-0.5 * (distance / sigma_px[:, None].clamp_min(1e-3)).square())
    kernel = kernel / (2.0 * kernel.sum(1, keepdim=True) - 1.0)  # the middle counts once, the others twice
    return (kernel @ _shifts(size, radius, sigma_px.device)).view(-1, size, size)


def turned_size_px(size_px: int) -> int:
    """Side of a square that holds every turned ``size_px`` square with a pixel to spare, same parity."""
    return size_px + 2 * ceil(size_px * (sqrt(2.0) - 1.0) / 2.0 + 1.0)


def turned_places(size_px: int, degrees: NDArray[np.floating], *, device: torch.device) -> Tensor:
    """Where each pixel of a turned square comes from.

    Args:
        size_px: S, side of the square.
        degrees: (B,) counter-clockwise as seen on the screen; kept on the host, where sine and cosine are exact at
            multiples of 90°.
        device: of the result.

    Returns:
        (B, S, S, 2) float32, x and y in pixels from the centre.
    """
    turns = np.deg2rad(np.mod(np.asarray(degrees, np.float64), 360.0))
    cosine = torch.as_tensor(np.cos(turns), dtype=torch.float32, device=device)[:, None, None]
    sine = torch.as_tensor(np.sin(turns), dtype=torch.float32, device=device)[:, None, None]
    place = torch.arange(size_px, device=device) - (size_px - 1) / 2
    x, y = place[None, None, :], place[None, :, None]
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=3)


def turn(images: Tensor, degrees: NDArray[np.floating], *, size_px: int) -> Tensor:
    """Turn square images about their centre and keep the middle ``size_px`` pixels.

    Args:
        images: (B, C, m, m), float; m is at least ``turned_size_px(size_px)`` for corners with content.
        degrees: (B,) counter-clockwise as seen on the screen, on the host.
        size_px: side of the result.

    Returns:
        (B, C, size_px, size_px), bilinear between pixels.

    Example:
        >>> turn(torch.eye(4)[None, None], np.array([90.0]), size_px=2).round()
        tensor([[[[0., 1.],
                  [1., 0.]]]])
    """
    grid = turned_places(size_px, degrees, device=images.device) * (2 / images.shape[-1])
    turned = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return turned.to(images.dtype)
