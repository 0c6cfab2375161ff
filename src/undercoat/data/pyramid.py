"""Image pyramids: photos and their area-averaged halvings, packed in one flat array of 32-bit texels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from undercoat.functional.texels import Levels

__all__ = ["fill_levels", "level_sides", "levels_of", "pack", "pyramid"]

LEAST_SIDE_PX = 2
"""A level is at least this wide and high, so that every pixel has a neighbour."""
BAND_PIXELS = 1 << 22
"""Pixels halved at a time, which bounds the memory that a photo of any size takes."""

Texels = NDArray[np.int32]


def level_sides(width: int, height: int) -> list[tuple[int, int]]:
    """Width and height of every level, the photo itself first.

    Example:
        >>> level_sides(9, 5)
        [(9, 5), (5, 3), (3, 2)]
    """
    sides = [(width, height)]
    while min(sides[-1]) > LEAST_SIDE_PX:
        sides.append((-(-sides[-1][0] // 2), -(-sides[-1][1] // 2)))
    return sides


def levels_of(sizes: Sequence[tuple[int, int]]) -> tuple[Levels, int]:
    """Where the levels of photos of these (width, height) lie when all are laid one after the other; and the end."""
    each = [level_sides(*size) for size in sizes]
    most = max(map(len, each))
    table = np.zeros((3, len(sizes), most), np.int64)
    end = 0
    for photo, sides in enumerate(each):
        for level in range(most):
            if level < len(sides):
                width, height = sides[level]
                place, end = (end, width, height), end + width * height
            table[:, photo, level] = place
    return Levels(table[0], table[1], table[2], np.array([len(sides) for sides in each], np.int64)), end


def pack(pixels: NDArray[np.uint8]) -> Texels:
    """(H, W, 3) red, green, blue to (H, W) texels."""
    texels = np.zeros((*pixels.shape[:2], 4), np.uint8)
    texels[:, :, :3] = pixels
    return texels.view("<i4")[:, :, 0]


def fill_levels(texels: Texels, width: int, height: int) -> None:
    """Make every level of one photo from the one before; the first ``width · height`` texels are there already.

    Args:
        texels: (T,) of this photo alone, in memory or memory-mapped.
        width: of the photo.
        height: of the photo.
    """
    sides = level_sides(width, height)
    start = 0
    for (width, height), (half_width, half_height) in pairwise(sides):
        end = start + width * height
        finer = texels[start:end].reshape(height, width)
        coarser = texels[end : end + half_width * half_height].reshape(half_height, half_width)
        for band in _bands(half_height, width):
            coarser[band] = _halved(finer[2 * band.start : 2 * band.stop])
        start = end


def _bands(rows: int, width: int) -> Iterator[slice]:
    step = max(1, BAND_PIXELS // (2 * width))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _halved(texels: Texels) -> Texels:
    """Means of 2 × 2 blocks, rounded; a last row or column without a partner stands for itself."""
    height, width = texels.shape
    if height % 2 or width % 2:
        texels = np.pad(texels, ((0, height % 2), (0, width % 2)), mode="edge")
    bytes_ = np.ascontiguousarray(texels).view(np.uint8).reshape(-1, 2, texels.shape[1] // 2, 2, 4)
    sums = bytes_[:, 0, :, 0].astype(np.uint16)
    sums += bytes_[:, 0, :, 1]
    sums += bytes_[:, 1, :, 0]
    sums += bytes_[:, 1, :, 1]
    return np.ascontiguousarray((sums + 2) >> 2, dtype=np.uint8).view("<i4")[:, :, 0]


def pyramid(photos: Sequence[NDArray[np.uint8]]) -> tuple[Texels, Levels]:
    """Pack photos (H, W, 3), each side 2 pixels or more, with all their levels.

    Example:
        >>> texels, levels = pyramid([np.full((4, 6, 3), 7, np.uint8)])
        >>> levels.width.tolist(), levels.height.tolist(), len(texels)
        ([[6, 3]], [[4, 2]], 30)
    """
    levels, end = levels_of([(photo.shape[1], photo.shape[0]) for photo in photos])
    texels = np.empty(end, np.int32)
    ends = [*levels.start[1:, 0].tolist(), end]
    for photo, start, stop in zip(photos, levels.start[:, 0].tolist(), ends, strict=True):
        height, width = photo.shape[:2]
        texels[start : start + height * width] = pack(photo).ravel()
        fill_levels(texels[start:stop], width, height)
    return texels, levels
