"""Segmentation with few masks: how much of a picture's layout the encoder's layers hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar, Literal

import numpy as np

from undercoat.augment import AUGMENTATIONS
from undercoat.backbones.segmentation_models import check_installed
from undercoat.data.canvases import Canvases
from undercoat.errors import DataError, RunError, SpecError, did_you_mean
from undercoat.evaluation.frozen import frozen
from undercoat.evaluation.layers import FINAL
from undercoat.evaluation.masks import marks_anything
from undercoat.evaluation.measures import MaskPredictions, measure_named
from undercoat.evaluation.readouts.labelled import FittedOnImages, Trunk
from undercoat.evaluation.readouts.segmenting.network import Levels, levels_of
from undercoat.evaluation.readouts.segmenting.training import Segmenter, Training, train_segmenters

__all__ = ["Segmentation"]


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """Masks decoded from all resolutions of the backbone, which is frozen or fine-tuned.

    A decoder of segmentation-models-pytorch sits on our backbone's layers: of each resolution the deepest, and where
    the network has none (AlexNet begins at a quarter of the image, a vision transformer has one resolution only) the
    decoder works without. It is trained by cross-entropy plus Dice loss on the images with masks alone; the learning
    rate is the one with the highest mean Dice on the held-out images, and the decoder is then fitted again on all.
    Masks are predicted at the size of the protocol's view. ``protocol.labels_limit`` counts images.

    Attributes:
        decoder: ``unet`` (Ronneberger et al. 2015), or ``linear``: one 1 × 1 convolution on all layers enlarged, which
            can find little that the layers do not hold.
        encoder: ``frozen``, or ``fine_tuned`` (a copy; the backbone stays as it was).
        lrs: learning rates to choose from, each > 0; a single one is taken as it is.
        seeds: draws of first weights each rate is tried with; the choice is by their mean Dice.
        steps: of AdamW for each.
        batch: images a step, at least 2.
        channels: of the U-Net's finest level, doubled at each coarser one up to 256.
        weight_decay: of AdamW, ≥ 0.
        dice_weight: of the Dice loss beside the cross-entropy, ≥ 0.
        encoder_lr_factor: the rate of a fine-tuned encoder is the decoder's times this, > 0.
        augmentation: preset of the training views; those that turn images are not for masks.
    """

    chooses: ClassVar[bool] = True
    reads_masks: ClassVar[bool] = True

    decoder: Literal["unet", "linear"] = "unet"
    encoder: Literal["frozen", "fine_tuned"] = "frozen"
    lrs: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    seeds: int = 1
    steps: int = 200
    batch: int = 16
    channels: int = 16
    weight_decay: float = 1e-2
    dice_weight: float = 1.0
    encoder_lr_factor: float = 0.1
    augmentation: str = "large_crop"

    def __post_init__(self) -> None:
        object.__setattr__(self, "lrs", tuple(sorted(float(lr) for lr in self.lrs)))
        if not self.lrs or not all(lr > 0 and isfinite(lr) for lr in self.lrs):
            raise SpecError(f"lrs is {self.lrs}; give one or more learning rates above 0")
        if self.decoder not in ("unet", "linear") or self.encoder not in ("frozen", "fine_tuned"):
            raise SpecError(
                f"decoder is {self.decoder!r} and encoder {self.encoder!r}; decoders are 'unet' and 'linear', encoders "
                "'frozen' and 'fine_tuned'"
            )
        if min(self.seeds, self.steps, self.channels) < 1 or self.batch < 2:
            raise SpecError(
                f"seeds is {self.seeds}, steps {self.steps}, channels {self.channels} and batch {self.batch}, but "
                "batch statistics need two images a step; give batch of 2 or more, and 1 or more of the others"
            )
        if self.weight_decay < 0 or self.dice_weight < 0 or not self.encoder_lr_factor > 0:
            raise SpecError(
                f"weight_decay is {self.weight_decay}, dice_weight {self.dice_weight} and encoder_lr_factor "
                f"{self.encoder_lr_factor}; give 0 or more, and the factor above 0"
            )
        if self.augmentation not in AUGMENTATIONS:
            hint = did_you_mean(self.augmentation, AUGMENTATIONS)
            raise SpecError(f"{self.augmentation!r} is no augmentation{hint} (undercoat list augmentations)")
        if AUGMENTATIONS[self.augmentation].rotation_degrees:
            raise SpecError(f"{self.augmentation!r} turns images, which masks cannot follow; use 'large_crop'")
        check_installed()

    def fit_images(self, trunk: Trunk, train: Canvases, *, seed: int = 0) -> FittedOnImages:
        """Choose a learning rate on the held-out images, then fit a decoder on all training images.

        Raises:
            DataError: when too few images have something marked to fit on and to choose on.
            RunError: when every learning rate diverged.
            SpecError: for a backbone without layers.
        """
        with frozen(trunk.backbone, trunk.once.device):
            levels = levels_of(trunk.backbone, trunk.once.view.size_px)
            chosen: dict[str, Any] = {"lr": self.lrs[0]}
            notes = _missing(levels)
            if len(self.lrs) > 1:
                chosen, edge = self._choose(trunk, train, levels, seed)
                notes += edge
            (fitted,) = self._train(trunk, train, levels, [(chosen["lr"], seed)], seed)
        chosen |= {"decoder": self.decoder, "encoder": self.encoder, "steps": self.steps}
        return FittedOnImages(predict=_Prediction(fitted, trunk, self.batch), chosen=chosen, notes=notes)

    def _train(
        self, trunk: Trunk, images: Canvases, levels: Levels, candidates: list[tuple[float, int]], seed: int
    ) -> list[Segmenter]:
        if len(images) < 2:
            raise DataError(f"{len(images)} images with masks are too few to fit a segmentation; give at least two")
        training = Training(
            decoder=self.decoder,
            channels=self.channels,
            steps=self.steps,
            batch=self.batch,
            weight_decay=self.weight_decay,
            dice_weight=self.dice_weight,
            augmentation=self.augmentation,
            encoder_lr_factor=self.encoder_lr_factor if self.encoder == "fine_tuned" else 0.0,
        )
        found = train_segmenters(trunk.backbone, levels, images, trunk.once, training, candidates, seed=seed)
        if not any(one.alive for one in found):
            raise RunError(
                f"readout 'segmentation' diverged with every lr of {', '.join(f'{lr:g}' for lr in self.lrs)}; "
                "give lower lrs, or look at the loss of what trained the backbone"
            )
        return found

    def _choose(
        self, trunk: Trunk, train: Canvases, levels: Levels, seed: int
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The learning rate with the highest mean Dice on the held-out images, and a note when it is the last tried."""
        if trunk.held_out is None:
            raise SpecError("no held-out images to choose a learning rate on; give one lr, or images to hold out")
        fit, held = train.take(np.flatnonzero(~trunk.held_out)), train.take(np.flatnonzero(trunk.held_out))
        for part, images in (("fit on", fit), ("choose on", held)):
            if not marks_anything(images):
                raise DataError(
                    f"nothing is marked on the {len(images)} images of {train.name!r} to {part}; add images on which "
                    "something is marked, change held_out_fraction, or give one lr"
                )
        candidates = [(lr, seed + number) for lr in self.lrs for number in range(self.seeds)]
        found = self._train(trunk, fit, levels, candidates, seed)
        scores = np.array([_score(one, held, self.batch) for one in found]).reshape(len(self.lrs), self.seeds)
        means = scores.mean(axis=1)
        best = int(means.argmax())  # the lowest rate of equals
        chosen: dict[str, Any] = {"lr": self.lrs[best], "held_out_dice": round(float(means[best]), 6)}
        if self.seeds > 1:
            chosen["held_out_dice_std"] = round(float(scores[best].std(ddof=1)), 6)
        edge = {0: ("lowest", "lower"), len(self.lrs) - 1: ("highest", "higher")}.get(best)
        note = (
            edge and f"segmentation: the chosen lr {self.lrs[best]:g} is the {edge[0]} tried; a {edge[1]} may do better"
        )
        return chosen, (note,) if note else ()


def _score(segmenter: Segmenter, held: Canvases, batch: int) -> float:
    """Mean Dice; what diverged is worse than anything."""
    if not segmenter.alive:
        return -1.0
    found = segmenter.predict(held, batch)
    value = float(measure_named("dice").resampled(found)(np.ones((1, len(held)), dtype=np.int64))[0])
    return value if segmenter.alive else -1.0


def _missing(levels: Levels) -> tuple[str, ...]:
    if not levels.missing:
        return ()
    strides = ", ".join(map(str, levels.missing))
    return (f"segmentation: the backbone has no layer of stride {strides}, so fine outlines are the decoder's guess",)


@dataclass(frozen=True)
class _Prediction:
    """Masks of test images, beside the true ones."""

    segmenter: Segmenter
    trunk: Trunk
    batch: int

    def __call__(self, canvases: Canvases) -> Mapping[str, MaskPredictions]:
        with frozen(self.segmenter.encoder, self.trunk.once.device):
            found = self.segmenter.predict(canvases, self.batch)
        if not self.segmenter.alive:
            raise RunError("readout 'segmentation' diverged when fitted on all training images; give lower lrs")
        return {FINAL: found}
