"""Train decoders side by side on the maps of one frozen encoder, or each with an encoder of its own."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from undercoat.augment import Augmentation, Planes, augmentation, render
from undercoat.backbones.backbone import Backbone
from undercoat.backbones.segmentation_models import segmentation_models
from undercoat.backbones.trainable import new_statistics
from undercoat.data.canvases import Canvases
from undercoat.data.masks import IGNORED, mask_view
from undercoat.evaluation.masks import shown_masks
from undercoat.evaluation.measures.mask_predictions import MaskPredictions, pixel_counts
from undercoat.evaluation.readouts.segmenting.network import Decoder, Levels, build_decoder, encoder_maps
from undercoat.evaluation.view import Pass
from undercoat.functional.draws import Draws, full_batches
from undercoat.training.schedule import learning_rate

__all__ = ["Segmenter", "Training", "train_segmenters"]

_SETTLING = 10  # batches on which batch norm's statistics are taken at the end


@dataclass(frozen=True, kw_only=True)
class Training:
    """How decoders are trained.

    Attributes:
        decoder: ``unet`` or ``linear``.
        channels: of the U-Net's finest level.
        steps: of AdamW, with a cosine from the full rate to zero.
        batch: images a step; fewer where there are fewer.
        weight_decay: of AdamW.
        dice_weight: of the Dice loss beside the cross-entropy.
        augmentation: preset of the training views.
        encoder_lr_factor: the encoder's rate is the decoder's times this; 0 leaves the encoder frozen.
    """

    decoder: Literal["unet", "linear"]
    channels: int
    steps: int
    batch: int
    weight_decay: float
    dice_weight: float
    augmentation: str
    encoder_lr_factor: float


class Segmenter:
    """A decoder, with the encoder it reads: images in, masks out.

    Args:
        encoder: the frozen backbone, or a copy of its own.
        levels: which layers it reads.
        decoder: on these.
        once: the view, the device and the precision.
        lr: of the decoder.
    """

    def __init__(self, encoder: Backbone, levels: Levels, decoder: Decoder, once: Pass, lr: float) -> None:
        self.encoder, self.levels, self.once, self.lr = encoder, levels, once, lr
        self.decoder = decoder.to(once.device)
        self.alive = True

    def predict(self, canvases: Canvases, batch: int) -> MaskPredictions:
        """Segment images and count the pixels that agree with their masks, at the view's size.

        Args:
            canvases: N images with masks.
            batch: images at a time.
        """
        self.encoder.eval()
        self.decoder.eval()
        counts = []
        few = Pass(view=self.once.view, device=self.once.device, autocast_dtype=self.once.autocast_dtype, batch=batch)
        with torch.no_grad():
            for index, images in few.batches(canvases):
                with few.autocast:
                    maps = encoder_maps(self.encoder, images, self.levels)
                logits = self.decoder(maps, self.levels.size_px)
                self.alive &= bool(torch.isfinite(logits).all())
                found = logits.argmax(dim=1).to(torch.uint8).cpu().numpy()
                counts.append(pixel_counts(found, shown_masks(canvases, index, self.once.view), logits.shape[1]))
        return MaskPredictions(counts=np.concatenate(counts), classes=canvases.mask_classes)


def train_segmenters(
    backbone: Backbone,
    levels: Levels,
    images: Canvases,
    once: Pass,
    training: Training,
    candidates: Sequence[tuple[float, int]],
    *,
    seed: int,
) -> list[Segmenter]:
    """Train one segmenter for every (lr, seed of first weights); all see the same views in the same order.

    Decoders on a frozen encoder share its maps, so that several cost one pass of the encoder a step.

    Args:
        backbone: the encoder, in evaluation mode on the device; copied where it is trained.
        levels: of it.
        images: N ≥ 2 images with masks.
        once: size of the views, device and precision.
        training: the settings.
        candidates: what is trained.
        seed: of order and views.
    """
    tuned = training.encoder_lr_factor > 0
    segmenters = [
        Segmenter(
            copy.deepcopy(backbone) if tuned else backbone, levels, _decoder(images, levels, training, own), once, lr
        )
        for lr, own in candidates
    ]
    optimisers = [_optimiser(segmenter, training) for segmenter in segmenters]
    for segmenter in segmenters:
        segmenter.decoder.train()
        if tuned:
            segmenter.encoder.requires_grad_(True).train()
    loss_of = _Loss(training.dice_weight)
    for step, (views, masks) in enumerate(_shown(images, levels, once, training, seed)):
        rate = learning_rate(step, peak=1.0, steps=training.steps)
        shared = None if tuned else _maps(backbone, views, levels, once, grad=False)
        for segmenter, optimiser in zip(segmenters, optimisers, strict=True):
            if not segmenter.alive:
                continue
            maps = shared if shared is not None else _maps(segmenter.encoder, views, levels, once, grad=True)
            loss = loss_of(segmenter.decoder(maps, levels.size_px), masks)
            segmenter.alive = isfinite(loss.item())
            for group in optimiser.param_groups:
                group["lr"] = group["highest"] * rate
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    _settle(segmenters, [views for views, _ in _shown(images, levels, once, replace(training, steps=_SETTLING), seed)])
    return segmenters


@torch.no_grad()
def _settle(segmenters: Sequence[Segmenter], shown: Sequence[Tensor]) -> None:
    """Take the batch norms' statistics anew with the final weights, as a plain mean over some batches.

    Running means lag behind the weights of so short a training, by enough to spoil its masks (Wu & Johnson 2021).
    """
    for segmenter in segmenters:
        with new_statistics(segmenter.decoder), new_statistics(segmenter.encoder):
            for views in shown:
                maps = _maps(segmenter.encoder, views, segmenter.levels, segmenter.once, grad=False)
                segmenter.decoder(maps, segmenter.levels.size_px)


def _shown(
    images: Canvases, levels: Levels, once: Pass, training: Training, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Random views (B, C, H, W) of every step, and what the masks show in the same crops (B, H, W)."""
    recipe = augmentation(training.augmentation, size_px=levels.size_px)
    size = min(training.batch, len(images))
    batches = full_batches(len(images), steps=training.steps, batch=size, seed=seed, purpose="segmentation")
    for index, epoch in batches:
        yield _views(images, index, recipe, Draws(seed=seed, epoch=epoch, index=index), once.device)


