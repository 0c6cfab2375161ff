"""A stage: one coat of pretraining as a spec, and its digest."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from undercoat.interop.initial import identity
from undercoat.spec import Spec, digest
from undercoat.training.optim import OptimiserSpec

__all__ = ["NOT_IN_DIGEST", "Stage", "stage_digest"]

#: settings that do not touch the weights
NOT_IN_DIGEST = ("name", "checkpoint_every", "log_every")


class Stage(Spec):
    """One coat, or the weights that a chain starts from.

    A stage with ``data`` trains; a stage without it only loads what ``init`` names.

    Attributes:
        name: shown in chains, such as ``target``.
        data: images; their labels are never looked at.
        init: first weights: ``random``, a run, a file, ``timm/NAME``, ``imagenet-lite0``. In a chain only the first
            stage has it.
        backbone: the network; may be left out where ``init`` implies it.
        backbone_arguments: of its constructor.
        channels: input channels; auto: three (grey is repeated), or the images' own when they have more.
        method: of ``undercoat list methods``.
        method_arguments: what is not given is resolved from the data and the budget.
        preset: ``auto`` fits small data; ``paper`` takes the published values; some methods have more.
        train: ``all`` weights, ``norm`` (scale, shift and statistics of the norms, HPT-BN), ``head`` (the backbone
            stays), or ``statistics`` (batch statistics are refreshed without a gradient).
        steps: optimiser steps; give this or ``epochs``.
        epochs: passes over the data.
        batch: images a step over all processes; at most the data set.
        accumulate: portions a batch is cut into to save memory.
        size_px: side of the views.
        canvas_px: side of the decoded squares.
        augmentation: of ``undercoat list augmentations``; auto: what the method's preset is fed.
        augmentation_arguments: what differs from it.
        optimiser: which, and how.
        normalise: ``keep`` the mean and std that came with the weights, or use the ``data``'s; auto: the data's for
            random weights.
        refresh: end with batch statistics of the plain images, as the backbone will see them, in place of a running
            mean over augmented views (ADR 0008: it can help and hurt).
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        seed: of everything random.
        checkpoint_every: steps between checkpoints.
        log_every: steps between log lines.
    """

    name: str = "target"
    data: str | None = None
    init: str | None = None
    backbone: str | None = None
    backbone_arguments: dict[str, Any] = {}
    channels: int | None = Field(default=None, ge=1)
    method: str = "moco_v2"
    method_arguments: dict[str, Any] = {}
    preset: str = "auto"
    train: Literal["all", "norm", "head", "statistics"] = "all"
    steps: int | None = Field(default=None, ge=0)
    epochs: float | None = Field(default=None, ge=0)
    batch: int = Field(default=128, ge=1)
    accumulate: int = Field(default=1, ge=1)
    size_px: int | None = Field(default=None, ge=8)
    canvas_px: int | None = Field(default=None, ge=8)
    augmentation: str = "auto"
    augmentation_arguments: dict[str, Any] = {}
    optimiser: OptimiserSpec = OptimiserSpec()
    normalise: Literal["auto", "keep", "data"] = "auto"
    refresh: bool = False
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    seed: int = 0
    checkpoint_every: int | None = Field(default=None, ge=1)
    log_every: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_budget(self) -> Stage:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("it has both steps and epochs; keep one of them")
        return self

    @property
    def kind(self) -> str:
        """``init``, ``statistics`` or ``pretrain``."""
        if self.data is None:
            return "init"
        return "statistics" if self.train == "statistics" else "pretrain"

    @property
    def coat(self) -> str:
        """The stage as people read it: ``target: moco_v2 (norms)``."""
        if self.kind == "init":
            return self.init or self.name
        if self.kind == "statistics":
            return f"{self.name}: batch statistics"
        part = {"all": "", "norm": " (norms)", "head": " (head)"}[self.train]
        return f"{self.name}: {self.method}{part}"


def stage_digest(stage: Stage, *, data_digest: str, parent: str) -> str:
    """Hash what decides a stage's weights: its resolved spec, its images and its parent's digest."""
    values = {key: value for key, value in stage.model_dump(mode="json").items() if key not in NOT_IN_DIGEST}
    values.pop("data")  # the digest of the content stands for it, wherever the images lie
    values["init"] = None if stage.init is None else identity(stage.init)
    if stage.kind == "init" and stage.init != "random":
        values.pop("seed")
    return digest({"stage": _given(values), "data": data_digest, "parent": parent})


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is None, so that new settings can be added without changing old digests."""
    return {k: _given(v) if isinstance(v, dict) else v for k, v in values.items() if v is not None}
