"""Many linear classifiers on the same features at once: one pair of matrix products a step for all of them.

Candidates differ in learning rate and weight decay only, so they share every minibatch: their weights lie
side by side in one (D, G, C) tensor, and a step costs one (B, D) × (D, G·C) product forward and one backward.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from undercoat.functional.draws import permutation

__all__ = ["Candidates", "Probes", "Schedule", "Standardise", "train_probes"]


@dataclass(frozen=True)
class Standardise:
    """Batch-norm without affine, with the statistics of the training images: mean 0, deviation 1.

    A feature that does not vary on the training images is set to 0, whatever it does elsewhere.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Standardise:
        """Measure (D,) mean and deviation of features (N, D)."""
        variance, mean = torch.var_mean(features, dim=0, correction=0)
        std = variance.sqrt()
        still = std <= 1e-6 * features.abs().amax(dim=0)
        return cls(mean, torch.where(still, 0.0, 1.0 / std))

    def __call__(self, features: Tensor) -> Tensor:
        """Return (N, D) standardised features."""
        return (features - self.mean) * self.scale


@dataclass(frozen=True)
class Candidates:
    """G settings, each (G,)."""

    lr: Tensor
    weight_decay: Tensor


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long, on how many images at a time, and in which order.

    Attributes:
        epochs: passes over the training images …
        minimum_steps: … but at least so many steps, so that few images are learnt as well.
        batch: images a step; all of them when there are fewer.
        momentum: of SGD, in [0, 1).
        seed: of the order of the images.
    """

    epochs: int
    minimum_steps: int
    batch: int
    momentum: float
    seed: int

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
def train_probes(
    features: Tensor, targets: Tensor, candidates: Candidates, schedule: Schedule, *, multi_label: bool
) -> Probes:
    """Fit all candidates by SGD with momentum and a cosine learning rate, from zero weights.

    The loss is cross-entropy, or for several labels an image the sum over classes of binary cross-entropy; in
    both its gradient on the logits is probability minus target, so no graph is recorded. Weight decay is L2
    on the weights, not on the bias. A candidate that diverges turns to NaN and leaves the others untouched.

    Args:
        features: (N, D) float32, standardised.
        targets: (N, C) of 0 and 1.
        candidates: G learning rates and weight decays.
        schedule: length, batch, momentum and order.
        multi_label: whether an image can have several classes.

    Returns:
        The G classifiers after the last step.
    """
    images, dim = features.shape
    groups, classes = len(candidates.lr), targets.shape[1]
    probability = torch.sigmoid if multi_label else _softmax
    weight = features.new_zeros(dim, groups * classes)
    bias = features.new_zeros(groups * classes)
    weight_speed, bias_speed = torch.zeros_like(weight), torch.zeros_like(bias)
    lr = candidates.lr.to(features).repeat_interleave(classes)
    decay = candidates.weight_decay.to(features).repeat_interleave(classes)
    steps = schedule.steps(images)
    for step, index in zip(range(steps), _batches(images, schedule), strict=False):
        rows, wanted = features[index], targets[index][:, None]
        logits = torch.addmm(bias, rows, weight).reshape(-1, groups, classes)
        slope = (probability(logits) - wanted).div_(len(rows)).flatten(1)
        rate = lr * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        weight_speed.mul_(schedule.momentum).addmm_(rows.T, slope).addcmul_(weight, decay)
        bias_speed.mul_(schedule.momentum).add_(slope.sum(dim=0))
        weight.addcmul_(weight_speed, rate, value=-1)
        bias.addcmul_(bias_speed, rate, value=-1)
    return Probes(weight.reshape(dim, groups, classes), bias.reshape(groups, classes))


def _softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits, dim=-1)


def _batches(images: int, schedule: Schedule) -> Iterator[Tensor]:
    """Rows of each step, without end: a new order every epoch, whose incomplete last batch is left out."""
    batch = min(schedule.batch, images)
    for epoch in count():
        order = torch.from_numpy(permutation(images, seed=schedule.seed, epoch=epoch, purpose="linear probe"))
        yield from torch.split(order[: images // batch * batch], batch)
