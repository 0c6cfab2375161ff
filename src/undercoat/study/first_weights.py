"""The weights that a chain starts from; those that are made from images are made here."""

from __future__ import annotations

import numpy as np
import torch

from undercoat.augment import centre_view
from undercoat.backbones import Backbone, build_backbone, refuse_special_convolutions, set_k_means_weights
from undercoat.data import Canvases
from undercoat.data.loader import as_tensor
from undercoat.errors import SpecError
from undercoat.functional.draws import permutation
from undercoat.interop import Initial, initial_backbone
from undercoat.study.stage import Stage

__all__ = ["first_weights", "fit_channels"]

_IMAGES = 160  # as Krähenbühl et al. 2016 take
_LARGEST_PX = 224


def first_weights(stage: Stage, images: Canvases | None = None) -> Initial:
    """Build the network that a chain's first stage names, with the weights that it starts from.

    Args:
        stage: the first of a chain.
        images: those that ``init: k_means:DATA`` names, without labels; None only looks at the network.

    Raises:
        SpecError: for a name that nobody knows, or a backbone that contradicts the weights.
        WeightsError: when weights are missing or do not fit.
    """
    if stage.init_data is not None:
        return Initial(_from_images(stage, images), None)
    return initial_backbone(
        stage.init or "random",
        backbone=stage.backbone,
        channels=stage.channels or 3,
        arguments=stage.backbone_arguments,
        seed=stage.seed,
    )


def _from_images(stage: Stage, images: Canvases | None) -> Backbone:
    if stage.backbone is None:
        raise SpecError(f"init {stage.init!r} does not say which network it is for; add backbone: undercoat/alexnet")
    backbone = build_backbone(
        stage.backbone, channels=stage.channels or 3, arguments=stage.backbone_arguments, seed=stage.seed
    )
    refuse_special_convolutions(backbone)
    if images is None:
        return backbone
    backbone.set_normalisation(fit_channels(images.mean, backbone), fit_channels(images.std, backbone))
    chosen = np.sort(permutation(len(images), seed=stage.seed, epoch=0, purpose="k-means images")[:_IMAGES])
    views = centre_view(
        as_tensor(images.batch(chosen)),
        images.aspect[chosen],
        size_px=stage.size_px or min(_LARGEST_PX, images.size_px),
        crop_fraction=1.0,
        low=images.low,
        high=images.high,
    )
    if views.shape[1] == 1 and backbone.channels > 1:
        views = views.expand(-1, backbone.channels, -1, -1)
    set_k_means_weights(backbone, views.to(torch.float32), seed=stage.seed)
    return backbone


def fit_channels(values: tuple[float, ...], backbone: Backbone) -> list[float]:
    """Give each channel of a network its mean or std, from as many or from other channels of data."""
    return list(values) if len(values) == backbone.channels else [sum(values) / len(values)] * backbone.channels
