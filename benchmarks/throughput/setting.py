"""What all sides of the comparison have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from undercoat.backbones import build_backbone
from undercoat.backbones.trainable import batch_norms
from undercoat.data import Canvases, open_data
from undercoat.methods import method_class
from undercoat.methods.method import Method
from undercoat.runtime import Runtime
from undercoat.study.coat import recipe_of
from undercoat.study.resolution import StageFacts, resolve
from undercoat.study.stage import Stage
from undercoat.training.training import Budget, Training

__all__ = ["FULL", "QUICK", "Setting", "Task"]

PLANNED_STEPS = 1000
"""The budget that ``auto`` values are resolved for; the benchmark stops much earlier."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Sizes of the benchmark.

    Attributes:
        backbone: the network of both sides.
        size_px: side of canvases and views.
        batch: images a step.
        segment_steps: steps measured in one go.
        lead_in_steps: steps before each measured segment of lightly's, in which its workers get going.
        rounds: each has two segments of the bare step and one each of lightly's in fp32 and bf16.
        product_side: of the square matrices whose product is the physical limit.
        memory_images: the two set sizes whose peak memory is compared.
        memory_steps: training steps in which memory is looked at.
        memory_repeats: processes for each set size; the median counts.
        memory_building: look at building the caches too, in processes of their own.
    """

    backbone: str = "timm/resnet18"
    size_px: int = 64
    batch: int = 128
    segment_steps: int = 10
    lead_in_steps: int = 5
    rounds: int = 4
    product_side: int = 4096
    memory_images: tuple[int, int] = (1_000, 100_000)
    memory_steps: int = 20
    memory_repeats: int = 3
    memory_building: bool = True


FULL = Setting()
QUICK = Setting(
    backbone="timm/test_resnet",
    size_px=32,
    batch=16,
    segment_steps=2,
    lead_in_steps=1,
    rounds=1,
    product_side=256,
    memory_images=(200, 400),
    memory_steps=2,
    memory_repeats=1,
    memory_building=False,
)
"""Shows that everything runs; its numbers mean nothing."""


class Task:
    """The images and the stage that the command line would make of ``--method NAME --data sample:noto``."""

    def __init__(self, setting: Setting, cache: Path, *, method: str = "moco_v2") -> None:
        self.setting = setting
        data = open_data("sample:noto", size_px=setting.size_px, cache=cache, progress=False)
        reads_labels = method_class(method).reads_labels
        self.data: Canvases = data if reads_labels else data.without_labels()
        asked = Stage(
            name="benchmark",
            data="sample:noto",
            backbone=setting.backbone,
            method=method,
            batch=setting.batch,
            size_px=setting.size_px,
            steps=PLANNED_STEPS,
        )
        facts = StageFacts(
            images=len(self.data),
            canvas_px=setting.size_px,
            initialised=False,
            batch_norm=bool(batch_norms(build_backbone(setting.backbone))),
            backbone=setting.backbone,
            classes=len(self.data.classes),
        )
        self.stage = resolve(asked, facts).stage

    def new_method(self) -> Method:
        """The method on a random backbone; the same weights each time."""
        backbone = build_backbone(self.setting.backbone, mean=self.data.mean, std=self.data.std)
        return method_class(self.stage.method)(backbone, **self.stage.method_arguments)

    def training(self, budget: Budget, runtime: Runtime, folder: Path) -> Training:
        """What the command line would train with, for a shorter budget."""
        stage = self.stage
        recipe = recipe_of(stage)
        return Training(
            data=self.data,
            recipe=recipe,
            optimiser=stage.optimiser,
            budget=budget,
            part="all",
            runtime=runtime,
            folder=folder,
        )

    def new_trunk(self) -> nn.Module:
        """The same random network without our wrapper, contiguous in memory."""
        return build_backbone(self.setting.backbone).trunk.to(memory_format=torch.contiguous_format)
