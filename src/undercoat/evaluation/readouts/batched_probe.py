"""Many linear classifiers at once: for each layer, one pair of matrix products a step for all of its candidates.

Candidates differ in learning rate, weight decay and first weights only, so they share every minibatch: their weights
lie side by side in one (D, G, C) tensor, and a step costs one (B, D) × (D, G·C) product forward and one backward.
Layers share the order of the images and the targets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from undercoat.errors import SpecError
from undercoat.evaluation.readouts.rows import Source
from undercoat.evaluation.readouts.standardise import Standardise
from undercoat.functional.draws import Draws, permutation

__all__ = ["Candidates", "Fit", "Probes", "Schedule", "Standardise", "train_layers", "train_probes"]


@dataclass(frozen=True)
class Candidates:
    """G settings.

    Attributes:
        lr: (G,) learning rates.
        weight_decay: (G,) L2 on the weights.
        initial: G seeds of the first weights, uniform in ± √(6 / (D + area · C)) (Glorot & Bengio 2010); None = all
            zero.
        area: h · w of a probe that is a convolution of the whole map, which has so many outputs in that rule's eyes.
    """

    lr: Tensor
    weight_decay: Tensor
    initial: tuple[int, ...] | None = None
    area: int = 1

    def first_weights(self, dim: int, classes: int) -> Tensor | None:
        """Draw (D, G·C) first weights; the same seed gives the same columns."""
        if self.initial is None:
            return None
        bound = math.sqrt(6 / (dim + classes * self.area))
        rows = np.arange(dim)
        drawn = {
            seed: Draws(seed=seed, epoch=np.zeros(dim, dtype=np.int64), index=rows).uniform("probe weights", classes)
            for seed in dict.fromkeys(self.initial)
        }
        uniform = np.concatenate([drawn[seed] for seed in self.initial], axis=1)
        return torch.from_numpy(((2 * uniform - 1) * bound).astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long, on how many images at a time, and in which order.

    Attributes:
        epochs: passes over the training images …
        minimum_steps: … but at least so many steps, so that few images are learnt as well.
        batch: images a step; all of them when there are fewer.
        momentum: of SGD, in [0, 1).
        seed: of the order of the images.
        drops: epochs at which the learning rate is divided by 10; empty = a cosine from the full rate to zero.
    """

    epochs: int
    minimum_steps: int
    batch: int
    momentum: float
    seed: int
    drops: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no schedule.

        Raises:
            SpecError: for a momentum outside of [0, 1), or drops that no epoch follows.
        """
        if not 0 <= self.momentum < 1:
            raise SpecError(f"momentum is {self.momentum}, but SGD needs one in [0, 1); the usual is 0.9")
        if any(not 0 < drop < self.epochs for drop in self.drops):
            given = f"drops is {list(self.drops)}, but epochs is {self.epochs}"
            raise SpecError(f"{given}; give drops between, or drops: [] for a cosine")

    def rate(self, step: int, steps: int) -> float:
        """Factor on the learning rates at one of all steps.

        Example:
            >>> plan = Schedule(epochs=36, minimum_steps=1, batch=192, momentum=0.9, seed=0, drops=(10, 20, 30))
            >>> [round(plan.rate(step, 36), 6) for step in (0, 9, 10, 20, 35)]
            [1.0, 1.0, 0.1, 0.01, 0.001]
        """
        if not self.drops:
            return 0.5 + 0.5 * math.cos(math.pi * step / steps)
        return float(0.1 ** sum(step * self.epochs >= drop * steps for drop in self.drops))

    def steps(self, images: int) -> int:
        """Number of steps for so many training images."""
        return max(self.minimum_steps, self.epochs * max(1, images // self.batch))


@dataclass(frozen=True)
class Probes:
    """G linear classifiers: weight (D, G, C), bias (G, C)."""

    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Return (N, G, C) logits of standardised features (N, D)."""
        return (features @ self.weight.flatten(1)).reshape(-1, *self.bias.shape) + self.bias


