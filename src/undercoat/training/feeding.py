"""From loaded canvases to what a method is fed."""

from __future__ import annotations

import torch

from undercoat.augment.batch import Batch
from undercoat.data.loader import LoadedBatch
from undercoat.functional.draws import Draws
from undercoat.training.training import Training

__all__ = ["make_batch"]


def make_batch(loaded: LoadedBatch, training: Training, *, views: int, labelled: bool = False) -> Batch:
    """Turn loaded canvases into augmented views on the runtime's device, in the dtype that its autocast will use.

    Args:
        loaded: canvases as they come from the cache.
        training: its data, recipe, seed and runtime.
        views: of each image.
        labelled: hand over the images' labels too.
    """
    data, runtime = training.data, training.runtime
    dtype = torch.bfloat16 if runtime.autocast_dtype is torch.bfloat16 else torch.float32
    draws = Draws(seed=training.budget.seed, epoch=loaded.epoch, index=loaded.index)
    images = loaded.images.to(runtime.device, non_blocking=True)
    made = training.recipe.views(images, loaded.aspect, draws, number=views, dtype=dtype, low=data.low, high=data.high)
    labels = None
    if labelled and data.labels is not None:
        labels = torch.as_tensor(data.labels[loaded.index], device=runtime.device)
        labels = labels.float() if labels.ndim == 2 else labels.long()
    return Batch(made, torch.as_tensor(loaded.index, device=runtime.device), draws, loaded.step, labels)
