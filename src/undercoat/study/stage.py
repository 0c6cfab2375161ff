"""A stage: one coat of pretraining as a spec, and its digest."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from undercoat.backbones import frozen_text
from undercoat.interop.initial import identity
from undercoat.spec import Spec, amount, digest
from undercoat.training.optim import OptimiserSpec

__all__ = ["K_MEANS", "NOT_IN_DIGEST", "Stage", "stage_digest"]

#: what ``init`` begins with where filters are clustered from images
K_MEANS = "k_means:"

#: settings that do not touch the weights
NOT_IN_DIGEST = ("name", "checkpoint_every", "log_every")


class Stage(Spec):
    """One coat, or the weights that a chain starts from.

    A stage with ``data`` trains; a stage without it only loads what ``init`` names.

    Attributes:
        name: shown in chains, such as ``target``.
        data: images; their labels are never looked at.
        images_limit: how many of the images that training may see are used: a count, or a share such as ``10%``; drawn
            with the seed and without a look at labels, the smaller choice inside the larger.
        init: first weights: ``random``, a run, a file, ``timm/NAME``, ``imagenet-lite0``, ``k_means:DATA``. In a chain
            only the first stage has it.
        backbone: the network; may be left out where ``init`` implies it.
        backbone_arguments: of its constructor.
        channels: input channels; auto: three (grey is repeated), or the images' own when they have more.
        method: of ``undercoat list methods``.
        method_arguments: what is not given is resolved from the data and the budget.
        preset: ``auto`` fits small data; ``paper`` takes the published values; some methods have more.
        train: ``all`` weights, ``norm`` (scale, shift and statistics of the norms, HPT-BN), ``head`` (the backbone
            stays), or ``statistics`` (batch statistics are refreshed without a gradient).
        frozen: layers that stay as they are, with everything before them, weights and batch statistics alike: names
            of ``layer_names`` or dotted paths, as a list or with commas between.
        fresh: before training, draw all but the frozen layers anew from the seed, as the network is first built.
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
    images_limit: int | float | None = None
    init: str | None = None
    backbone: str | None = None
    backbone_arguments: dict[str, Any] = {}
    channels: int | None = Field(default=None, ge=1)
    method: str = "moco_v2"
    method_arguments: dict[str, Any] = {}
    preset: str = "auto"
    train: Literal["all", "norm", "head", "statistics"] = "all"
    frozen: list[str] | None = None
    fresh: bool | None = None
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
    seed: int = Field(default=0, ge=0)  # -1 says in tables that several seeds are meant
    checkpoint_every: int | None = Field(default=None, ge=1)
    log_every: int | None = Field(default=None, ge=1)

    @field_validator("images_limit", mode="before")
    @classmethod
    def _amount(cls, value: Any) -> int | float | None:
        return None if value is None else amount(value, name="images_limit")

    @field_validator("frozen", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @field_validator("frozen", "fresh", mode="after")
    @classmethod
    def _none_when_off(cls, value: Any) -> Any:
        return value or None  # so that writing out the default leaves the digest

    @model_validator(mode="after")
    def _one_budget(self) -> Stage:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("it has both steps and epochs; keep one of them")
        return self

    @model_validator(mode="after")
    def _frozen_makes_sense(self) -> Stage:
        if self.fresh and not self.frozen:
            raise ValueError(
                "fresh draws all but the frozen layers anew and none is frozen; name some under frozen, or use init: "
                "random in a chain of its own"
            )
        if self.frozen and self.data is None:
            raise ValueError("it has frozen layers and no data to train the others on; add data, or leave frozen out")
        return self

    @field_validator("init")
    @classmethod
    def _names_images(cls, value: str | None) -> str | None:
        if value in ("k_means", K_MEANS):
            raise ValueError("filters are clustered from images, so name some, such as k_means:sample:noto")
        return value

    @property
    def init_data(self) -> str | None:
        """The data that first weights are made from; None for those that need none."""
        return self.init.removeprefix(K_MEANS) if self.init and self.init.startswith(K_MEANS) else None

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
        words = {"all": [], "norm": ["norms"], "head": ["head"]}[self.train]
        words += [frozen_text(self.frozen)] if self.frozen else []
        words += ["the rest new"] if self.fresh else []
        return f"{self.name}: {self.method}" + (f" ({', '.join(words)})" if words else "")


def stage_digest(stage: Stage, *, data_digest: str, parent: str, init_digest: str = "") -> str:
    """Hash what decides a stage's weights: its resolved spec, its images and its parent's digest.

    Args:
        stage: resolved.
        data_digest: of the content of its images.
        parent: digest of the stage before.
        init_digest: of the content of the images that first weights are made from.
    """
    values = {key: value for key, value in stage.model_dump(mode="json").items() if key not in NOT_IN_DIGEST}
    values.pop("data")  # the digest of the content stands for both, wherever the images lie
    values.pop("images_limit")
    values["init"] = None if stage.init is None else identity(stage.init)
    if stage.init_data is not None:
        values["init"] = K_MEANS + init_digest
    elif stage.kind == "init" and stage.init != "random":
        values.pop("seed")
    return digest({"stage": _given(values), "data": data_digest, "parent": parent})


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is None, so that new settings can be added without changing old digests."""
    return {k: _given(v) if isinstance(v, dict) else v for k, v in values.items() if v is not None}
