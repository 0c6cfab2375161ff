"""Optimisers by name, with fused steps and weight decay on weights only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from undercoat.spec import Spec

__all__ = ["OptimiserSpec", "build_optimiser", "parameter_groups"]


class OptimiserSpec(Spec):
    """Which optimiser, with which settings; ``None`` is ``auto``.

    Attributes:
        name: ``adamw``, ``adam`` (its weight decay is part of the gradient) or ``sgd``.
        lr: peak learning rate.
        weight_decay: of weights, not of biases, scales and shifts unless ``decay_all``.
        momentum: of SGD.
        nesterov: SGD looks ahead.
        betas: of Adam and AdamW; the libraries' own (0.9, 0.999) when None.
        warmup_steps: of linear growth from 0.
        schedule: ``cosine`` to 0, ``constant``, or ``step``: a tenth after each milestone.
        milestones: of ``step``, as fractions of the budget.
        decay_all: decay every parameter, as many published runs do.
        clip_norm: largest norm of the gradient.
    """

    name: Literal["auto", "adamw", "adam", "sgd"] = "auto"
    lr: float | None = Field(default=None, gt=0)
    weight_decay: float | None = Field(default=None, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool | None = None
    betas: tuple[float, float] | None = None
    warmup_steps: int | None = Field(default=None, ge=0)
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    milestones: tuple[float, ...] | None = None
    decay_all: bool = False
    clip_norm: float | None = Field(default=None, gt=0)


def parameter_groups(module: nn.Module, *, weight_decay: float, decay_all: bool) -> list[dict[str, Any]]:
    """Split trainable parameters into decayed weights and undecayed biases, scales and shifts.

    Args:
        module: its frozen parameters are left out.
        weight_decay: for parameters of two or more dimensions.
        decay_all: decay every parameter, as the published MoCo runs do.
    """
    trainable = [p for p in module.parameters() if p.requires_grad]
    if decay_all:
        return [{"params": trainable, "weight_decay": weight_decay}]
    weights = [p for p in trainable if p.ndim >= 2]
    rest = [p for p in trainable if p.ndim < 2]
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def build_optimiser(spec: OptimiserSpec, module: nn.Module) -> torch.optim.Optimizer:
    """Build the optimiser of a resolved spec for the trainable parameters of ``module``."""
    assert spec.lr is not None, "resolve the spec first"
    assert spec.weight_decay is not None, "resolve the spec first"
    groups = parameter_groups(module, weight_decay=spec.weight_decay, decay_all=spec.decay_all)
    fused = _can_fuse(group["params"] for group in groups)
    if spec.name == "sgd":
        nesterov = bool(spec.nesterov)
        return torch.optim.SGD(groups, lr=spec.lr, momentum=spec.momentum, nesterov=nesterov, fused=fused)
    kind = torch.optim.Adam if spec.name == "adam" else torch.optim.AdamW
    return kind(groups, lr=spec.lr, betas=spec.betas or (0.9, 0.999), fused=fused)


def _can_fuse(groups: Iterable[list[nn.Parameter]]) -> bool:
    return all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for group in groups for p in group)
