"""A method's own pictures, saved while it trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from undercoat.contact_sheet import save_sheet
from undercoat.data.loader import LoadedBatch, as_tensor
from undercoat.files import write_json
from undercoat.functional.shuffle import shuffled
from undercoat.training.feeding import make_batch
from undercoat.training.training import Training

__all__ = ["FOLDER", "save_pictures"]

FOLDER, TITLES = "pictures", "titles.json"
_IMAGES = 64


@torch.no_grad()
def save_pictures(method: Any, training: Training, step: int) -> None:
    """Write what the method shows of a fixed set of images: ``pictures/NAME-STEP.png`` and ``pictures/titles.json``.

    Args:
        method: meets the contract; its modes and state are left as they were.
        training: its data, recipe, folder and runtime.
        step: steps taken so far.
    """
    data, seed = training.data, training.budget.seed
    index = shuffled(np.arange(min(_IMAGES, len(data))), len(data), seed=seed, epoch=0)
    aspect = torch.from_numpy(np.array(data.aspect[index], np.float32))
    loaded = LoadedBatch(as_tensor(data.batch(index)), aspect, index, np.zeros_like(index), step)
    batch = make_batch(loaded, training, views=method.number_of_views, labelled=method.reads_labels)
    modes = [(part, part.training) for part in method.modules()]
    method.eval()
    with training.runtime.fabric.autocast():
        pictures = method.pictures(batch)
    for part, mode in modes:
        part.training = mode
    folder = training.folder / FOLDER
    for picture in pictures:
        save_sheet(folder / f"{picture.name}-{step:07d}.png", picture.rows, captions=picture.captions)
    if pictures:
        write_json(folder / TITLES, {picture.name: picture.title for picture in pictures})
