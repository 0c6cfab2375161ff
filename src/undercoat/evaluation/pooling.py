"""A layer's map, pooled to a vector short enough for a linear probe: by its own shape, or as a published table did.

A map of 96 × 55 × 55 is 290,400 numbers. The papers that compare layers pool each to at most about 9,600, so that no
probe is richer than another; how they pool differs, and the numbers of two poolings do not belong in one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import isqrt
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from undercoat.errors import SpecError, did_you_mean

__all__ = ["MAX_FEATURES", "POOLINGS", "Pooling", "pool_map", "pooled_side", "pooling_named"]

#: numbers a layer is pooled to at most, as in the papers
MAX_FEATURES = 9600

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Window:
    """How one layer of a published table is pooled.

    Attributes:
        shape: C, H, W of the map that the table was made from.
        features: numbers that are left of it.
        pool: maps (B, C, H, W) → (B, C, h, w).
    """

    shape: Shape
    features: int
    pool: Callable[[Tensor], Tensor]


#: one published table: layer → window
Pooling = Mapping[str, Window]


def pooled_side(shape: Shape, *, max_features: int = MAX_FEATURES) -> int:
    """Return the side to which a map is pooled: ⌊√(max_features / C)⌋, at least 1 and at most its own.

    Args:
        shape: C, H, W of the map.
        max_features: numbers at most; a map of more channels than that keeps one number a channel.

    Example:
        >>> [pooled_side(shape) for shape in [(96, 55, 55), (256, 27, 27), (384, 13, 13), (2048, 7, 7), (64, 4, 4)]]
        [10, 6, 5, 2, 4]
    """
    channels, height, width = shape
    return min(max(1, isqrt(max_features // channels)), height, width)


def pool_map(maps: Tensor, layer: str, pooling: str = "auto", *, max_features: int = MAX_FEATURES) -> Tensor:
    """Pool maps (B, C, H, W) of one layer to small maps (B, C, h, w), whose numbers are what a probe sees.

    Args:
        maps: after the activation.
        layer: its name.
        pooling: ``auto`` is adaptive max-pooling to :func:`pooled_side`; else one of :data:`POOLINGS`.
        max_features: of ``auto``.

    Raises:
        SpecError: when the pooling's table has no such layer, or had a map of another shape there.

    Example:
        >>> import torch
        >>> pool_map(torch.rand(2, 96, 55, 55), "conv1").shape
        torch.Size([2, 96, 10, 10])
    """
    shape: Shape = (maps.shape[1], maps.shape[2], maps.shape[3])
    if pooling == "auto":
        side = pooled_side(shape, max_features=max_features)
        return maps if maps.shape[2:] == (side, side) else F.adaptive_max_pool2d(maps, side)
    return window_of(pooling, layer, shape).pool(maps)


def pooling_named(name: str) -> str:
    """Check the name of a pooling.

    Raises:
        SpecError: for an unknown one; the nearest is given.
    """
    known = ("auto", *POOLINGS)
    if name not in known:
        raise SpecError(f"{name!r} is no pooling{did_you_mean(name, known)} (known: {', '.join(known)})")
    return name


def window_of(pooling: str, layer: str, shape: Shape) -> Window:
    """Find how a published table pools this layer.

    Raises:
        SpecError: when it has no such layer, or had a map of another shape there.
    """
    table = POOLINGS[pooling_named(pooling)]
    if layer not in table:
        raise SpecError(
            f"pooling {pooling!r} says nothing about layer {layer!r}{did_you_mean(layer, table)} (it has "
            f"{', '.join(table)}); use pooling: auto"
        )
    window = table[layer]
    if shape != window.shape:
        raise SpecError(
            f"pooling {pooling!r} is for {layer} maps of {_times(window.shape)}, but here they are {_times(shape)}; "
            "use the published network and view size, or pooling: auto"
        )
    return window


def _times(shape: Shape) -> str:
    return " × ".join(map(str, shape))


def _windows(shapes: Mapping[str, Shape], pools: list[tuple[Callable[[Tensor], Tensor], int]]) -> Pooling:
    rows = zip(shapes.items(), pools, strict=True)
    return {layer: Window(shape, shape[0] * side * side, pool) for (layer, shape), (pool, side) in rows}


def _strided(kind: Any, *rows: tuple[int, int, int, int]) -> list[tuple[Callable[[Tensor], Tensor], int]]:
    """(Kernel, stride, padding, side that is left) of each layer."""
    return [
        (partial(kind, kernel_size=kernel, stride=stride, padding=padding), side)
        for kernel, stride, padding, side in rows
    ]


def _resized(side: int) -> tuple[Callable[[Tensor], Tensor], int]:
    return partial(F.interpolate, size=(side, side), mode="bilinear", align_corners=False), side


def _adaptive(side: int) -> tuple[Callable[[Tensor], Tensor], int]:
    return partial(F.adaptive_max_pool2d, output_size=side), side


def _alexnet(*widths: int, sides: tuple[int, ...] = (55, 27, 13, 13, 13)) -> dict[str, Shape]:
    named = zip(widths, sides, strict=True)
    return {f"conv{place}": (width, side, side) for place, (width, side) in enumerate(named, 1)}


_BIG = _alexnet(96, 256, 384, 384, 256)  # at 224 px, and at 227 px without padding
_JIGSAW = _alexnet(96, 256, 384, 384, 256, sides=(109, 54, 26, 26, 26))  # conv1 of stride 2, 227 px
_RESNET50: dict[str, Shape] = {
    "conv1": (64, 112, 112), "layer1": (256, 56, 56), "layer2": (512, 28, 28), "layer3": (1024, 14, 14),
    "layer4": (2048, 7, 7),
}  # fmt: skip
_SIXES = ((6, 6, 3, 10), (4, 4, 0, 6), (3, 3, 1, 5), (3, 3, 1, 5), (2, 2, 0, 6))

#: pooling of published tables, by name → layer → window
POOLINGS: dict[str, Pooling] = {
    # Asano et al. 2020, the authors' linear-probes
    "paper": _windows(_BIG, _strided(F.max_pool2d, *_SIXES)),
    # Caron et al. 2018, eval_linear.py; zeros of the padding count in the averages, as there
    "deep_cluster": _windows(_BIG, _strided(F.avg_pool2d, *_SIXES)),
    # Gidaris et al. 2018
    "rotnet": _windows(_alexnet(64, 192, 384, 256, 256), [_adaptive(side) for side in (12, 7, 5, 6, 6)]),
    # Zhang et al. 2016, 2017; whether caffe's layer aligned corners is not known, here pixels' centres are
    "zhang": _windows(_BIG, [_resized(side) for side in (10, 6, 5, 5, 6)]),
    # VISSL (Goyal et al. 2019) for DeepCluster's and supervised AlexNet, Jigsaw's, and ResNet-50
    "vissl_alexnet": _windows(
        _BIG, _strided(F.avg_pool2d, (19, 4, 0, 10), (12, 3, 0, 6), (9, 1, 0, 5), (9, 1, 0, 5), (8, 1, 0, 6))
    ),
    "vissl_jigsaw": _windows(
        _JIGSAW, _strided(F.avg_pool2d, (28, 9, 0, 10), (24, 6, 0, 6), (14, 3, 0, 5), (14, 3, 0, 5), (16, 2, 0, 6))
    ),
    "vissl_resnet50": _windows(
        _RESNET50, _strided(F.avg_pool2d, (10, 10, 4, 12), (16, 8, 0, 6), (13, 5, 0, 4), (8, 3, 0, 3), (6, 1, 0, 2))
    ),
}
