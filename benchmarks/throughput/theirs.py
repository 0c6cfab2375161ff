"""The other side: MoCo v2 from lightly's public parts, fed by its data set and PyTorch's DataLoader."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from throughput.setting import Task
from undercoat._torchvision import ensure_importable

__all__ = ["LightlyMoCo", "installed", "write_pictures"]


def installed() -> bool:
    """Whether lightly can be imported."""
    return find_spec("lightly") is not None


def write_pictures(task: Task, folder: Path) -> None:
    """Write our canvases as PNG files, so that both sides see the same pixels."""
    folder.mkdir()
    for number, canvas in enumerate(task.data.images[task.data.rows]):
        Image.fromarray(canvas).save(folder / f"{number:05d}.png")


class LightlyMoCo:
    """lightly's documented example, with our network, queue length, temperature and optimiser class.

    Args:
        task: what both sides have in common.
        folder: of PNG files.
        dtype: of autocast, or None for full precision, which is what the example does.
    """

    def __init__(self, task: Task, folder: Path, *, dtype: torch.dtype | None) -> None:
        ensure_importable()
        from lightly.data import LightlyDataset
        from lightly.loss import NTXentLoss
        from lightly.models.modules import MoCoProjectionHead
        from lightly.models.utils import deactivate_requires_grad
        from lightly.transforms import MoCoV2Transform

        arguments, optimiser = task.stage.method_arguments, task.stage.optimiser
        self.dtype, self.ema_momentum, self.lead_in_steps = dtype, arguments["ema_momentum"], task.setting.lead_in_steps
        trunk, dim = task.new_trunk(), arguments["dim"]
        width = trunk.num_features
        self.online = nn.ModuleList([trunk, MoCoProjectionHead(width, width, dim)])
        self.target = copy.deepcopy(self.online)
        deactivate_requires_grad(self.target)
        self.loss = NTXentLoss(temperature=arguments["temperature"], memory_bank_size=(arguments["queue_size"], dim))
        kind = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[optimiser.name]
        self.optimiser = kind(self.online.parameters(), lr=optimiser.lr, weight_decay=optimiser.weight_decay)
        self.loader: Any = torch.utils.data.DataLoader(
            LightlyDataset(str(folder), transform=MoCoV2Transform(input_size=task.setting.size_px)),
            batch_size=task.setting.batch,
            shuffle=True,
            drop_last=True,
            num_workers=len(os.sched_getaffinity(0)),
        )

    def run(self, steps: int) -> float:
        """Seconds of ``steps`` steps, waiting for data included, after a lead-in that starts the workers."""
        batches: Iterator[Any] = chain.from_iterable(repeat(self.loader))
        for _ in range(self.lead_in_steps):
            self._step(next(batches)[0])
        started = time.perf_counter()
        for _ in range(steps):
            self._step(next(batches)[0])
        return time.perf_counter() - started  # the workers end with the iterator and do not disturb the next segment

    def _step(self, views: tuple[Tensor, Tensor]) -> None:
        from lightly.models.utils import batch_shuffle, batch_unshuffle, update_momentum

        query, key = views
        for online, target in zip(self.online, self.target, strict=True):
            update_momentum(online, target, m=self.ema_momentum)
        with torch.autocast("cpu", self.dtype, enabled=self.dtype is not None):
            embedded = self._embed(self.online, query)
            with torch.no_grad():
                key, order = batch_shuffle(key)
                keys = batch_unshuffle(self._embed(self.target, key), order)
            loss = self.loss(embedded, keys)
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()

    @staticmethod
    def _embed(parts: nn.ModuleList, images: Tensor) -> Tensor:
        trunk, head = parts
        return head(trunk(images).flatten(start_dim=1))
