"""Nine tiles of an image, each cut from its own cell of a 3 × 3 grid."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.errors import SpecError

__all__ = ["GRID", "assemble", "cut_tiles", "standardise_tiles", "tile_corners"]

GRID = 3
_TILES = GRID * GRID
_FLATTEST_STD = 1.0 / 255.0


def tile_corners(
    uniform: NDArray[np.float64], *, size_px: int, tile_px: int, gap_px: int = 0, shift_px: int = 0
) -> NDArray[np.int64]:
    """Draw where in its cell each tile of a 3 × 3 grid lies.

    Args:
        uniform: (B, 18) numbers in [0, 1).
        size_px: side of the view; its cells have a third of it, the rest lies around them.
        tile_px: side of a tile.
        gap_px: pixels that tiles of neighbouring cells stay apart at least.
        shift_px: pixels kept free beyond each tile, for colour channels to be shifted by.

    Returns:
        (B, 9, 2) top and left of each tile, in pixels, cells in reading order.

    Raises:
        SpecError: when a tile with its gap is larger than its cell.

    Example:
        >>> tile_corners(np.zeros((1, 18)), size_px=255, tile_px=64)[0, :4].tolist()
        [[0, 0], [0, 85], [0, 170], [85, 0]]
        >>> tile_corners(np.full((1, 18), 0.999), size_px=255, tile_px=64)[0, 0].tolist()
        [21, 21]
    """
    cell = size_px // GRID
    room = cell - tile_px - gap_px - shift_px
    if tile_px < 1 or gap_px < 0 or shift_px < 0 or room < 0:
        more = f" with a gap of {gap_px} px and a shift of {shift_px} px" if gap_px or shift_px else ""
        raise SpecError(
            f"tiles of {tile_px} px{more} do not fit the {cell} px cells of a {size_px} px view; "
            f"give tiles of 1 to {cell} px, or larger views"
        )
    margin = (size_px - GRID * cell) // 2 + gap_px // 2
    cells = np.stack(np.divmod(np.arange(_TILES), GRID), axis=1) * cell + margin
    return cells + (uniform.reshape(-1, _TILES, 2) * (room + 1)).astype(np.int64)


def cut_tiles(images: Tensor, corners: Tensor, *, tile_px: int) -> Tensor:
    """Cut nine tiles out of each image.

    Args:
        images: (B, C, S, S).
        corners: (B, 9, 2) int64 top and left, or (B, 9, C, 2) with a place for each colour channel.
        tile_px: t, side of a tile.

    Returns:
        (B, 9, C, t, t), channels last in memory.

    Example:
        >>> image = torch.arange(9.0).view(1, 1, 3, 3)
        >>> corners = torch.as_tensor(tile_corners(np.zeros((1, 18)), size_px=3, tile_px=1))
        >>> cut_tiles(image, corners, tile_px=1).flatten().tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    """
    if corners.ndim == 3:
        corners = corners[:, :, None]
    within = torch.arange(tile_px, device=images.device)
    rows = corners[..., 0, None, None].movedim(2, -1) + within[:, None, None]  # (B, 9, t, 1, C)
    columns = corners[..., 1, None, None].movedim(2, -1) + within[None, :, None]  # (B, 9, 1, t, C)
    image = torch.arange(len(images), device=images.device)[:, None, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)
    return images[image, channel, rows, columns].movedim(-1, 2)


def standardise_tiles(tiles: Tensor) -> Tensor:
    """Give each channel of each tile mean 0 and standard deviation 1, so that neither tells where it lay.

    A channel that varies less than one step of 8-bit colour counts as varying by that much: noise in a blank tile
    is not blown up.

    Args:
        tiles: (..., C, t, t) in 0..1.

    Returns:
        the same shape, float32.

    Example:
        >>> standardise_tiles(torch.tensor([[[0.2, 0.4], [0.2, 0.4]]])).round()
        tensor([[[-1.,  1.],
                 [-1.,  1.]]])
    """
    tiles = tiles.float()
    variance, mean = torch.var_mean(tiles, dim=(-2, -1), correction=0, keepdim=True)
    return (tiles - mean) / variance.sqrt().clamp_min(_FLATTEST_STD)


def assemble(tiles: Tensor, *, gap_px: int = 1) -> Tensor:
    """Lay nine tiles (9, C, t, t) out as one picture (C, 3 t + 2 gap, 3 t + 2 gap), white between them.

    Example:
        >>> assemble(torch.zeros(9, 1, 1, 1))[0]
        tensor([[0., 1., 0., 1., 0.],
                [1., 1., 1., 1., 1.],
                [0., 1., 0., 1., 0.],
                [1., 1., 1., 1., 1.],
                [0., 1., 0., 1., 0.]])
    """
    _, channels, side, _ = tiles.shape
    pitch = side + gap_px
    whole = tiles.new_ones(channels, GRID * pitch - gap_px, GRID * pitch - gap_px)
    for place, tile in enumerate(tiles):
        top, left = place // GRID * pitch, place % GRID * pitch
        whole[:, top : top + side, left : left + side] = tile
    return whole
