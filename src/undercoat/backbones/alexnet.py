"""AlexNet (Krizhevsky et al. 2012) as the self-supervision papers trained it: one network, a few choices.

The papers that compare pretext tasks layer by layer all say "AlexNet" and mean different networks. A variant is a
:class:`Design`; every argument that is given replaces one of its choices.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Literal

from torch import nn

from undercoat.backbones.scattering import EarlyScattering
from undercoat.backbones.timm_models import Built
from undercoat.errors import SpecError, did_you_mean

__all__ = ["MODELS", "VARIANTS", "AlexNet", "Design", "build"]

#: filters of conv1 … conv5
WIDTHS = {"big": (96, 256, 384, 384, 256), "small": (64, 192, 384, 256, 256), "tiny": (32, 96, 128, 128, 128)}
#: kernel, stride and padding of conv1, by the size of images it is for
STEMS = {"224": (11, 4, 2), "64": (11, 2, 2), "32": (5, 1, 2)}
_HIDDEN = 4096
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_SYMMETRIC = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # 0..1 becomes -1..1


@dataclass(frozen=True, kw_only=True)
class Design:
    """How one AlexNet differs from another.

    Attributes:
        width: filters of conv1 … conv5: ``big`` 96-256-384-384-256, ``small`` 64-192-384-256-256, as published;
            ``tiny`` 32-96-128-128-128 for studies on a CPU.
        stem: kernel, stride and padding of conv1.
        normalised: layers followed by batch norm: 1 … 5 are convolutions, 6 and 7 fully connected.
        groups: of conv2, conv4 and conv5, which then see half of the channels each.
        lrn: local response normalisation after the first two poolings (size 5, alpha 1e-4, beta 0.75).
        slope: of the activation below zero; 0 is ReLU.
        pool_padding: of the 3 × 3 max-pooling with stride 2.
        early: what comes before conv3: ``conv``, or ``scattering``, the fixed transform in place of conv1 and conv2.
        init: ``fan_out`` N(0, 2 / (k² · filters / groups)), ``torch``'s default, or ``narrow`` N(0, 0.02²).
        normalise: mean and std of colour images in 0..1.
    """

    width: str = "big"
    stem: tuple[int, int, int] = STEMS["224"]
    normalised: tuple[int, ...] = ()
    groups: int = 1
    lrn: bool = False
    slope: float = 0.0
    pool_padding: int = 0
    early: Literal["conv", "scattering"] = "conv"
    init: Literal["fan_out", "torch", "narrow"] = "fan_out"
    normalise: tuple[tuple[float, ...], tuple[float, ...]] = _IMAGENET


VARIANTS: dict[str, Design] = {
    "deep_cluster": Design(normalised=(1, 2, 3, 4, 5)),
    "rotnet": Design(width="small", normalised=(1, 2, 3, 4, 5, 6, 7), init="torch"),
    "bigan": Design(
        stem=(11, 4, 5),
        normalised=(2, 3, 4, 5),
        groups=2,
        slope=0.2,
        pool_padding=1,
        init="narrow",
        normalise=_SYMMETRIC,
    ),
    "jigsaw": Design(stem=(11, 2, 0), normalised=(3, 4, 5), groups=2, lrn=True),
    "caffenet": Design(stem=(11, 4, 0), groups=2),
}

#: names to list → what they are
MODELS = {"alexnet": f"AlexNet of the pretext-task papers (variant: {', '.join(VARIANTS)})"}

_CHOICES: dict[str, tuple[Any, ...]] = {
    "variant": tuple(VARIANTS),
    "width": tuple(WIDTHS),
    "norm": ("batch", "none"),
    "groups": (1, 2),
    "lrn": (False, True),
    "stem": (224, 64, 32, "small"),
    "head": ("pool", "fc"),
    "early": ("conv", "scattering"),
}


class AlexNet(nn.Sequential):
    """Images (B, C, H, W) → features: (B, 256), of ``tiny`` (B, 128), or (B, 4096) with the fully connected head.

    Its layers ``conv1`` … ``conv5`` are maps after the activation and before any pooling; at 224 px with the
    standard stem they are 55, 27, 13, 13 and 13 pixels wide.

    The head ``pool`` averages conv5 over the image, so that any size works. The published classifier is
    ``fc``: max-pooling, then two layers of 4096 with ReLU. It wants maps of 6 × 6, which 224 px gives; others are
    averaged to that. Simplified against the papers: no dropout before its layers (what it drops would depend on
    the number of processes), and biases in every convolution, also before batch norm and in BiGAN's conv1.
    CaffeNet's and Jigsaw's first weights are DeepCluster's rule, which is not theirs.

    With ``early: scattering`` its first layer is ``scattering`` in place of conv1 and conv2 (Oyallon et al. 2017):
    J = 3 with the stem for 224 px, whose map is 28 pixels wide where conv2's is 27, and 2 with the others. Pooling
    follows, except at 32 px, where that map is hardly wider than conv2's after pooling.

    Args:
        design: which AlexNet.
        channels: of the images.
        head: ``pool`` or ``fc``.
    """

    LAYERS: tuple[str, ...] = ("conv1", "conv2", "conv3", "conv4", "conv5")

    def __init__(self, design: Design, *, channels: int = 3, head: str = "pool") -> None:
        widths = WIDTHS[design.width]
        shapes = [design.stem, (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)]
        first, before, parts = 1, channels, OrderedDict[str, nn.Module]()
        if design.early == "scattering":
            first, (before, parts) = 3, _scattering(design, channels)
        for layer in range(first, 6):
            filters, (kernel, stride, padding) = widths[layer - 1], shapes[layer - 1]
            groups = design.groups if layer in (2, 4, 5) else 1
            convolution = nn.Conv2d(before, filters, kernel, stride, padding, groups=groups)
            norm = nn.BatchNorm2d(filters) if layer in design.normalised else None
            parts[f"conv{layer}"] = _layer(convolution, norm, design)
            if layer <= 2:
                parts[f"pool{layer}"] = _pool(design, lrn=design.lrn)
            before = filters
        parts["head"] = _fully_connected(design) if head == "fc" else _average()
        super().__init__(parts)
        self.dim = _HIDDEN if head == "fc" else widths[-1]
        _draw_weights(self, design.init)
        if design.early == "scattering":
            self.LAYERS = ("scattering", *self.LAYERS[2:])


def _scattering(design: Design, channels: int) -> tuple[int, OrderedDict[str, nn.Module]]:
    """What stands in for conv1 and conv2 with their pooling, and how many channels it has."""
    stride = design.stem[1]
    early = EarlyScattering(3 if stride == 4 else 2, channels=channels)
    parts = OrderedDict[str, nn.Module](scattering=early)
    if stride > 1:
        parts["pool2"] = _pool(design, lrn=design.lrn)
    return early.channels, parts


def _layer(weights: nn.Module, norm: nn.Module | None, design: Design) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict(weights=weights)
    if norm is not None:
        parts["norm"] = norm
    parts["activation"] = nn.LeakyReLU(design.slope, inplace=True) if design.slope else nn.ReLU(inplace=True)
    return nn.Sequential(parts)


def _pool(design: Design, *, lrn: bool) -> nn.Module:
    pool = nn.MaxPool2d(3, 2, design.pool_padding)
    return nn.Sequential(pool, nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)) if lrn else pool


def _average() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _fully_connected(design: Design) -> nn.Module:
    parts: OrderedDict[str, nn.Module] = OrderedDict(pool5=_pool(design, lrn=False))
    parts["resize"], parts["flatten"] = nn.AdaptiveAvgPool2d(6), nn.Flatten()
    for layer, before in ((6, WIDTHS[design.width][-1] * 6 * 6), (7, _HIDDEN)):
        normalised = layer in design.normalised
        linear = nn.Linear(before, _HIDDEN, bias=not normalised)
        parts[f"fc{layer}"] = _layer(linear, nn.BatchNorm1d(_HIDDEN) if normalised else None, design)
    return nn.Sequential(parts)


def _draw_weights(trunk: nn.Module, rule: str) -> None:
    if rule == "torch":
        return
    for part in trunk.modules():
        if not isinstance(part, nn.Conv2d | nn.Linear):
            continue
        spread = 0.02
        if rule == "fan_out" and isinstance(part, nn.Conv2d):
            spread = sqrt(2 / (part.kernel_size[0] * part.kernel_size[1] * part.out_channels / part.groups))
        elif rule == "fan_out":
            spread = 0.01
        nn.init.normal_(part.weight, 0.0, spread)
        if part.bias is not None:
            nn.init.zeros_(part.bias)


def build(model: str, *, channels: int, arguments: dict[str, Any], sobel: bool = False) -> Built:
    """Build ``undercoat/alexnet``.

    Args:
        model: ``alexnet``.
        channels: of the images.
        arguments: ``variant`` (``deep_cluster``, the default, ``rotnet``, ``bigan``, ``jigsaw``, ``caffenet``), and
            what differs from it: ``width`` (``big``, ``small``, ``tiny``), ``norm`` (``batch`` after conv1 … conv5,
            ``none``), ``groups`` (1, 2), ``lrn`` (true, false), ``stem`` (224, 64 or 32 px; ``small`` is 32), ``head``
            (``pool``, ``fc``), ``early`` (``conv``, ``scattering`` in place of conv1 and conv2).
        sobel: whether the trunk takes two maps of edges in place of the images.

    Raises:
        SpecError: for another model, or an argument or value that is not one of these.

    Example:
        >>> build("alexnet", channels=3, arguments={"width": "small", "stem": 32}).dim
        256
    """
    if model not in MODELS:
        raise SpecError(
            f"'undercoat/{model}' is no model of ours{did_you_mean(model, MODELS)} (known: {', '.join(MODELS)})"
        )
    _check(arguments)
    changes: dict[str, Any] = {
        name: arguments[name] for name in ("width", "groups", "lrn", "early") if name in arguments
    }
    if "norm" in arguments:
        changes["normalised"] = (1, 2, 3, 4, 5) if arguments["norm"] == "batch" else ()
    if "stem" in arguments:
        changes["stem"] = STEMS["32" if arguments["stem"] == "small" else str(arguments["stem"])]
    design = replace(VARIANTS[arguments.get("variant", "deep_cluster")], **changes)
    trunk = AlexNet(design, channels=2 if sobel else channels, head=arguments.get("head", "pool"))
    mean, std = design.normalise if channels == 3 else ((0.5,), (0.5,))
    return Built(trunk, trunk.dim, mean, std)


def _check(arguments: dict[str, Any]) -> None:
    for name, value in arguments.items():
        if name not in _CHOICES:
            hint = did_you_mean(name, _CHOICES)
            raise SpecError(f"undercoat/alexnet takes no argument {name!r}{hint} (known: {', '.join(_CHOICES)})")
        if not any(value == choice and type(value) is type(choice) for choice in _CHOICES[name]):  # 1 is not true
            known = ", ".join(map(str, _CHOICES[name]))
            raise SpecError(f"undercoat/alexnet cannot have {name}: {value!r}; use one of {known}")
