"""A contact sheet of what the network is fed: each image and several of its augmented views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from undercoat.augment import Augmentation, centre_view
from undercoat.data import Canvases
from undercoat.files import atomic
from undercoat.functional.draws import Draws, permutation

__all__ = ["save_views_sheet", "tile"]

_GAP_PX = 4


def tile(rows: list[list[Tensor]]) -> NDArray[np.uint8]:
    """Lay (C, H, W) images in 0..1 on white, one list a row; returns (height, width, 3) uint8."""
    height, width = rows[0][0].shape[-2:]
    sheet = np.full(
        (len(rows) * (height + _GAP_PX) + _GAP_PX, max(map(len, rows)) * (width + _GAP_PX) + _GAP_PX, 3), 255, np.uint8
    )
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            shown = image[:3] if image.shape[0] >= 3 else image[:1].expand(3, -1, -1)
            top, left = _GAP_PX + y * (height + _GAP_PX), _GAP_PX + x * (width + _GAP_PX)
            pixels = (shown.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
            sheet[top : top + height, left : left + width] = pixels
    return sheet


def save_views_sheet(
    data: Canvases, recipe: Augmentation, path: Path, *, seed: int, views: int, images: int = 8, epochs: int = 3
) -> Path:
    """Draw the very views that training sees: the image, then its views in its first epochs.

    Args:
        data: the stage's images.
        recipe: its augmentation.
        path: of the PNG.
        seed: the stage's.
        views: what its method asks for.
        images: rows.
        epochs: how often each image is shown.
    """
    chosen = permutation(len(data), seed=seed, epoch=0)[: min(images, len(data))]
    raw = torch.as_tensor(data.batch(chosen).astype(np.float32))
    aspect = torch.as_tensor(data.aspect[chosen])
    whole = centre_view(raw, aspect, size_px=recipe.size_px, crop_fraction=1.0, low=data.low, high=data.high)
    rows: list[list[Tensor]] = [[image] for image in whole]
    for epoch in range(epochs):
        draws = Draws(seed=seed, epoch=np.full(len(chosen), epoch), index=chosen)
        for view in recipe.views(raw, aspect, draws, number=views, low=data.low, high=data.high):
            for row, image in zip(rows, view, strict=True):
                row.append(image)
    with atomic(path) as temporary:
        Image.fromarray(tile(rows)).save(temporary, format="PNG")
    return path
