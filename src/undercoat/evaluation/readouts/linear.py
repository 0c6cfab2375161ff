"""A linear probe: which classes can be told apart by one linear layer on frozen features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from undercoat.errors import SpecError
from undercoat.evaluation.readouts.batched_probe import (
    Candidates,
    Probes,
    Schedule,
    Standardise,
    train_layers,
)
from undercoat.evaluation.readouts.choosing import best_of, score
from undercoat.evaluation.readouts.labelled import LATER, Features, Fitted, LabelledFeatures, one_hot
from undercoat.evaluation.readouts.rows import Rows

__all__ = ["Linear"]

#: SGD 0.9 without Nesterov, 36 epochs, divided by 10 at 10, 20 and 30
_PAPER: dict[str, Any] = {
    "lrs": (0.01,),
    "weight_decays": (1e-5,),
    "epochs": 36,
    "minimum_steps": 1,
    "batch": 192,
    "momentum": 0.9,
    "drops": (10, 20, 30),
    "initial": "uniform",
    "statistics": "channel",
}

_LRS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, kw_only=True)
class Linear:
    """One linear layer on standardised features, its settings chosen on held-out images.

    All pairs of learning rate and weight decay are trained at once, side by side in one tensor. The best on
    the held-out images (accuracy, or mean AUROC when an image can have several labels; ties go to the lower
    loss) is then fitted again on all training images.

    Attributes:
        lrs: learning rates of SGD at batch ``batch``; each > 0.
        weight_decays: L2 on the weights; each ≥ 0.
        epochs: passes over the training images.
        minimum_steps: steps at least, for sets of few images.
        batch: images a step.
        momentum: of SGD.
        drops: epochs at which the learning rate is divided by 10; empty = a cosine to zero.
        initial: first weights, ``zeros`` or ``uniform`` (Glorot & Bengio 2010).
        seeds: how many draws of first weights each candidate is trained from, side by side. Settings are chosen by
            the mean over them, and its deviation is written beside the number; the number is the first one's. With a
            single candidate nothing is chosen, and more than one draw tells nothing.
        statistics: mean and deviation of each ``feature`` by itself, or of each ``channel`` of a layer's map over all
            of its places, as batch-norm before flattening has them.

    The preset ``paper`` is the schedule of the per-layer probes of Asano et al. 2020 (the authors' released code).
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"paper": _PAPER}

    lrs: tuple[float, ...] = _LRS
    weight_decays: tuple[float, ...] = (0.0, 0.01, 0.1, 1.0)
    epochs: int = 100
    minimum_steps: int = 500
    batch: int = 256
    momentum: float = 0.9
    drops: tuple[int, ...] = field(default=(), metadata=LATER)
    initial: Literal["zeros", "uniform"] = field(default="zeros", metadata=LATER)
    seeds: int = field(default=1, metadata=LATER)
    statistics: Literal["feature", "channel"] = field(default="feature", metadata=LATER)

    def __post_init__(self) -> None:
        for name in ("lrs", "weight_decays"):  # recipes give lists; equal settings must compare equal
            object.__setattr__(self, name, tuple(sorted(float(value) for value in getattr(self, name))))
        if not self.lrs or not all(0 < lr < math.inf for lr in self.lrs):
            raise SpecError(f"lrs is {list(self.lrs)}, but a probe needs learning rates above 0; give at least one")
        if not self.weight_decays or not all(0 <= decay < math.inf for decay in self.weight_decays):
            raise SpecError(
                f"weight_decays is {list(self.weight_decays)}, but they must be 0 or more; give at least one"
            )
        for name in ("epochs", "minimum_steps", "batch", "seeds"):
            if getattr(self, name) < 1:
                raise SpecError(
                    f"{name} is {getattr(self, name)}, but a probe needs at least 1; give a whole number > 0"
                )
        self._check_start()

    def _check_start(self) -> None:
        """Refuse first weights and a schedule that mean nothing."""
        object.__setattr__(self, "drops", tuple(sorted(self.drops)))
        self._schedule(0)
        if self.initial not in ("zeros", "uniform"):
            raise SpecError(
                f"initial is {self.initial!r}, but first weights are 'zeros' or 'uniform'; give one of them"
            )
        if self.statistics not in ("feature", "channel"):
            raise SpecError(f"statistics is {self.statistics!r}, but they are of a 'feature' or a 'channel'; give one")
        if self.seeds > 1 and self.initial == "zeros":
            raise SpecError(
                f"seeds is {self.seeds}, but probes that start from zeros are all alike; add initial: uniform"
            )

    @property
    def chooses(self) -> bool:
        """Whether there is more than one candidate to choose from."""
        return len(self.lrs) * len(self.weight_decays) > 1

    def fit(self, train: LabelledFeatures, *, seed: int = 0, device: str = "cpu") -> Fitted:
        """Choose on ``train.held_out``, then fit on all of ``train``; a single candidate needs no choice."""
        return self.fit_layers({"": train}, seed=seed, device=device)[""]

    def fit_layers(
        self, train: Mapping[str, LabelledFeatures], *, seed: int = 0, device: str = "cpu"
    ) -> dict[str, Fitted]:
        """Fit every layer as :meth:`fit` does, each with a choice of its own, all in one pass over shared minibatches.

        Args:
            train: layer → its features; labels and held-out images are the same in all.
            seed: of the order of images and the first weights.
            device: where the probes are trained.
        """
        grid = [(lr, decay) for lr in self.lrs for decay in self.weight_decays]
        best = dict.fromkeys(train, 0)
        chosen: dict[str, dict[str, Any]] = {layer: {} for layer in train}
        if len(grid) > 1:
            best, chosen = self._choose(train, grid, seed, device)
        winners = {layer: [grid[place]] for layer, place in best.items()}
        fitted = self._train(train, None, winners, seed, device)
        found = {}
        for layer, (standardise, probes) in fitted.items():
            lr, decay = grid[best[layer]]
            found[layer] = Fitted(
                predict=_Prediction(standardise, probes, device, train[layer].multi_label, len(train)),
                chosen={"lr": lr, "weight_decay": decay, **chosen[layer]},
                notes=self._edge(lr, decay) if len(grid) > 1 else (),
            )
        return found

    def _choose(
        self, train: Mapping[str, LabelledFeatures], grid: list[tuple[float, float]], seed: int, device: str
    ) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
        """Fit every candidate without the held-out images: each layer's best by those, and what to say of it."""
        one = next(iter(train.values()))
        if one.held_out is None or not one.held_out.any() or one.held_out.all():
            raise SpecError(
                f"the linear probe has {len(grid)} candidates but no held-out images to choose on; "
                "hold out a part of train, or give one lr and one weight_decay"
            )
        asked, labels = np.flatnonzero(one.held_out), torch.as_tensor(np.asarray(one.labels[one.held_out]))
        fitted = self._train(train, np.flatnonzero(~one.held_out), dict.fromkeys(train, grid), seed, device)
        best, chosen = {}, {}
        for layer, (standardise, probes) in fitted.items():
            rows = Rows(train[layer].features, asked, device, len(train))
            logits = torch.cat([probes.logits(standardise(block)).cpu() for block in rows.blocks()])
            scores, losses = (found.reshape(len(grid), self.seeds) for found in score(logits, labels))
            best[layer] = best_of(scores.mean(dim=1), losses.mean(dim=1))
            won = scores[best[layer]]
            chosen[layer] = {"candidates": len(grid), "held_out_score": round(float(won.mean()), 6)}
            if self.seeds > 1:
                chosen[layer] |= {"probe_seeds": self.seeds, "held_out_std": round(float(won.std()), 6)}
        return best, chosen

    def _train(
        self,
        train: Mapping[str, LabelledFeatures],
        positions: NDArray[np.int64] | None,
        grids: Mapping[str, list[tuple[float, float]]],
        seed: int,
        device: str,
    ) -> dict[str, tuple[Standardise, Probes]]:
        """Fit each layer's candidates on these images, from every seed of first weights."""
        one = next(iter(train.values()))
        rows = [
            Rows(part.features, positions, device, len(train), self._channels(part)).standardised()
            for part in train.values()
        ]
        probes = train_layers(
            [source for _, source in rows],
            one_hot(one.labels if positions is None else one.labels[positions], one.classes, device),
            [self._candidates(grids[layer], seed, part) for layer, part in train.items()],
            self._schedule(seed),
            multi_label=one.multi_label,
        )
        return {
            layer: (standardise, fitted) for layer, (standardise, _), fitted in zip(train, rows, probes, strict=True)
        }

    def _schedule(self, seed: int) -> Schedule:
        return Schedule(
            epochs=self.epochs,
            minimum_steps=self.minimum_steps,
            batch=self.batch,
            momentum=self.momentum,
            seed=seed,
            drops=self.drops,
        )

    def _channels(self, part: LabelledFeatures) -> int | None:
        return part.channels if self.statistics == "channel" else None

    def _candidates(self, grid: list[tuple[float, float]], seed: int, part: LabelledFeatures) -> Candidates:
        """Every pair of the grid, once for each seed of first weights."""
        pairs = torch.tensor(grid).repeat_interleave(self.seeds, dim=0)
        seeds = None if self.initial == "zeros" else tuple(range(seed, seed + self.seeds)) * len(grid)
        area = part.features.shape[1] // (self._channels(part) or part.features.shape[1])
        return Candidates(pairs[:, 0], pairs[:, 1], seeds, area)

    def _edge(self, lr: float, decay: float) -> tuple[str, ...]:
        """Say when the best candidate is the last of its row, since the best of all may lie beyond."""
        return tuple(
            f"linear probe: the chosen {name} {value:g} is the {side} tried; a {beyond} one may do better"
            for name, value, edge, side, beyond in (
                ("lr", lr, self.lrs[0], "lowest", "lower"),
                ("lr", lr, self.lrs[-1], "highest", "higher"),
                ("weight_decay", decay, self.weight_decays[0], "lowest", "lower"),
                ("weight_decay", decay, self.weight_decays[-1], "highest", "higher"),
            )
            if value == edge and value > 0 and self._several(name)
        )

    def _several(self, name: str) -> bool:
        return len(self.lrs if name == "lr" else self.weight_decays) > 1


@dataclass(frozen=True)
class _Prediction:
    """Scores by the first of the probes."""

    standardise: Standardise
    probes: Probes
    device: str
    multi_label: bool
    layers: int

    def __call__(self, features: Features) -> NDArray[np.float32]:
        first = Probes(self.probes.weight[:, :1], self.probes.bias[:1])
        logits = [
            first.logits(self.standardise(block))[:, 0]
            for block in Rows(features, None, self.device, self.layers).blocks()
        ]
        found = torch.cat(logits)
        return np.asarray((found.sigmoid() if self.multi_label else found.softmax(dim=1)).cpu(), dtype=np.float32)
