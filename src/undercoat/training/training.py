"""What a training run consists of besides its method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from undercoat.augment import Augmentation
from undercoat.data import Canvases
from undercoat.runtime import Runtime
from undercoat.training.optim import OptimiserSpec

__all__ = ["Budget", "Training"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long and in what portions.

    Attributes:
        steps: optimiser steps.
        batch: images a step, over all processes.
        accumulate: portions a step's batch is cut into, to save memory.
        seed: of order, views and everything else random.
        log_every: steps between log lines.
        checkpoint_every: steps between checkpoints: what a kill can cost.
        watch_at: steps at which ``watch`` is called.
        pictures_at: steps at which the method's own pictures are saved.
    """

    steps: int
    batch: int
    accumulate: int = 1
    seed: int = 0
    log_every: int = 10
    checkpoint_every: int = 100
    watch_at: frozenset[int] = frozenset()
    pictures_at: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a method is fed, how it is optimised, for how long and where.

    Attributes:
        data: images; their labels are handed to a method that reads them, and to no other.
        recipe: makes the views.
        optimiser: resolved: no value left ``auto``.
        budget: steps, batch and portions.
        part: ``all``, ``norm`` or ``head``: what of the backbone is trained.
        runtime: devices and processes.
        folder: the run's.
        frozen: layers of the backbone that stay as they are all the same, with everything before them.
        title: shown in the progress line.
        watch: called after certain steps; gives numbers for the log.
        tensorboard: write event files.
    """

    data: Canvases
    recipe: Augmentation
    optimiser: OptimiserSpec
    budget: Budget
    part: str
    runtime: Runtime
    folder: Path
    frozen: tuple[str, ...] = ()
    title: str = "pretrain"
    watch: Callable[[int], dict[str, float]] | None = None
    tensorboard: bool = True
