"""Contact sheets: images laid out in rows, with a line of text under each, as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from undercoat.files import atomic

__all__ = ["Picture", "save_sheet", "tile"]

_GAP_PX = 4
_TEXT_PX = 11
_LEAST_PX = 90
"""Width of an image with a caption, at least."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A grid of images that shows what a method does.

    Attributes:
        name: of the file, letters and hyphens: ``rotations``.
        title: what is to be seen, one sentence.
        rows: images (C, H, W) in 0..1, all of one size; rows may differ in length.
        captions: a few words under each image, laid out like ``rows``; empty for none.
    """

    name: str
    title: str
    rows: Sequence[Sequence[Tensor]]
    captions: Sequence[Sequence[str]] = ()


def tile(rows: Sequence[Sequence[Tensor]], *, captions: Sequence[Sequence[str]] = ()) -> NDArray[np.uint8]:
    """Lay (C, H, W) images in 0..1 on white, one list a row; returns (height, width, 3) uint8."""
    if captions:
        rows = _enlarged(rows)
    height, width = rows[0][0].shape[-2:]
    below = _TEXT_PX + 2 if captions else 0
    pitch = height + below + _GAP_PX
    size = (len(rows) * pitch + _GAP_PX, max(map(len, rows)) * (width + _GAP_PX) + _GAP_PX, 3)
    sheet = np.full(size, 255, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            shown = image[:3] if image.shape[0] >= 3 else image[:1].expand(3, -1, -1)
            top, left = _GAP_PX + y * pitch, _GAP_PX + x * (width + _GAP_PX)
            pixels = (shown.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
            sheet[top : top + height, left : left + width] = pixels
    return _written(sheet, captions, pitch=pitch, below=below, column=width + _GAP_PX) if captions else sheet


def _enlarged(rows: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
    """Small images in whole multiples of their size, so that there is room for words below them."""
    times = ceil(_LEAST_PX / rows[0][0].shape[-1])
    return [[image.repeat_interleave(times, -2).repeat_interleave(times, -1) for image in row] for row in rows]


def _written(
    sheet: NDArray[np.uint8], captions: Sequence[Sequence[str]], *, pitch: int, below: int, column: int
) -> NDArray[np.uint8]:
    page = Image.fromarray(sheet)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT_PX)
    for y, row in enumerate(captions):
        for x, words in enumerate(row):
            while words and draw.textlength(words, font=font) > column - 2:
                words = words[:-1]
            draw.text((_GAP_PX + x * column, (y + 1) * pitch - below), words, fill=(70, 70, 70), font=font)
    return np.asarray(page)


def save_sheet(path: Path, rows: Sequence[Sequence[Tensor]], *, captions: Sequence[Sequence[str]] = ()) -> Path:
    """Write a grid of (C, H, W) images in 0..1 as a PNG."""
    with atomic(path) as temporary:
        Image.fromarray(tile(rows, captions=captions)).save(temporary, format="PNG")
    return path
