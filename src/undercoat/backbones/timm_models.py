"""Any of timm's models as a trunk: features before the classifier, pooled."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from torch import nn

from undercoat.backbones.small_stem import make_stem_small
from undercoat.errors import SpecError, did_you_mean

__all__ = ["Built", "build", "model_names"]


class Built(NamedTuple):
    """A trunk and what is known about it."""

    trunk: nn.Module
    dim: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@cache
def _timm() -> Any:
    from undercoat._torchvision import ensure_importable

    ensure_importable()
    import timm

    return timm


def model_names(pattern: str = "") -> list[str]:
    """List timm's architectures whose name contains ``pattern``."""
    return [name for name in _timm().list_models() if pattern in name]


def build(
    model: str, *, channels: int, arguments: dict[str, Any], sobel: bool = False, pretrained: bool = False
) -> Built:
    """Build one timm model without its classifier.

    Args:
        model: an architecture, such as ``resnet18``; with ``pretrained`` it may carry timm's ``.tag``.
        channels: of the images; timm folds pretrained first-layer weights to fit.
        arguments: keyword arguments of the model's constructor; ``stem: small`` besides is for small images.
        sobel: whether the trunk takes two maps of edges in place of the images.
        pretrained: fetch timm's weights by name (the only place where anything is downloaded).

    Raises:
        SpecError: when timm has no such model, or the model takes no such argument or has no small stem.
    """
    timm = _timm()
    architecture = model.partition(".")[0]
    if not timm.is_model(architecture):
        hint = did_you_mean(architecture, timm.list_models())
        family = re.match(r"[a-z]*", hint.partition("'")[2] or architecture[:3]).group()  # type: ignore[union-attr]
        raise SpecError(f"{model!r} is no timm model{hint} (undercoat list backbones --filter {family})")
    own = {key: value for key, value in arguments.items() if key != "stem"}
    settings = {"num_classes": 0, "in_chans": 2 if sobel else channels, "pretrained": pretrained, **own}
    try:
        trunk = timm.create_model(model, **settings)
    except TypeError as error:
        raise SpecError(f"timm cannot build {model!r} with {arguments}: {error}") from error
    if "stem" in arguments:
        if arguments["stem"] != "small":
            raise SpecError(f"stem: {arguments['stem']!r} is not small; leave it out for {model}'s usual one")
        make_stem_small(trunk, name=f"timm/{model}", trained=pretrained)
    config = trunk.pretrained_cfg
    return Built(
        trunk,
        int(trunk.num_features if not hasattr(trunk, "head_hidden_size") else trunk.head_hidden_size),
        tuple(config.get("mean") or (0.5,)) if channels == 3 else (0.5,),
        tuple(config.get("std") or (0.5,)) if channels == 3 else (0.5,),
    )
