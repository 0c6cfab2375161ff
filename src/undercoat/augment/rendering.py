"""Turn canvases and drawn parameters into views: two batched matrix products and one colour matrix.

Everything runs where the images are, without a loop over the batch and without asking the device for a value.
The arithmetic is done in the dtype of the result. Raw values are centred first: in bfloat16 the whole numbers
0..255 then stay exact and the rounding of weights matters half as much.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np
import torch
from torch import Tensor

from undercoat.augment.parameters import ViewParameters
from undercoat.functional.colour import GREY_WEIGHTS, colour_matrix
from undercoat.functional.geometry import Edge, blur_matrix, resize_matrix, turn, turned_size_px

__all__ = ["Planes", "render"]

CACHE_BYTES = 3 << 20
"""Planes handled at a time on a CPU; what fits the caches is a third faster at 224 px than a whole batch."""


@contextmanager
def _exact(device: torch.device) -> Iterator[None]:
    """No gradients, and no autocast that would overrule the dtype asked for."""
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        yield


@dataclass(frozen=True, kw_only=True)
class Planes:
    """Canvases made ready for any number of views: one plane per channel, centred about ``middle``.

    Attributes:
        values: (B, C, H, W) raw values minus ``middle``.
        middle: raw value that became 0.
        low: raw value that means 0.0.
        high: raw value that means 1.0.
    """

    values: Tensor
    middle: float
    low: float
    high: float

    @staticmethod
    def of(images: Tensor, *, dtype: torch.dtype, low: float, high: float) -> Planes:
        """Prepare canvases (B, H, W, C) of any integer or floating dtype."""
        middle = (low + high) / 2.0
        if not images.dtype.is_floating_point:
            middle = float(floor(middle))
        wide = dtype if images.dtype == torch.uint8 else torch.promote_types(dtype, torch.float32)
        values = images.permute(0, 3, 1, 2).contiguous().to(wide)
        shared = values.data_ptr() == images.data_ptr()
        values = values - middle if shared else values.sub_(middle)
        return Planes(values=values.to(dtype), middle=middle, low=low, high=high)

    def parts(self) -> Iterator[slice]:
        """Which images to handle together: all of them on an accelerator, what fits the caches on a CPU."""
        batch, image_bytes = len(self.values), self.values[0].nbytes
        count = max(1, CACHE_BYTES // image_bytes) if self.values.device.type == "cpu" else batch
        pieces = ceil(batch / count)
        for piece in range(pieces):
            yield slice(piece * batch // pieces, (piece + 1) * batch // pieces)

    @property
    def span(self) -> float:
        """Raw values between 0.0 and 1.0."""
        return self.high - self.low

    @property
    def level(self) -> float:
        """What a centred value of 0 means, in 0..1."""
        return (self.middle - self.low) / self.span


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """How the views of one call are framed."""

    size_px: int
    radius: int
    edge: Edge


def _operators(planes: Planes, parameters: ViewParameters, frame: _Frame) -> list[Tensor]:
    """Two (R, size_px, size_in): crop, flip, resize and blur along x, and along y."""
    values, size_px = planes.values, frame.size_px
    drawn = parameters.on(values.device)
    blurred = np.flatnonzero(parameters.sigma_px) if frame.radius else ()
    if len(blurred):
        rows = torch.from_numpy(blurred).to(values.device)
        radius = min(frame.radius, size_px - 1)
        blur = blur_matrix(drawn["sigma_px"][rows], size=size_px, radius=radius)
    operators = []
    for axis, size_in in enumerate((values.shape[3], values.shape[2])):
        start, length = drawn["boxes"][:, axis], drawn["boxes"][:, axis + 2]
        mirrored = drawn["flipped"][:, axis]
        ends = torch.stack([start + mirrored * length, start + (1.0 - mirrored) * length], dim=1) * size_in
        longest = float(parameters.boxes[:, axis + 2].max()) * size_in
        operator = resize_matrix(
            ends,
            size_in=size_in,
            size_out=size_px,
            edge=frame.edge,
            taps=ceil(2.0 * max(1.0, longest / size_px) - 1e-6),
        )
        if len(blurred):
            operator.index_copy_(0, rows, torch.bmm(blur, operator[rows]))
        operators.append(operator.to(values.dtype))  # rounded once, after everything is composed
    return operators


def _warp(planes: Planes, parameters: ViewParameters, frame: _Frame) -> list[Tensor]:
    """Crops (B, C, size_px, size_px) of every view, still centred raw values."""
    values = planes.values
    batch, channels, height, width = values.shape
    crops = []
    for across, down in zip(
        *(part.chunk(len(parameters) // batch) for part in _operators(planes, parameters, frame)), strict=True
    ):
        half = torch.bmm(values.view(batch, channels * height, width), across.transpose(1, 2))
        half = half.view(batch, channels, height, frame.size_px)
        crops.append(torch.matmul(down[:, None], half))
    return crops


def _turned(planes: Planes, parameters: ViewParameters, frame: _Frame) -> list[Tensor]:
    """Crops turned about their centres; corners show the image beyond the crop, mirrored at its border."""
    outer_px = turned_size_px(frame.size_px)
    outer = _Frame(size_px=outer_px, radius=frame.radius, edge="mirror")
    crops = _warp(planes, parameters.widened(outer_px / frame.size_px), outer)
    angles = np.split(parameters.degrees, len(crops))
    return [turn(crop, angle, size_px=frame.size_px) for crop, angle in zip(crops, angles, strict=True)]


def _recolour(crops: list[Tensor], parameters: ViewParameters, planes: Planes, views: list[Tensor]) -> None:
    """Write crops of centred raw values into views as colours in 0..1.

    In float32: converting costs less than a bfloat16 product of 3×3 matrices and spares three roundings.
    """
    first = crops[0]
    channels = first.shape[1]
    drawn = parameters.on(first.device)
    gain = drawn["brightness"] * drawn["contrast"]
    share = drawn["brightness"] - gain  # how much of the mean grey contrast adds
    offset = (gain + share) * planes.level
    if parameters.changes_contrast:
        weights = GREY_WEIGHTS if channels == 3 else (1.0 / channels,) * channels
        ones = first.new_ones(first[0, 0].numel(), 1)  # a product with ones: the sum that bfloat16 is fast at
        mean = torch.cat([crop.flatten(2) @ ones for crop in crops]).float()[:, :, 0] / len(ones)
        offset = offset + share * (mean @ torch.tensor(weights, device=first.device)) / planes.span
    mixes = channels == 3 and parameters.changes_colour
    matrix = colour_matrix(gain, drawn["saturation"], drawn["hue"], drawn["grey"]) if mixes else gain[:, None, None]
    factors = (matrix / planes.span).chunk(len(crops))
    offsets = offset[:, None, None].chunk(len(crops))
    for crop, factor, shift, view in zip(crops, factors, offsets, views, strict=True):
        pixels = crop.flatten(2).float()
        coloured = torch.bmm(factor, pixels) if mixes else pixels * factor
        view.copy_(coloured.add_(shift).clamp_(0.0, 1.0).to(view.dtype).view(crop.shape))


def render(
    planes: Planes, parameters: ViewParameters, *, size_px: int, radius: int = 0, edge: Edge = "crop"
) -> tuple[Tensor, ...]:
    """Make views of every canvas.

    Colour is changed in the order brightness, contrast, saturation, hue, grey, and clipped to 0..1 once, at
    the end. Images without three channels keep their channels apart: brightness and contrast (about the mean
    of all channels) apply, saturation, hue and grey do not.

    Args:
        planes: B canvases.
        parameters: what was drawn, B rows for the first view, then B for the second, …
        size_px: side of the views.
        radius: pixels at which the blur's kernel is cut off; 0 leaves blur out.
        edge: what the resize filter sees beyond the crop; see
            :func:`undercoat.functional.geometry.resize_matrix`.

    Returns:
        For each view (B, C, size_px, size_px) in 0..1, in the planes' dtype, channels-last in memory.

    Example:
        >>> canvases = torch.full((1, 8, 8, 3), 255, dtype=torch.uint8)
        >>> planes = Planes.of(canvases, dtype=torch.float32, low=0.0, high=255.0)
        >>> whole = ViewParameters.plain(np.array([[0.0, 0.0, 1.0, 1.0]]))
        >>> render(planes, whole, size_px=4)[0].mean()
        tensor(1.)
    """
    frame = _Frame(size_px=size_px, radius=radius, edge=edge)
    values = planes.values
    batch, channels = values.shape[:2]
    number = len(parameters) // batch
    with _exact(values.device):
        views = tuple(values.new_empty(batch, size_px, size_px, channels).permute(0, 3, 1, 2) for _ in range(number))
        for part in planes.parts():
            some = replace(planes, values=values[part])
            rows = np.arange(len(parameters)).reshape(number, batch)[:, part].ravel()
            drawn = parameters.take(rows)
            crops = (_turned if drawn.degrees.any() else _warp)(some, drawn, frame)
            _recolour(crops, drawn, planes, [view[part] for view in views])
    return views
