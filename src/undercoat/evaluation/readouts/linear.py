"""A linear probe: which classes can be told apart by one linear layer on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from undercoat.errors import SpecError
from undercoat.evaluation.measures.ranking import area_under_curve
from undercoat.evaluation.readouts.batched_probe import (
    Candidates,
    Probes,
    Schedule,
    Standardise,
    train_probes,
)
from undercoat.evaluation.readouts.labelled import Features, Fitted, LabelledFeatures

__all__ = ["Linear"]

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
    """

    chooses: ClassVar[bool] = True

    lrs: tuple[float, ...] = _LRS
    weight_decays: tuple[float, ...] = (0.0, 0.01, 0.1, 1.0)
    epochs: int = 100
    minimum_steps: int = 500
    batch: int = 256
    momentum: float = 0.9

    def __post_init__(self) -> None:
        for name in ("lrs", "weight_decays"):  # recipes give lists; equal settings must compare equal
            object.__setattr__(self, name, tuple(sorted(float(value) for value in getattr(self, name))))
        if not self.lrs or self.lrs[0] <= 0:
            raise SpecError(f"lrs is {list(self.lrs)}, but a probe needs learning rates above 0; give at least one")
        if not self.weight_decays or self.weight_decays[0] < 0:
            raise SpecError(
                f"weight_decays is {list(self.weight_decays)}, but they must be 0 or more; give at least one"
            )
        for name in ("epochs", "minimum_steps", "batch"):
            if getattr(self, name) < 1:
                raise SpecError(
                    f"{name} is {getattr(self, name)}, but a probe needs at least 1; give a whole number > 0"
                )
        if not 0 <= self.momentum < 1:
            raise SpecError(f"momentum is {self.momentum}, but SGD needs one in [0, 1); the usual is 0.9")

    def fit(self, train: LabelledFeatures, *, seed: int = 0, device: str = "cpu") -> Fitted:
        """Choose on ``train.held_out``, then fit on all of ``train``; a single candidate needs no choice."""
        grid = [(lr, decay) for lr in self.lrs for decay in self.weight_decays]
        best, chosen = 0, {}
        notes: tuple[str, ...] = ()
        if len(grid) > 1:
            scores, losses = self._try(train, grid, seed, device)
            best = _best(scores, losses)
            chosen = {"candidates": len(grid), "held_out_score": round(float(scores[best]), 6)}
            notes = self._edge(*grid[best])
        standardise, probes = self._train(train, grid[best : best + 1], seed, device)

        def predict(features: Features) -> Features:
            logits = probes.logits(standardise(_tensor(features, device)))[:, 0]
            found = logits.sigmoid() if train.multi_label else logits.softmax(dim=1)
            return np.asarray(found.cpu(), dtype=np.float32)

        lr, decay = grid[best]
        return Fitted(predict=predict, chosen={"lr": lr, "weight_decay": decay, **chosen}, notes=notes)

    def _try(
        self, train: LabelledFeatures, grid: list[tuple[float, float]], seed: int, device: str
    ) -> tuple[Tensor, Tensor]:
        """Score every candidate on the held-out images: (G,) scores and (G,) losses."""
        if train.held_out is None or not train.held_out.any() or train.held_out.all():
            raise SpecError(
                f"the linear probe has {len(grid)} candidates but no held-out images to choose on; "
                "hold out a part of train, or give one lr and one weight_decay"
            )
        standardise, probes = self._train(train.take(np.flatnonzero(~train.held_out)), grid, seed, device)
        held_out = train.take(np.flatnonzero(train.held_out))
        logits = probes.logits(standardise(_tensor(held_out.features, device))).cpu()
        return _score(logits, torch.as_tensor(np.asarray(held_out.labels)))

    def _train(
        self, train: LabelledFeatures, grid: list[tuple[float, float]], seed: int, device: str
    ) -> tuple[Standardise, Probes]:
        features = _tensor(train.features, device)
        standardise = Standardise.of(features)
        pairs = torch.tensor(grid)
        schedule = Schedule(
            epochs=self.epochs,
            minimum_steps=self.minimum_steps,
            batch=self.batch,
            momentum=self.momentum,
            seed=seed,
        )
        probes = train_probes(
            standardise(features),
            _targets(train, device),
            Candidates(pairs[:, 0], pairs[:, 1]),
            schedule,
            multi_label=train.multi_label,
        )
        return standardise, probes

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


def _tensor(features: Features, device: str) -> Tensor:
    return torch.as_tensor(np.array(features, dtype=np.float32), device=device)


def _targets(train: LabelledFeatures, device: str) -> Tensor:
    if train.multi_label:
        return torch.as_tensor(np.array(train.labels, dtype=np.float32), device=device)
    targets = torch.zeros(len(train), len(train.classes), device=device)
    return targets.scatter_(1, torch.as_tensor(np.array(train.labels), device=device)[:, None], 1.0)


def _score(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Score (N, G, C) logits: accuracy and cross-entropy, or mean AUROC and its loss; each (G,)."""
    columns = logits.unbind(dim=1)
    if labels.ndim == 1:
        scores = (logits.argmax(dim=2) == labels[:, None]).double().mean(dim=0)
        return scores, torch.stack([cross_entropy(column, labels) for column in columns])
    truth = labels.numpy().astype(bool)
    areas = [np.nanmean(area_under_curve(column.nan_to_num().numpy(), truth)) for column in columns]
    losses = [binary_cross_entropy_with_logits(column, labels.float()) for column in columns]
    return torch.tensor(areas, dtype=torch.float64), torch.stack(losses)


def _best(scores: Tensor, losses: Tensor) -> int:
    """Highest score, then lowest loss, then first; what diverged is never chosen."""
    alive = torch.isfinite(losses) & torch.isfinite(scores)
    if not alive.any():
        raise SpecError("every learning rate of the linear probe diverged; give smaller lrs")
    order = zip(scores.tolist(), (-losses).tolist(), alive.tolist(), strict=True)
    ranked = [(score, gain) if fit else (-np.inf, -np.inf) for score, gain, fit in order]
    return ranked.index(max(ranked))
