"""Turning square images by any angle, and what is shown where the canvas ends.

Bilinear interpolation leaves a trace of the angle: it blurs, and more between pixels than on them, in a pattern that
turns with the angle; corners without content are another trace. A network that is asked about rotation reads both. So
there is an exact path for quarter turns, a disc that hides all corners alike, and a ``round`` kernel: a Gaussian wide
enough to weigh the same wherever it lands between pixels, which gives an image at 0° the look of one at 30°.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from undercoat.errors import SpecError, did_you_mean
from undercoat.functional.geometry import turned_places

__all__ = ["ROUND_SIGMA_PX", "Fill", "Kernel", "check_choice", "check_degrees", "disc", "is_quarter_turn", "rotate"]

Fill = Literal["zero", "mean", "reflect", "disc"]
Kernel = Literal["linear", "round"]

ROUND_SIGMA_PX = 0.9
"""Standard deviation of the round kernel: noise that passes it has the same power between pixels as on them within
0.4 %; bilinear interpolation takes up to three quarters of it away. At 0.8 a small network still tells 0° from 30°."""


def check_degrees(name: str, degrees: ArrayLike) -> NDArray[np.float64]:
    """Read angles as float64.

    Raises:
        SpecError: for what is no finite number, with the name of the setting.
    """
    try:
        angles = np.asarray(degrees, dtype=np.float64)
    except (TypeError, ValueError):
        angles = np.asarray(np.nan)
    if not np.isfinite(angles).all():
        raise SpecError(f"{name} is {degrees!r}, which is no angle: give it in degrees, such as 30")
    return angles


def check_choice(name: str, value: object, known: Sequence[str]) -> None:
    """Refuse a word that is not among those known.

    Raises:
        SpecError: with the nearest known word.
    """
    if value not in known:
        raise SpecError(f"{name} is {value!r}, not one of {', '.join(known)}{did_you_mean(str(value), known)}")


def is_quarter_turn(degrees: float) -> bool:
    """Whether an angle needs no interpolation: a multiple of 90°.

    Example:
        >>> is_quarter_turn(-270.0), is_quarter_turn(45.0)
        (True, False)
    """
    return float(degrees) % 90.0 == 0.0


def disc(size_px: int, *, device: torch.device | None = None) -> Tensor:
    """Return the (size_px, size_px) bool mask of the inscribed circle, a pixel inside the canvas.

    Whatever the angle, its pixels come from within the canvas; the pixel of margin is for the kernel's width.

    Example:
        >>> disc(7).int()[1:4]
        tensor([[0, 0, 0, 1, 0, 0, 0],
                [0, 0, 1, 1, 1, 0, 0],
                [0, 1, 1, 1, 1, 1, 0]], dtype=torch.int32)
    """
    place = torch.arange(size_px, device=device) - (size_px - 1) / 2
    return place[:, None].square() + place[None, :].square() <= max(1.0, (size_px - 3) / 2) ** 2


def rotate(
    images: Tensor,
    degrees: ArrayLike,
    *,
    fill: Fill = "disc",
    kernel: Kernel = "linear",
    outside: Tensor | float = 0.0,
) -> Tensor:
    """Turn each image about its centre, within its canvas.

    Args:
        images: (B, C, S, S), float, S ≥ 3; gradients pass through.
        degrees: (B,) or one for all, any real number; counter-clockwise as seen on the screen. Kept on the host, so
            that an accelerator need not be asked for it.
        fill: what is shown where the canvas ends: ``zero``; the image's own ``mean`` colour; its reflection
            (``reflect``); or ``disc``: only the inscribed circle is shown, the rest is ``outside`` at every angle.
        kernel: ``linear`` is bilinear, and exact (pixels change places) at multiples of 90°; ``round`` is the
            Gaussian of ``ROUND_SIGMA_PX`` at every angle, 0° too.
        outside: what surrounds a disc: a number, or a tensor that broadcasts to the images.

    Returns:
        (B, C, S, S) in the dtype of ``images``.

    Raises:
        SpecError: for an angle that is not finite, or images that are not square or have fewer than 3 pixels a side.

    Example:
        >>> image = torch.arange(9.0).reshape(1, 1, 3, 3)
        >>> rotate(image, 90.0, fill="zero")[0, 0]
        tensor([[2., 5., 8.],
                [1., 4., 7.],
                [0., 3., 6.]])
    """
    check_choice("fill", fill, get_args(Fill))
    check_choice("kernel", kernel, get_args(Kernel))
    angles = np.broadcast_to(check_degrees("degrees", degrees), len(images))
    size_px = _side(images)
    turned = _round(images.float(), angles) if kernel == "round" else _exact_or_linear(images, angles)
    if fill == "disc":
        shown = disc(size_px, device=images.device)
        turned = torch.where(shown, turned, torch.as_tensor(outside, device=images.device, dtype=turned.dtype))
    elif fill != "reflect":
        beyond = images.float().mean((2, 3), keepdim=True) if fill == "mean" else torch.zeros((), device=images.device)
        turned = torch.where(_covered(size_px, angles, images.device), turned, beyond.to(turned.dtype))
    return turned.to(images.dtype)


def _side(images: Tensor) -> int:
    height, width = images.shape[-2:]
    if height != width or width < 3:
        raise SpecError(
            f"an image of {width} × {height} pixels cannot be turned within its canvas: "
            "give square ones of 3 pixels a side or more (size_px)"
        )
    return int(width)


def _covered(size_px: int, angles: NDArray[np.float64], device: torch.device) -> Tensor:
    """(B, 1, S, S) bool: which output pixels come from the canvas, edges of its outer pixels included."""
    return (turned_places(size_px, angles, device=device).abs() <= size_px / 2).all(3)[:, None]


def _sampled(images: Tensor, sources: Tensor) -> Tensor:
    return F.grid_sample(images, sources * (2 / images.shape[-1]), padding_mode="reflection", align_corners=False)


def _exact_or_linear(images: Tensor, angles: NDArray[np.float64]) -> Tensor:
    """Change the places of pixels at multiples of 90°, interpolate elsewhere."""
    quarters = np.mod(angles, 360.0) / 90.0
    turned = torch.empty_like(images)
    for quarter in np.unique(quarters):
        rows = torch.as_tensor(np.flatnonzero(quarters == quarter), device=images.device)
        if float(quarter).is_integer():
            turned[rows] = torch.rot90(images[rows], int(quarter), (2, 3))
    rest = np.flatnonzero(quarters != np.round(quarters))
    if len(rest):
        rows = torch.as_tensor(rest, device=images.device)
        sources = turned_places(images.shape[-1], angles[rest], device=images.device)
        turned[rows] = _sampled(images[rows].float(), sources).to(images.dtype)
    return turned


def _round(images: Tensor, angles: NDArray[np.float64]) -> Tensor:
    """Weigh the 6 × 6 pixels about each source by a Gaussian; neighbours in pairs, one bilinear look-up for each."""
    batch, size_px = len(images), images.shape[-1]
    shared = angles[:1] if np.all(angles == angles[0]) else angles  # one table for all when all turn alike
    sources = turned_places(size_px, shared, device=images.device)
    pixel = (sources + (size_px - 1) / 2).floor()
    offsets = torch.arange(-2.0, 4.0, device=images.device)
    distance = pixel[..., None] + offsets - (size_px - 1) / 2 - sources[..., None]
    weight = torch.softmax(-0.5 * (distance / ROUND_SIGMA_PX).square(), dim=-1)
    mass = weight[..., 0::2] + weight[..., 1::2]  # (B, S, S, 2 axes, 3 pairs)
    place = sources[..., None] + distance[..., 0::2] + weight[..., 1::2] / mass
    total = torch.zeros_like(images)
    for across in range(3):
        for down in range(3):
            at = torch.stack([place[..., 0, across], place[..., 1, down]], dim=3)
            share = (mass[..., 0, across] * mass[..., 1, down])[:, None]
            total = total + share * _sampled(images, at.expand(batch, -1, -1, -1))
    return total
