"""Fine-tuning on few labels: how good a start are these weights, when all of them may move?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from undercoat.augment import AUGMENTATIONS, augmentation
from undercoat.data.canvases import Canvases
from undercoat.errors import RunError, SpecError, did_you_mean
from undercoat.evaluation.layers import FINAL
from undercoat.evaluation.readouts.fine_tuning.budget import SCHEDULES, Budget
from undercoat.evaluation.readouts.fine_tuning.choice import choose
from undercoat.evaluation.readouts.fine_tuning.run import Candidate, Run, Tuned
from undercoat.evaluation.readouts.labelled import FittedOnImages, Trunk
from undercoat.evaluation.view import EvaluationView, Pass

__all__ = ["FineTune"]

_PUBLISHED: dict[str, Any] = {
    "lrs": (0.01, 0.001),
    "head_lr_factor": 100.0,
    "budgets": ("2500 steps", "90 epochs"),
    "batch": 64,
    "accumulation": 4,
}


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """Train a copy of the whole network with a new linear head on the labelled images.

    Every learning rate × budget is trained without the held-out part of train and scored on it (accuracy, or mean AUROC
    when an image can have several labels); the best is trained again on all labels, and only that one sees the test
    images. The backbone that is given stays as it was. Norms use the batch's statistics while training. The loss is
    cross-entropy, or the mean over classes of binary cross-entropy.

    The preset ``paper`` is the protocol of Reed et al. 2021 with 1,000 labels as the authors' code sets it: four runs a
    backbone. There the iteration is picked on validation images too; here a run is read at its end, because the
    winner is trained again on all labels, which leaves none to pick on. The defaults, preset ``cpu``, are a hundred
    small steps, in which a head 10 times faster than the backbone did better than one 100 times faster.

    Attributes:
        lrs: learning rates of the backbone that are tried, > 0.
        head_lr_factor: the head's learning rate over the backbone's, > 0.
        budgets: how long, each ``"N steps"`` or ``"N epochs"``; all are tried.
        drops: fractions of the budget in (0, 1) at which the learning rate falls to a tenth; empty = never.
        schedule: ``as_described``, or ``as_run``: the authors' code counts the falls of a budget in steps in small
            batches, ``accumulation`` to a step, so they come that many times too early (at steps 208 and 417 of 2,500
            rather than 833 and 1,667).
        momentum: of SGD, in [0, 1).
        weight_decay: L2 on weights, ≥ 0.
        batch: images that are run together, and whose statistics norms use, ≥ 2.
        accumulation: such batches whose mean gradient is one step; all images are one step when there are fewer.
        augmentation: preset of the training views; ``inception_crop`` is random-resized crops and mirroring.
        crop_fraction: share of the shorter side that a test view covers, in (0, 1]; 0.875 is 224 out of 256. The
            protocol's own is for the other readouts.

    Example:
        >>> [str(candidate) for candidate in FineTune(**FineTune.PRESETS["paper"]).grid]
        ['lr 0.01, 2500 steps', 'lr 0.01, 90 epochs', 'lr 0.001, 2500 steps', 'lr 0.001, 90 epochs']
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "cpu": {},
        "paper": _PUBLISHED,
        "paper_as_run": _PUBLISHED | {"schedule": "as_run"},
    }

    lrs: tuple[float, ...] = (0.01, 0.003)
    head_lr_factor: float = 10.0
    budgets: tuple[str, ...] = ("100 steps",)
    drops: tuple[float, ...] = (1 / 3, 2 / 3)
    schedule: Literal["as_described", "as_run"] = "as_described"
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch: int = 32
    accumulation: int = 1
    augmentation: str = "inception_crop"
    crop_fraction: float = 0.875

    def __post_init__(self) -> None:
        for name in ("lrs", "budgets", "drops"):  # recipes give lists, or a single one
            given = getattr(self, name)
            listed = tuple(given) if isinstance(given, list | tuple) else (given,)
            object.__setattr__(self, name, listed)
        object.__setattr__(self, "budgets", tuple(str(Budget.of(text)) for text in self.budgets))
        if not self.lrs or not self.budgets:
            raise SpecError("lrs or budgets is empty, so fine_tune has nothing to try; give at least one of each")
        self._check_rates()
        self._check_views()

    def _check_rates(self) -> None:
        """Refuse what SGD cannot follow."""
        for name, values in (("lrs", self.lrs), ("head_lr_factor", (self.head_lr_factor,))):
            if not all(0 < value < math.inf for value in values):
                raise SpecError(f"{name} is {getattr(self, name)}, but a rate of 0 learns nothing; give numbers > 0")
        if not 0 <= self.momentum < 1 or not 0 <= self.weight_decay < math.inf:
            raise SpecError(
                f"momentum is {self.momentum} and weight_decay {self.weight_decay}; give momentum in [0, 1) and "
                "weight_decay of 0 or more"
            )
        if not all(0 < drop < 1 for drop in self.drops):
            raise SpecError(f"drops is {list(self.drops)}, but they are fractions of the budget; give 0 < x < 1")
        if self.schedule not in SCHEDULES:
            raise SpecError(f"schedule is {self.schedule!r}; give {' or '.join(map(repr, SCHEDULES))}")

    def _check_views(self) -> None:
        """Refuse batches and views that cannot be made."""
        if self.batch < 2 or self.accumulation < 1:
            raise SpecError(
                f"batch is {self.batch} and accumulation {self.accumulation}, but batch statistics need two images; "
                "give batch ≥ 2 and accumulation ≥ 1"
            )
        if not 0 < self.crop_fraction <= 1:
            raise SpecError(f"crop_fraction is {self.crop_fraction}, but it is a share of the side; give 0 < x <= 1")
        if self.augmentation not in AUGMENTATIONS:
            hint = did_you_mean(self.augmentation, AUGMENTATIONS)
            raise SpecError(f"{self.augmentation!r} is no augmentation{hint} (undercoat list augmentations)")

    @property
    def grid(self) -> tuple[Candidate, ...]:
        """Every learning rate with every budget, without repeats."""
        return tuple(dict.fromkeys(Candidate(float(lr), Budget.of(text)) for lr in self.lrs for text in self.budgets))

    @property
    def chooses(self) -> bool:
        """Whether there is more than one candidate to choose from."""
        return len(self.grid) > 1

    def fit_images(self, trunk: Trunk, train: Canvases, *, seed: int = 0) -> FittedOnImages:
        """Choose on the held-out images, then train on all.

        Args:
            trunk: its backbone is copied; the images that it holds out are chosen on.
            train: labelled images.
            seed: of the head, the order and the views; the same seed gives the same bits.

        Raises:
            SpecError: when there is nothing to choose on.
            RunError: when every candidate diverges, or the best one does on all labels.
        """
        view = EvaluationView(size_px=trunk.once.view.size_px, crop_fraction=self.crop_fraction)
        once = replace(trunk.once, view=view)
        run = self.run_on(train, once, seed)
        best, chosen, notes = self.grid[0], dict[str, Any](), tuple[str, ...]()
        if self.chooses:
            best, chosen, notes = choose(self.grid, run, trunk.backbone, trunk.held_out)
        network = run.train(trunk.backbone, best, np.arange(len(train)))
        if network is None:
            raise RunError(
                f"fine_tune diverged on all {len(train)} labels with {best}, its best setting on the held-out images; "
                f"give smaller lrs than {best.lr:g}"
            )
        batch, steps, falls = run.plan(best, len(train))
        settings = {"lr": best.lr, "head_lr": best.lr * self.head_lr_factor, "budget": str(best.budget)}
        settings |= {"steps": steps, "falls": list(falls), "images_a_step": batch, "schedule": self.schedule}
        return FittedOnImages(
            predict=_Prediction(network, once, train.multi_label), chosen=settings | chosen, notes=notes
        )

    def run_on(self, train: Canvases, once: Pass, seed: int) -> Run:
        """What all candidates share on these images."""
        return Run(
            images=train,
            augmentation=augmentation(self.augmentation, size_px=once.view.size_px),
            once=once,
            batch=self.batch,
            accumulation=self.accumulation,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            head_lr_factor=self.head_lr_factor,
            drops=self.drops,
            schedule=self.schedule,
            seed=seed,
        )


@dataclass(frozen=True)
class _Prediction:
    """Scores by the fine-tuned network; no layer but the last has any."""

    network: Tuned
    once: Pass
    multi_label: bool

    def __call__(self, canvases: Canvases) -> dict[str, NDArray[np.float32]]:
        logits = self.network.logits(canvases, self.once)
        found = logits.sigmoid() if self.multi_label else logits.softmax(dim=1)
        return {FINAL: found.numpy().astype(np.float32)}
