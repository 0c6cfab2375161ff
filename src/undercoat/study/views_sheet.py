"""A contact sheet of what the network is fed: each image and what the method makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from undercoat.augment import centre_view
from undercoat.contact_sheet import save_sheet
from undercoat.data.loader import LoadedBatch, as_tensor
from undercoat.functional.shuffle import shuffled
from undercoat.methods import Method
from undercoat.training.feeding import make_batch
from undercoat.training.training import Training

__all__ = ["save_views_sheet"]

_COLUMNS = 6


@torch.no_grad()
def save_views_sheet(method: Method, training: Training, path: Path, *, images: int = 8) -> Path:
    """Draw the very images that enter the backbone: the whole image, then its inputs in its first epochs.

    Args:
        method: says what it makes of its views.
        training: its data, recipe and seed.
        path: of the PNG.
        images: rows.
    """
    data, size_px = training.data, training.recipe.size_px
    chosen = shuffled(np.arange(min(images, len(data))), len(data), seed=training.budget.seed, epoch=0)
    raw, aspect = as_tensor(data.batch(chosen)), torch.from_numpy(np.array(data.aspect[chosen], np.float32))
    whole = centre_view(raw, aspect, size_px=size_px, crop_fraction=1.0, low=data.low, high=data.high)
    rows: list[list[Tensor]] = [[image] for image in whole]
    epoch = 0
    while len(rows[0]) <= _COLUMNS:
        loaded = LoadedBatch(raw, aspect, chosen, np.full(len(chosen), epoch), epoch)
        batch = make_batch(loaded, training, views=method.number_of_views, labelled=method.reads_labels)
        for images_in in method.inputs(batch):
            for row, image in zip(rows, _fitted(images_in, size_px), strict=True):
                row.append(image)
        epoch += 1
    return save_sheet(path, rows)


def _fitted(images: Tensor, size_px: int) -> Tensor:
    """Images of another size in the middle of a white square: small ones in whole multiples, large ones shrunk."""
    times = max(1, size_px // max(images.shape[-2:]))
    images = images.repeat_interleave(times, -2).repeat_interleave(times, -1)
    side = max(images.shape[-2:])
    if side > size_px:
        return interpolate(images.float(), size=(size_px, size_px), mode="bilinear", antialias=True)
    page = images.new_ones(*images.shape[:2], size_px, size_px)
    top, left = ((size_px - length) // 2 for length in images.shape[-2:])
    page[:, :, top : top + images.shape[2], left : left + images.shape[3]] = images
    return page
