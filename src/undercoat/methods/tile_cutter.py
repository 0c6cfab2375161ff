"""Nine tiles of every view, for the methods that shuffle them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from undercoat.backbones import Backbone
from undercoat.errors import SpecError
from undercoat.functional.colour import GREY_WEIGHTS
from undercoat.functional.draws import Draws
from undercoat.functional.jigsaw import TILES
from undercoat.functional.tiles import GRID, cut_tiles, standardise_tiles, tile_corners

__all__ = ["TileCutter", "fitting_tile_px"]

SMALLEST_TILE_PX = 8


def fitting_tile_px(size_px: int) -> int:
    """Side of the tiles for a view: 64/85 of a cell as published, 8 px at least.

    Raises:
        SpecError: when a cell is too small for a tile.
    """
    cell = size_px // GRID
    if cell < SMALLEST_TILE_PX:
        raise SpecError(
            f"views of {size_px} px give jigsaw cells of {cell} px, too small for a tile of {SMALLEST_TILE_PX} px; "
            f"use --size-px {GRID * SMALLEST_TILE_PX} or more, and images that large"
        )
    return max(SMALLEST_TILE_PX, round(cell * 64 / 85))


@dataclass(frozen=True, kw_only=True)
class TileCutter:
    """How a view becomes nine tiles.

    Attributes:
        tile_px: t, side of a tile; None: fits the view.
        gap_px: pixels between tiles at least; a tile's random place in its cell adds to it.
        channel_shift_px: each colour channel of each tile is shifted by up to this.
        grey_probability: how often all tiles of an image are grey.
        normalise: standardise each channel of every tile by itself.
    """

    tile_px: int | None = None
    gap_px: int = 0
    channel_shift_px: int = 0
    grey_probability: float = 0.0
    normalise: bool = False

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Cut (B, C, S, S) into (B, 9, C, t, t), cells in reading order."""
        size, channels, device = images.shape[-1], images.shape[1], images.device
        tile_px = self.tile_px or fitting_tile_px(size)
        places = draws.uniform("jigsaw tiles", 2 * TILES)
        corners = torch.as_tensor(
            tile_corners(places, size_px=size, tile_px=tile_px, gap_px=self.gap_px, shift_px=self.channel_shift_px),
            device=device,
        )
        if self.channel_shift_px:
            drawn = draws.uniform("jigsaw channels", 2 * TILES * channels) * (self.channel_shift_px + 1)
            shift = torch.as_tensor(drawn.astype("int64"), device=device).view(-1, TILES, channels, 2)
            corners = corners[:, :, None] + shift
        if self.grey_probability and channels == 3:
            grey = torch.as_tensor(draws.uniform("jigsaw grey", 1)[:, 0] < self.grey_probability, device=device)
            luma = (images * images.new_tensor(GREY_WEIGHTS).view(3, 1, 1)).sum(dim=1, keepdim=True)
            images = torch.where(grey[:, None, None, None], luma, images)
        return cut_tiles(images, corners, tile_px=tile_px)

    def fed_to(self, backbone: Backbone, tiles: Tensor) -> Tensor:
        """Tiles as ``backbone`` should get them: it takes its own mean and std off again."""
        if not self.normalise:
            return tiles
        return (standardise_tiles(tiles) * backbone.std + backbone.mean).to(tiles.dtype)
