"""First-layer filters as a picture: one panel a network, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from undercoat.contact_sheet import tile
from undercoat.errors import SpecError
from undercoat.files import atomic

__all__ = ["filter_panel", "save_filter_sheet"]

_CELL_PX = 36
"""Width of a filter when enlarged, at most (more where the filter itself is larger)."""
_TITLE_PX, _GAP_PX = 15, 16
_SMALLEST = 1e-12


def filter_panel(filters: Tensor, *, scale: str = "filter", cell_px: int = _CELL_PX) -> NDArray[np.uint8]:
    """Draw filters (F, C, k, k) in a square grid; mid-grey is zero.

    Three channels are drawn as red, green and blue, one as grey. Pixels are repeated a whole number of times.

    Args:
        filters: in the order of the network.
        scale: ``filter`` divides each filter by its own largest number, so that all are -1..1; ``layer`` divides all by
            the layer's largest, so that faint filters look faint.
        cell_px: width of a filter in the picture, at most.

    Returns:
        (height, width, 3) uint8.

    Raises:
        SpecError: for filters of another number of channels, which no colours stand for.

    Example:
        >>> import torch
        >>> filter_panel(torch.zeros(4, 3, 3, 3), cell_px=9).shape
        (30, 30, 3)
    """
    if filters.shape[1] not in (1, 3):
        raise SpecError(f"filters of {filters.shape[1]} channels cannot be drawn; take networks that see 1 or 3")
    largest = filters.abs().amax(dim=(1, 2, 3), keepdim=True)
    if scale == "layer":
        largest = largest.amax().expand_as(largest)
    shown = (filters / largest.clamp(min=_SMALLEST) + 1) / 2
    times = max(1, cell_px // filters.shape[-1])
    shown = shown.repeat_interleave(times, -2).repeat_interleave(times, -1)
    columns = ceil(sqrt(len(shown)))
    return tile([list(shown[start : start + columns]) for start in range(0, len(shown), columns)])


def save_filter_sheet(
    path: Path, layers: Sequence[tuple[str, Tensor]], *, scale: str = "filter", cell_px: int = _CELL_PX
) -> Path:
    """Write panels side by side, each with its label above, as a PNG.

    Args:
        path: of the PNG.
        layers: (label, filters (F, C, k, k)) of each network.
        scale: see :func:`filter_panel`.
        cell_px: width of a filter in the picture, at most.
    """
    panels = [(label, filter_panel(filters, scale=scale, cell_px=cell_px)) for label, filters in layers]
    font = ImageFont.load_default(_TITLE_PX)
    widths = [max(panel.shape[1], ceil(font.getlength(label)) + 8) for label, panel in panels]
    top = _TITLE_PX + 10
    height = max(panel.shape[0] for _, panel in panels)
    size = (sum(widths) + _GAP_PX * (len(panels) + 1), height + top + _GAP_PX)
    page = Image.new("RGB", size, (255, 255, 255))
    draw, left = ImageDraw.Draw(page), _GAP_PX
    for (label, panel), width in zip(panels, widths, strict=True):
        draw.text((left + 4, 6), label, fill=(40, 40, 40), font=font)
        page.paste(Image.fromarray(panel), (left, top))
        left += width + _GAP_PX
    with atomic(path) as temporary:
        page.save(temporary, format="PNG", optimize=True)
    return path
