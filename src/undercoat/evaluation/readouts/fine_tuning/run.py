"""One fine-tuning run: a copy of a backbone and a new linear head, trained together on labelled images."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.nn.utils import skip_init

from undercoat.augment import Augmentation
from undercoat.backbones.backbone import Backbone
from undercoat.backbones.trainable import set_mode, set_trainable
from undercoat.data.canvases import Canvases
from undercoat.evaluation.readouts.fine_tuning.budget import Budget
from undercoat.evaluation.view import Pass
from undercoat.functional.draws import Draws, full_batches
from undercoat.runtime import seed_step
from undercoat.training.optim import parameter_groups

__all__ = ["Candidate", "Run", "Tuned"]

_HEAD_STD = 0.01  # of the head's first weights, as published


@dataclass(frozen=True)
class Candidate:
    """One setting of the grid.

    Attributes:
        lr: of the backbone.
        budget: how long.
    """

    lr: float
    budget: Budget

    def __str__(self) -> str:
        return f"lr {self.lr:g}, {self.budget}"


class Tuned(nn.Module):
    """A backbone and a linear head: images (B, C, H, W) in 0..1 → logits (B, classes).

    Args:
        backbone: copied, so that the one that is given stays as it is.
        classes: rows of the head.
        seed: of the head's first weights, N(0, 0.01²); its bias starts from 0.
    """

    def __init__(self, backbone: Backbone, classes: int, seed: int) -> None:
        super().__init__()
        self.backbone = deepcopy(backbone)
        self.head: nn.Linear = skip_init(  # torch's global generator is left alone
            nn.Linear, backbone.dim, classes
        )  # type: ignore[no-untyped-call]
        rows = Draws(seed=seed, epoch=np.zeros(classes, dtype=np.int64), index=np.arange(classes))
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(rows.normal("fine-tune head", backbone.dim)).mul(_HEAD_STD))
            self.head.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def logits(self, canvases: Canvases, once: Pass) -> Tensor:
        """Score all images in evaluation mode: (N, classes) float32 on the host."""
        self.eval()
        with torch.inference_mode(), autocast(once):
            return torch.cat([self(images).float().cpu() for _, images in once.batches(canvases)])


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the candidates share.

    Attributes:
        images: labelled ones.
        augmentation: of the training views.
        once: device and precision.
        batch: images at a time.
        accumulation: small batches whose mean gradient is one step.
        momentum: of SGD.
        weight_decay: of weights.
        head_lr_factor: the head's learning rate over the backbone's.
        drops: fractions of the budget at which the learning rate falls to a tenth.
        schedule: how they are counted, see :meth:`Budget.falls`.
        seed: of the head, of the order and of the views.
    """

    images: Canvases
    augmentation: Augmentation
    once: Pass
    batch: int
    accumulation: int
    momentum: float
    weight_decay: float
    head_lr_factor: float
    drops: tuple[float, ...]
    schedule: str
    seed: int

    def plan(self, candidate: Candidate, count: int) -> tuple[int, int, tuple[int, ...]]:
        """For so many images: images a step, steps, and the steps at which the learning rate falls."""
        step = min(self.batch * self.accumulation, count)
        steps = candidate.budget.steps(images=count, batch=step)
        counted = {"schedule": self.schedule, "accumulation": self.accumulation}
        return step, steps, candidate.budget.falls(self.drops, steps=steps, **counted)  # type: ignore[arg-type]

    def train(self, backbone: Backbone, candidate: Candidate, rows: NDArray[np.int64]) -> Tuned | None:
        """Train a copy of the backbone on some of the images; None where the loss stops being a number."""
        device = self.once.device
        network = Tuned(backbone, len(self.images.classes), self.seed)
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        set_trainable(network.backbone, "all")
        set_mode(network.backbone, "all")
        optimiser = self.optimiser(network, candidate.lr)
        batch, steps, falls = self.plan(candidate, len(rows))
        batches = full_batches(len(rows), steps=steps, batch=batch, seed=self.seed, purpose="fine-tune")
        with _own_randomness(device), torch.enable_grad():
            for step, (place, epoch) in enumerate(batches):
                for group in optimiser.param_groups:
                    group["lr"] = group["peak"] * 0.1 ** sum(step >= fall for fall in falls)
                seed_step(self.seed, step)  # for dropout and the like
                optimiser.zero_grad(set_to_none=True)
                if not self._gather(network, rows[place], epoch):
                    return None
                optimiser.step()
        return network.eval()

    def optimiser(self, network: Tuned, lr: float) -> torch.optim.SGD:
        """SGD on all layers, with the head at its own rate; each group keeps its full rate as ``peak``."""
        groups = []
        for part, rate in ((network.backbone, lr), (network.head, lr * self.head_lr_factor)):
            for group in parameter_groups(part, weight_decay=self.weight_decay, decay_all=False):
                groups.append(group | {"lr": rate, "peak": rate})
        return torch.optim.SGD(groups, lr=lr, momentum=self.momentum)

    def _gather(self, network: Tuned, index: NDArray[np.int64], epoch: NDArray[np.int64]) -> bool:
        """Add up the gradient of one step's images, a small batch at a time; False when the loss is no number."""
        parts = max(1, min(-(-len(index) // self.batch), len(index) // 2))  # batch statistics need two images
        total = torch.zeros((), device=self.once.device)
        for place in np.array_split(np.arange(len(index)), parts):
            loss = self._loss(network, index[place], epoch[place]) * (len(place) / len(index))
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return bool(torch.isfinite(total))

    def _loss(self, network: Tuned, index: NDArray[np.int64], epoch: NDArray[np.int64]) -> Tensor:
        canvases, device = self.images, self.once.device
        draws = Draws(seed=self.seed, epoch=epoch, index=index)
        images = torch.from_numpy(canvases.batch(index)).to(device)
        shown = {"number": 1, "low": canvases.low, "high": canvases.high}
        (views,) = self.augmentation.views(images, canvases.aspect[index], draws, **shown)  # type: ignore[arg-type]
        labels = torch.as_tensor(np.asarray(canvases.labels)[index], device=device)
        with autocast(self.once):
            logits = network(views)
        if canvases.multi_label:
            return binary_cross_entropy_with_logits(logits.float(), labels.float())
        return cross_entropy(logits.float(), labels)


def autocast(once: Pass) -> AbstractContextManager[None]:
    """The precision of the backbone; float16 would need a scaled loss, so that becomes full precision."""
    return nullcontext() if once.autocast_dtype == torch.float16 else once.autocast


@contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Give torch's and Python's global generators back as they were."""
    state = random.getstate()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(state)
