"""A backbone's layers as the encoder of a segmentation network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from undercoat.backbones.backbone import Backbone
from undercoat.backbones.segmentation_models import segmentation_models
from undercoat.errors import SpecError

__all__ = ["Decoder", "Levels", "build_decoder", "encoder_maps", "levels_of"]

_WIDEST = 256


@dataclass(frozen=True)
class Levels:
    """Which layer of a backbone stands for which resolution.

    Attributes:
        size_px: side of the images.
        layers: from 1/1 or 1/2 of that to the coarsest; empty where no layer has about this resolution.
        channels: of these layers' maps; 0 where there is no layer.
        sides: of these maps, in px.
    """

    size_px: int
    layers: tuple[str, ...]
    channels: tuple[int, ...]
    sides: tuple[int, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """Strides for which the backbone has no layer."""
        return tuple(
            round(self.size_px / side) for layer, side in zip(self.layers, self.sides, strict=True) if not layer
        )


def levels_of(backbone: Backbone, size_px: int) -> Levels:
    """Find the deepest layer of every resolution, by the maps that one grey image gives.

    A layer belongs to the stride 2^k nearest to its own, so AlexNet's 55, 27 and 13 pixels of 224 are strides 4, 8 and
    16. Layers of a vision transformer all have one stride; the last one is taken.

    Args:
        backbone: in evaluation mode, on the device where it runs.
        size_px: side of the view.

    Raises:
        SpecError: for a backbone that names no layers, or gives maps of one pixel only.

    Example:
        >>> from undercoat.backbones import build_backbone
        >>> found = levels_of(build_backbone("timm/test_resnet").eval(), 64)
        >>> found.layers, found.sides
        (('conv1', 'layer1', 'layer2', 'layer3', 'layer4'), (32, 16, 8, 4, 2))
    """
    label = backbone.name or type(backbone.trunk).__name__
    names = backbone.layer_names
    if not names:
        raise SpecError(
            f"{label} has no layers by name, so it cannot be an encoder; use a network of timm or an AlexNet"
        )
    grey = torch.full((1, backbone.channels, size_px, size_px), 0.5, device=backbone.mean.device)
    with torch.no_grad():
        maps = backbone.maps(grey, names)
    deepest: dict[int, str] = {}
    for name in names:  # from input to output, so that the last of a resolution stays
        deepest[max(0, round(log2(size_px / maps[name].shape[-1])))] = name
    coarsest = max(deepest)
    if coarsest == 0:
        raise SpecError(f"{label} has maps of the images' own size only, which no decoder is needed for; use another")
    first = 0 if 0 in deepest else 1
    layers = tuple(deepest.get(level, "") for level in range(first, coarsest + 1))
    return Levels(
        size_px,
        layers,
        tuple(maps[name].shape[1] if name else 0 for name in layers),
        tuple(
            maps[name].shape[-1] if name else -(-size_px // 2**level) for level, name in enumerate(layers, start=first)
        ),
    )


def encoder_maps(backbone: Backbone, images: Tensor, levels: Levels) -> list[Tensor]:
    """Return the maps of all levels in float32, of a missing one no channels: what a decoder joins to nothing."""
    maps = backbone.maps(images, [layer for layer in levels.layers if layer])
    return [
        maps[layer].float() if layer else images.new_empty(len(images), 0, side, side)
        for layer, side in zip(levels.layers, levels.sides, strict=True)
    ]


class Decoder(nn.Module):
    """Maps of all levels → logits (B, classes, size_px, size_px)."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, maps: Sequence[Tensor], size_px: int) -> Tensor:
        """Decode maps from fine to coarse."""
        whole = maps[0].new_empty(len(maps[0]), 0, size_px, size_px)  # the library's place for the images themselves
        logits: Tensor = self.head(self.body([whole, *maps]))
        return logits


class _Linear(nn.Module):
    """One weight for every channel of every level: maps are normalised, weighted and only then enlarged and added.

    Enlarging is linear too, so this equals one 1 × 1 convolution on all maps enlarged, at a fraction of its cost.
    """

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        there = [count for count in channels if count]
        self.norms = nn.ModuleList(nn.BatchNorm2d(count, affine=False) for count in there)
        self.weights = nn.ModuleList(nn.Conv2d(count, classes, 1, bias=not level) for level, count in enumerate(there))
        for part in self.weights:
            nn.init.zeros_(part.weight)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        whole, *rest = maps
        size = (whole.shape[-2], whole.shape[-1])
        there = [found for found in rest if found.shape[1]]
        parts = [
            interpolate(weight(norm(found)), size=size, mode="bilinear", align_corners=False)
            for norm, weight, found in zip(self.norms, self.weights, there, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)


def build_decoder(
    kind: Literal["unet", "linear"], levels: Levels, *, classes: int, channels: int, seed: int
) -> Decoder:
    """Build a decoder with weights drawn from a seed.

    Args:
        kind: ``unet`` of segmentation-models-pytorch (Ronneberger et al. 2015), or ``linear``, one 1 × 1 convolution on
            all maps enlarged to the view.
        levels: of the encoder.
        classes: of the masks.
        channels: of the finest level of a U-Net, doubled at each coarser one up to 256.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "linear":
            return Decoder(_Linear(levels.channels, classes), nn.Identity())
        library = segmentation_models()
        widths = [min(_WIDEST, channels * 2**level) for level in range(len(levels.layers))][::-1]
        body = library.decoders.unet.decoder.UnetDecoder((0, *levels.channels), widths, n_blocks=len(widths))
        head = nn.Conv2d(widths[-1], classes, 3, padding=1)
        library.base.initialization.initialize_decoder(body)
        library.base.initialization.initialize_head(head)
        return Decoder(body, head)
