"""Shared by all tests: a torchvision that can be imported, and batches to feed methods with."""

import os

import numpy as np
import pytest
import torch

from undercoat._torchvision import ensure_importable
from undercoat.augment.batch import Batch
from undercoat.functional.draws import Draws

ensure_importable()
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the processes that tests start
torch.set_num_threads(1)  # tests are small: a second thread only waits when the machine is busy


@pytest.fixture
def make_batch():
    """Build a batch of noise views: ``make_batch(step=0, size=8)``."""

    def make(step: int = 0, size: int = 8, views: int = 2, pixels: int = 16, classes: int = 0) -> Batch:
        generator = torch.Generator().manual_seed(step)
        images = tuple(torch.rand(size, 3, pixels, pixels, generator=generator) for _ in range(views))
        index = torch.arange(step * size, (step + 1) * size)
        draws = Draws(seed=0, epoch=np.zeros(size, dtype=np.int64), index=index.numpy().copy())
        labels = torch.randint(classes, (size,), generator=generator) if classes else None
        return Batch(images, index, draws, step, labels)

    return make
