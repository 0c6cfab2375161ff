"""Linear probes as the papers trained them: every epoch other crops, and ten crops of each test image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from undercoat.augment import AUGMENTATIONS, augmentation, centre_view
from undercoat.data.canvases import Canvases
from undercoat.errors import SpecError, did_you_mean
from undercoat.evaluation.frozen import frozen
from undercoat.evaluation.layers import read_layers
from undercoat.evaluation.readouts.batched_probe import Candidates, Fit, Probes, Schedule, softmax
from undercoat.evaluation.readouts.labelled import FittedOnImages, Trunk, one_hot
from undercoat.evaluation.ten_crop import ten_crops
from undercoat.functional.draws import Draws, permutation

__all__ = ["AugmentedProbe"]


@dataclass(frozen=True, kw_only=True)
class AugmentedProbe:
    """Linear probes on augmented images, all layers together: the published protocol, at its price.

    Each step shows fresh random crops to the frozen backbone, so its cost is that of running the backbone in every
    epoch (forwards only). Each layer has a probe: batch-norm without affine with the batch's statistics (one mean
    and deviation a channel, running means for the test), then one linear map of the whole pooled map. All defaults are
    those of Asano et al. 2020 as the authors' code has them, with two differences: weight decay spares the bias, and a
    last batch of a single image is left out.

    Attributes:
        lr: of SGD, > 0.
        weight_decay: L2 on the weights, ≥ 0.
        epochs: passes over the training images.
        batch: images a step.
        momentum: of SGD, in [0, 1).
        drops: epochs at which the learning rate is divided by 10; empty = a cosine to zero.
        augmentation: preset of the training views; ``inception_crop`` is random-resized crops and mirroring.
        crops: of a test image: 10 (corners and centre, plain and mirrored) or 1 (the centre).
        crop_fraction: share of the shorter side that a test crop covers, in (0, 1]; 0.875 is 224 out of 256. The
            protocol's own is for the other readouts.
        average: over crops, ``logits`` (Asano et al.) or ``probabilities`` (Caron et al. 2018).
    """

    chooses: ClassVar[bool] = False
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "deep_cluster": {"average": "probabilities"},
        "one_crop": {"crops": 1},
    }

    lr: float = 0.01
    weight_decay: float = 1e-5
    epochs: int = 36
    batch: int = 192
    momentum: float = 0.9
    drops: tuple[int, ...] = (10, 20, 30)
    augmentation: str = "inception_crop"
    crops: int = 10
    crop_fraction: float = 0.875
    average: Literal["logits", "probabilities"] = "logits"

    def __post_init__(self) -> None:
        object.__setattr__(self, "drops", tuple(sorted(self.drops)))
        if not self.lr > 0 or self.weight_decay < 0:
            raise SpecError(
                f"lr is {self.lr} and weight_decay {self.weight_decay}; give lr > 0, and weight_decay of 0 or more"
            )
        if self.epochs < 1 or self.batch < 2:
            raise SpecError(
                f"epochs is {self.epochs} and batch {self.batch}, but batch statistics need two images a step; give "
                "epochs ≥ 1 and batch ≥ 2"
            )
        self._schedule(0)
        if self.crops not in (1, 10) or self.average not in ("logits", "probabilities"):
            raise SpecError(
                f"crops is {self.crops} and average {self.average!r}; crops are 1 or 10, and averaged are 'logits' or "
                "'probabilities'"
            )
        if not 0 < self.crop_fraction <= 1:
            raise SpecError(f"crop_fraction is {self.crop_fraction}, but it is a share of the side; give 0 < x <= 1")
        if self.augmentation not in AUGMENTATIONS:
            hint = did_you_mean(self.augmentation, AUGMENTATIONS)
            raise SpecError(f"{self.augmentation!r} is no augmentation{hint} (undercoat list augmentations)")

    def fit_images(self, trunk: Trunk, train: Canvases, *, seed: int = 0) -> FittedOnImages:
        """Train all layers' probes together, the backbone in every step but never through it."""
        labels = np.asarray(train.labels)
        targets = one_hot(labels, train.classes, trunk.once.device)
        heads: dict[str, _Head] = {}
        schedule = self._schedule(seed)
        probability = torch.sigmoid if train.multi_label else softmax
        with frozen(trunk.backbone, trunk.once.device), torch.inference_mode():
            for index, epoch in self._steps(len(train), seed):
                views = self._views(trunk, train, index, Draws(seed=seed, epoch=epoch, index=index))
                with trunk.once.autocast:
                    maps = read_layers(trunk.backbone, views, trunk.reading)
                rate = schedule.rate(int(epoch[0]), self.epochs)
                wanted = targets[torch.from_numpy(index).to(targets.device)][:, None]
                for layer, found in maps.items():
                    if layer not in heads:
                        heads[layer] = _Head(found, targets, self, seed)
                    heads[layer].learn(found, wanted, probability, rate)
        probes = {layer: head.ready() for layer, head in heads.items()}
        return FittedOnImages(
            predict=_Prediction(self, trunk, probes, train.multi_label),
            chosen={"lr": self.lr, "weight_decay": self.weight_decay, "epochs": self.epochs, "crops": self.crops},
        )

    def _schedule(self, seed: int) -> Schedule:
        return Schedule(
            epochs=self.epochs,
            minimum_steps=1,
            batch=self.batch,
            momentum=self.momentum,
            seed=seed,
            drops=self.drops,
        )

    def _steps(self, images: int, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """(B,) positions and epochs of every step."""
        for epoch in range(self.epochs):
            order = permutation(images, seed=seed, epoch=epoch, purpose="augmented probe")
            for start in range(0, images, self.batch):
                index = order[start : start + self.batch]
                if len(index) > 1:
                    yield index, np.full(len(index), epoch, dtype=np.int64)

    def _views(self, trunk: Trunk, train: Canvases, index: NDArray[np.int64], draws: Draws) -> Tensor:
        recipe = augmentation(self.augmentation, size_px=trunk.once.view.size_px)
        images = torch.from_numpy(train.batch(index)).to(trunk.once.device)
        return recipe.views(images, train.aspect[index], draws, number=1, low=train.low, high=train.high)[0]


class _Head:
    """The probe of one layer: batch-norm without affine, then one linear map."""

    def __init__(self, maps: Tensor, targets: Tensor, settings: AugmentedProbe, seed: int) -> None:
        self.norm = nn.BatchNorm2d(maps.shape[1], affine=False).to(maps.device)
        area = maps.shape[2] * maps.shape[3]
        only = Candidates(torch.tensor([settings.lr]), torch.tensor([settings.weight_decay]), (seed,), area)
        self.fit = Fit(maps[0].numel(), only, targets, settings.momentum)

    def learn(self, maps: Tensor, wanted: Tensor, probability: Any, rate: float) -> None:
        """Take one step on (B, c, h, w) maps."""
        rows = self.norm(maps).flatten(1)
        self.fit.step(rows, probability(self.fit.logits(rows)) - wanted, rate)

    def ready(self) -> tuple[nn.Module, Probes]:
        """The norm with its running statistics, and the probe."""
        return self.norm.eval(), self.fit.probes()


@dataclass(frozen=True)
class _Prediction:
    """Scores of images whose crops are averaged."""

    settings: AugmentedProbe
    trunk: Trunk
    probes: dict[str, tuple[nn.Module, Probes]]
    multi_label: bool

    def __call__(self, canvases: Canvases) -> dict[str, NDArray[np.float32]]:
        once = self.trunk.once
        batch = max(1, once.batch // self.settings.crops)
        found: dict[str, list[NDArray[np.float32]]] = {layer: [] for layer in self.probes}
        with frozen(self.trunk.backbone, once.device), torch.inference_mode():
            for start in range(0, len(canvases), batch):
                crops = self._crops(canvases, np.arange(start, min(start + batch, len(canvases))))
                with once.autocast:
                    maps = read_layers(self.trunk.backbone, crops.flatten(0, 1), self.trunk.reading)
                for layer, some in maps.items():
                    norm, probes = self.probes[layer]
                    logits = probes.logits(norm(some).flatten(1)).reshape(*crops.shape[:2], -1)
                    found[layer].append(self._averaged(logits).cpu().numpy())
        return {layer: np.concatenate(scores) for layer, scores in found.items()}

    def _crops(self, canvases: Canvases, index: NDArray[np.int64]) -> Tensor:
        """(B, crops, C, H, W) in 0..1."""
        images = torch.from_numpy(canvases.batch(index)).to(self.trunk.once.device)
        shown: dict[str, Any] = {
            "size_px": self.trunk.once.view.size_px,
            "crop_fraction": self.settings.crop_fraction,
            "low": canvases.low,
            "high": canvases.high,
        }
        if self.settings.crops == 1:
            return centre_view(images, canvases.aspect[index], **shown)[:, None]
        return ten_crops(images, canvases.aspect[index], **shown)

    def _averaged(self, logits: Tensor) -> Tensor:
        """(B, crops, classes) logits → (B, classes) scores in 0..1."""
        probability = torch.sigmoid if self.multi_label else softmax
        if self.settings.average == "logits":
            return probability(logits.mean(dim=1))
        return probability(logits).mean(dim=1)