@torch.inference_mode()
def train_layers(
    layers: Sequence[Source],
    targets: Tensor,
    candidates: Sequence[Candidates],
    schedule: Schedule,
    *,
    multi_label: bool,
) -> list[Probes]:
    """Fit all candidates of all layers by SGD with momentum, in one pass over shared minibatches.

    The loss is cross-entropy, or for several labels an image the sum over classes of binary cross-entropy; in
    both its gradient on the logits is probability minus target, so no graph is recorded. Weight decay is L2
    on the weights, not on the bias. A candidate that diverges turns to NaN and leaves the others untouched.

    Args:
        layers: for each layer (N, D) float32, standardised.
        targets: (N, C) of 0 and 1.
        candidates: for each layer G learning rates, weight decays and first weights.
        schedule: length, batch, momentum, order and how the learning rates fall.
        multi_label: whether an image can have several classes.

    Returns:
        For each layer the G classifiers after the last step.
    """
    fits = [
        Fit(layer.shape[1], some, targets, schedule.momentum) for layer, some in zip(layers, candidates, strict=True)
    ]
    probability = torch.sigmoid if multi_label else softmax
    images = len(targets)
    steps = schedule.steps(images)
    for step, index in zip(range(steps), _batches(images, schedule), strict=False):
        wanted, rate = targets[index][:, None], schedule.rate(step, steps)
        for layer, fit in zip(layers, fits, strict=True):
            rows = layer[index]
            fit.step(rows, probability(fit.logits(rows)) - wanted, rate)
    return [fit.probes() for fit in fits]


def train_probes(
    features: Tensor, targets: Tensor, candidates: Candidates, schedule: Schedule, *, multi_label: bool
) -> Probes:
    """Fit all candidates of one table of features; see :func:`train_layers`."""
    return train_layers([features], targets, [candidates], schedule, multi_label=multi_label)[0]


class Fit:
    """The candidates of one layer while they are fitted: (D, G·C) weights, (G·C,) biases, and their speeds.

    Args:
        dim: D.
        candidates: G of them.
        targets: (N, C), for C and the device.
        momentum: of SGD.
    """

    def __init__(self, dim: int, candidates: Candidates, targets: Tensor, momentum: float) -> None:
        self.dim, self.groups, self.classes = dim, len(candidates.lr), targets.shape[1]
        self.momentum = momentum
        first = candidates.first_weights(self.dim, self.classes)
        self.weight = targets.new_zeros(self.dim, self.groups * self.classes)
        if first is not None:
            self.weight.copy_(first)
        self.bias = targets.new_zeros(self.groups * self.classes)
        self.weight_speed, self.bias_speed = torch.zeros_like(self.weight), torch.zeros_like(self.bias)
        self.lr = candidates.lr.to(targets).repeat_interleave(self.classes)
        self.decay = candidates.weight_decay.to(targets).repeat_interleave(self.classes)

    def logits(self, rows: Tensor) -> Tensor:
        """(B, G, C) logits of (B, D) rows."""
        return torch.addmm(self.bias, rows, self.weight).reshape(-1, self.groups, self.classes)

    def step(self, rows: Tensor, error: Tensor, rate: float) -> None:
        """Follow (B, G, C) probability minus target."""
        slope = error.div_(len(rows)).flatten(1)
        lr = self.lr * rate
        self.weight_speed.mul_(self.momentum).addmm_(rows.T, slope).addcmul_(self.weight, self.decay)
        self.bias_speed.mul_(self.momentum).add_(slope.sum(dim=0))
        self.weight.addcmul_(self.weight_speed, lr, value=-1)
        self.bias.addcmul_(self.bias_speed, lr, value=-1)

    def probes(self) -> Probes:
        """The classifiers as they are."""
        return Probes(
            self.weight.reshape(self.dim, self.groups, self.classes), self.bias.reshape(self.groups, self.classes)
        )


def softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits, dim=-1)


def _batches(images: int, schedule: Schedule) -> Iterator[Tensor]:
    """Rows of each step, without end: a new order every epoch, whose incomplete last batch is left out."""
    batch = min(schedule.batch, images)
    for epoch in count():
        order = torch.from_numpy(permutation(images, seed=schedule.seed, epoch=epoch, purpose="linear probe"))
        yield from torch.split(order[: images // batch * batch], batch)
