"""Any of timm's models as a trunk: features before the classifier, pooled."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from torch import nn

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


def build(model: str, *, channels: int, arguments: dict[str, Any], pretrained: bool = False) -> Built:
    """Build one timm model without its classifier.

    Args:
        model: an architecture, such as ``resnet18``; with ``pretrained`` it may carry timm's ``.tag``.
        channels: input channels; timm folds pretrained first-layer weights to fit.
        arguments: keyword arguments of the model's constructor.
        pretrained: fetch timm's weights by name (the only place where anything is downloaded).

    Raises:
        SpecError: when timm has no such model, or the model takes no such argument.
    """
    timm = _timm()
    architecture = model.partition(".")[0]
    if not timm.is_model(architecture):
        hint = did_you_mean(architecture, timm.list_models())
        family = re.match(r"[a-z]*", hint.partition("'")[2] or architecture[:3]).group()  # type: ignore[union-attr]
        raise SpecError(f"{model!r} is no timm model{hint} (undercoat list backbones --filter {family})")
    settings = {"num_classes": 0, "in_chans": channels, "pretrained": pretrained, **arguments}
    try:
        trunk = timm.create_model(model, **settings)
    except TypeError as error:
        raise SpecError(f"timm cannot build {model!r} with {arguments}: {error}") from error
    config = trunk.pretrained_cfg
    return Built(
        trunk,
        int(trunk.num_features if not hasattr(trunk, "head_hidden_size") else trunk.head_hidden_size),
        tuple(config.get("mean") or (0.5,)) if channels == 3 else (0.5,),
        tuple(config.get("std") or (0.5,)) if channels == 3 else (0.5,),
    )
