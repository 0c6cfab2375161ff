"""Which layers are read, and all of them from one pass of a frozen backbone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from undercoat.backbones.backbone import Backbone
from undercoat.backbones.layers import as_map, caught_outputs, path_of
from undercoat.errors import SpecError
from undercoat.evaluation.frozen import frozen
from undercoat.evaluation.pooling import MAX_FEATURES, pool_map

__all__ = ["ALL", "FINAL", "LayerReading", "layer_reading", "read_layers"]

#: the backbone's own features, under the name that they have in records
FINAL = "final"
#: every layer that has a name, and the backbone's own features
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class LayerReading:
    """What is read from each pass of one backbone.

    Attributes:
        layers: names, from input to output where they came from ``all``; ``final`` is the backbone's own features.
        pooling: see :func:`~undercoat.evaluation.pooling.pool_map`.
        max_features: likewise.
        last: the layer after which the rest of the trunk is not needed; None when all of it is.
        channels: layer → channels of its map, as far as it was looked at.
    """

    layers: tuple[str, ...] = (FINAL,)
    pooling: str = "auto"
    max_features: int = MAX_FEATURES
    last: str | None = None
    channels: Mapping[str, int] = field(default_factory=dict)

    @property
    def taps(self) -> tuple[str, ...]:
        """The layers whose maps are pooled."""
        return tuple(layer for layer in self.layers if layer != FINAL)


def named(backbone: Backbone, layers: str | Sequence[str] | None) -> tuple[str, ...]:
    """Write out what a protocol calls its layers.

    Raises:
        SpecError: for an unknown layer, or ``all`` of a network that names none.

    Example:
        >>> from undercoat.backbones import build_backbone
        >>> named(build_backbone("timm/test_resnet"), "all")
        ('conv1', 'layer1', 'layer2', 'layer3', 'layer4', 'final')
    """
    if layers is None:
        return (FINAL,)
    if layers == ALL:
        if not backbone.layer_names:
            raise SpecError(
                f"{_label(backbone)} has no layers by name, so 'all' means nothing; give dotted paths of its modules"
            )
        return (*backbone.layer_names, FINAL)
    chosen = (layers,) if isinstance(layers, str) else tuple(layers)
    for layer in chosen:
        if layer != FINAL:
            path_of(backbone.trunk, layer, owner=_label(backbone))
    return chosen


def layer_reading(
    backbone: Backbone,
    layers: str | Sequence[str] | None,
    *,
    size_px: int,
    pooling: str = "auto",
    max_features: int = MAX_FEATURES,
    device: torch.device | str = "cpu",
) -> LayerReading:
    """Decide what is read, with one pass of a grey image to see the maps: what cannot work stops here.

    Args:
        backbone: left as it was.
        layers: ``all``, names or dotted paths; None for the backbone's features alone.
        size_px: side of the view.
        pooling: by name.
        max_features: of pooling ``auto``.
        device: where the pass runs.

    Raises:
        SpecError: for an unknown layer or pooling, a layer that gives no map, or a pooling that does not fit it.
    """
    reading = LayerReading(layers=named(backbone, layers), pooling=pooling, max_features=max_features)
    if not reading.taps:
        return reading
    calls: list[str] = []
    grey = torch.full((1, backbone.channels, size_px, size_px), 0.5, device=device)
    with frozen(backbone, torch.device(device)), torch.inference_mode():
        found = read_layers(backbone, grey, reading, told=calls.append)
    for layer in reading.taps:
        if layer not in found:
            raise SpecError(f"layer {layer!r} of {_label(backbone)} is not used when it runs; give another layer")
    once = FINAL not in reading.layers and len(calls) == len(reading.taps)
    channels = {layer: found[layer].shape[1] for layer in reading.taps}
    return replace(reading, last=calls[-1] if once else None, channels=channels)


def read_layers(
    backbone: Backbone, images: Tensor, reading: LayerReading, *, told: Callable[[str], None] | None = None
) -> dict[str, Tensor]:
    """Read all layers in one pass, each pooled where it ends, so that no map is kept.

    Args:
        backbone: in the mode and context that the caller wants.
        images: (B, C, H, W) in 0..1.
        reading: what to read.
        told: is given each layer's name as it comes.

    Returns:
        Layer → (B, c, h, w) float32, of ``final`` (B, D, 1, 1); in the order of ``reading.layers``.

    Raises:
        SpecError: for a layer that gives no map, or a pooling that does not fit it.
    """
    size = (images.shape[-2], images.shape[-1])

    def pooled(layer: str, output: Any) -> Tensor:
        if told is not None:
            told(layer)
        found = as_map(output, backbone.trunk, size)
        if found is None:
            raise SpecError(
                f"{layer!r} of {_label(backbone)} gives no map (B, C, H, W); use one of "
                f"{', '.join((*backbone.layer_names, FINAL))}"
            )
        small = pool_map(found.float(), layer, reading.pooling, max_features=reading.max_features)
        # a map that needs no pooling is still the network's own, and the next module may write over it
        return small.clone() if small.data_ptr() == found.data_ptr() else small

    found: dict[str, Tensor] = {}
    with caught_outputs(
        backbone.trunk, reading.taps, owner=_label(backbone), keep=pooled, last=reading.last
    ) as outputs:
        features = backbone(images)
        found[FINAL] = features.float()[:, :, None, None]
    found |= outputs
    return {layer: found[layer] for layer in reading.layers if layer in found}


def _label(backbone: Backbone) -> str:
    return backbone.name or type(backbone.trunk).__name__