def _decoder(images: Canvases, levels: Levels, training: Training, seed: int) -> Decoder:
    classes = len(images.mask_classes)
    return build_decoder(training.decoder, levels, classes=classes, channels=training.channels, seed=seed)


def _optimiser(segmenter: Segmenter, training: Training) -> torch.optim.Optimizer:
    groups: list[dict[str, Any]] = [{"params": segmenter.decoder.parameters(), "highest": segmenter.lr}]
    if training.encoder_lr_factor > 0:
        own = segmenter.encoder.parameters()
        groups.append({"params": own, "highest": segmenter.lr * training.encoder_lr_factor})
    return torch.optim.AdamW(groups, lr=segmenter.lr, weight_decay=training.weight_decay)


def _views(
    images: Canvases, index: NDArray[np.int64], recipe: Augmentation, draws: Draws, device: torch.device
) -> tuple[Tensor, Tensor]:
    drawn = recipe.draw(draws, images.aspect[index], view=0)
    raw = torch.from_numpy(images.batch(index)).to(device)
    planes = Planes.of(raw, dtype=torch.float32, low=images.low, high=images.high)
    view = render(planes, drawn, size_px=recipe.size_px, radius=recipe.blur_radius_px)[0]
    masks = mask_view(images.mask_batch(index), drawn.boxes, size_px=recipe.size_px, flipped=drawn.flipped)
    return view, torch.from_numpy(masks.astype(np.int64)).to(device)


def _maps(backbone: Backbone, views: Tensor, levels: Levels, once: Pass, *, grad: bool) -> list[Tensor]:
    with torch.set_grad_enabled(grad), once.autocast:
        return encoder_maps(backbone, views, levels)


class _Loss:
    """Cross-entropy over pixels plus a Dice loss over classes (Milletari et al. 2016); ignored pixels are left out."""

    def __init__(self, dice_weight: float) -> None:
        self.dice: nn.Module = segmentation_models().losses.DiceLoss("multiclass", ignore_index=IGNORED)
        self.dice_weight = dice_weight

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        counted = (masks != IGNORED).sum().clamp(min=1)
        loss = cross_entropy(logits, masks, ignore_index=IGNORED, reduction="sum") / counted
        if self.dice_weight:
            loss = loss + self.dice_weight * self.dice(logits, masks)
        return loss
