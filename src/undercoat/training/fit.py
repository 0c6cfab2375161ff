"""The training loop: one for every method, budget and number of processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from undercoat.augment import Augmentation
from undercoat.augment.batch import Batch
from undercoat.backbones import Backbone, set_mode, set_trainable
from undercoat.data import Canvases
from undercoat.data.loader import Batches, LoadedBatch
from undercoat.functional.draws import Draws
from undercoat.runtime import Runtime, process_mean, rank, seed_step, world_size
from undercoat.training.checkpoint import load_checkpoint, save_checkpoint
from undercoat.training.health import alarm, check_finite, collapse_meter
from undercoat.training.interrupt import StopRequest
from undercoat.training.log import RunLog
from undercoat.training.optim import OptimiserSpec, build_optimiser
from undercoat.training.progress import TrainingDisplay
from undercoat.training.schedule import learning_rate

__all__ = ["Budget", "Fitted", "fit", "make_batch"]


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
    """

    steps: int
    batch: int
    accumulate: int = 1
    seed: int = 0
    log_every: int = 10
    checkpoint_every: int = 100
    watch_at: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Fitted:
    """How the loop ended."""

    step: int
    stopped: bool
    seconds: float


def make_batch(
    loaded: LoadedBatch, data: Canvases, recipe: Augmentation, *, views: int, seed: int, runtime: Runtime
) -> Batch:
    """Turn loaded canvases into augmented views on the runtime's device, in the dtype that its autocast will use."""
    dtype = torch.bfloat16 if runtime.autocast_dtype is torch.bfloat16 else torch.float32
    device = runtime.device
    draws = Draws(seed=seed, epoch=loaded.epoch, index=loaded.index)
    images = loaded.images.to(device, non_blocking=True)
    made = recipe.views(images, loaded.aspect, draws, number=views, dtype=dtype, low=data.low, high=data.high)
    return Batch(made, torch.as_tensor(loaded.index, device=device), draws, loaded.step)


def _portions(loaded: LoadedBatch, count: int) -> Iterator[LoadedBatch]:
    """Cut a loaded batch into ``count`` equal parts."""
    size = len(loaded.index) // count
    for start in range(0, size * count, size):
        part = slice(start, start + size)
        images, aspect = loaded.images[part], loaded.aspect[part]
        yield LoadedBatch(images, aspect, loaded.index[part], loaded.epoch[part], loaded.step)


def fit(
    method: nn.Module,
    data: Canvases,
    *,
    recipe: Augmentation,
    optimiser: OptimiserSpec,
    budget: Budget,
    part: str,
    runtime: Runtime,
    folder: Path,
    title: str = "pretrain",
    watch: Callable[[int], dict[str, float]] | None = None,
    tensorboard: bool = True,
) -> Fitted:
    """Train ``method`` on ``data`` to the end of the budget, from the checkpoint in ``folder`` if there is one.

    Args:
        method: meets the contract of ``undercoat.methods.Method``; trained in place.
        data: images without labels.
        recipe: makes the views.
        optimiser: resolved: no value left ``auto``.
        budget: steps, batch and portions.
        part: ``all``, ``norm`` or ``head``: what of the backbone is trained.
        runtime: devices and processes.
        folder: the run's.
        title: shown in the progress line.
        watch: called after certain steps; gives numbers for the log.
        tensorboard: write event files.

    Raises:
        RunError: when the loss is not finite, naming the step; when the disk is full.
    """
    for backbone in (module for module in method.modules() if isinstance(module, Backbone)):
        set_trainable(backbone, part if backbone is method.backbone else "head")
    method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loop = _Loop(method, data, recipe, optimiser, budget, part, runtime, folder)
    return loop.run(title, watch, tensorboard)


class _Loop:
    """State of one call of :func:`fit`; exists so that its steps are methods of a screen each."""

    def __init__(
        self,
        method: Any,
        data: Canvases,
        recipe: Augmentation,
        optimiser: OptimiserSpec,
        budget: Budget,
        part: str,
        runtime: Runtime,
        folder: Path,
    ) -> None:
        self.method, self.data, self.recipe, self.budget = method, data, recipe, budget
        self.spec, self.runtime, self.folder = optimiser, runtime, folder
        self.wrapped, self.optimiser = runtime.fabric.setup(method, build_optimiser(optimiser, method))
        self.step = self._restore()
        method.train()
        for module in (module for module in method.modules() if isinstance(module, Backbone)):
            set_mode(module, part)
        self.losses: list[Tensor] = []
        self.alarmed = False

    def run(self, title: str, watch: Callable[[int], dict[str, float]] | None, tensorboard: bool) -> Fitted:
        budget, main = self.budget, self.runtime.is_main
        start, stopped = time.perf_counter(), False
        log = RunLog(self.folder, start_step=self.step, tensorboard=tensorboard, enabled=main)
        batches = Batches(
            self.data, batch=budget.batch, seed=budget.seed, rank=rank(), world=world_size(), start_step=self.step
        )
        display = TrainingDisplay(title, steps=budget.steps, start=self.step, enabled=main)
        with batches, StopRequest() as stop, log, display:
            self._mark(batches)
            for loaded in batches:
                if self.step >= budget.steps:
                    break
                self._train_step(loaded)
                display.advance(self.step)
                if self.step % budget.log_every == 0 or self.step in (budget.steps, *budget.watch_at):
                    self._log(log, display, batches, watch)
                    stopped = self.runtime.agree(stop.requested)
                stopped = stopped or (stop.requested and world_size() == 1)
                if self.step % budget.checkpoint_every == 0 or self.step == budget.steps or stopped:
                    self._save()
                if stopped:
                    break
        return Fitted(self.step, stopped and self.step < budget.steps, time.perf_counter() - start)

    def _train_step(self, loaded: LoadedBatch) -> None:
        """One optimiser step; every random number in it depends on the step alone."""
        seed_step(self.budget.seed, self.step)
        rate = learning_rate(
            self.step,
            peak=self.spec.lr or 0.0,
            steps=self.budget.steps,
            warmup_steps=self.spec.warmup_steps or 0,
            schedule=self.spec.schedule,
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        total = self._backward(loaded)
        if self.spec.clip_norm is not None:
            self.runtime.fabric.clip_gradients(self.wrapped, self.optimiser, max_norm=self.spec.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.method.after_step(self.step / self.budget.steps)
        self.losses.append(total)

    def _backward(self, loaded: LoadedBatch) -> Tensor:
        portions = self.budget.accumulate
        total = torch.zeros((), device=self.runtime.device)
        for number, portion in enumerate(_portions(loaded, portions)):
            batch = make_batch(
                portion,
                self.data,
                self.recipe,
                views=self.method.number_of_views,
                seed=self.budget.seed,
                runtime=self.runtime,
            )
            with self.runtime.fabric.no_backward_sync(self.wrapped, enabled=number < portions - 1):
                output = self.wrapped(batch)
                self.runtime.fabric.backward(output["loss"] / portions)
            total += output["loss"].detach() / portions
        self._embeddings = output.get("embeddings")
        return total

    def _log(
        self,
        log: RunLog,
        display: TrainingDisplay,
        batches: Batches,
        watch: Callable[[int], dict[str, float]] | None,
    ) -> None:
        losses = [process_mean(loss) for loss in self.losses]
        line: dict[str, Any] = {"step": self.step, "images_seen": self.step * self.budget.batch}
        line["loss"] = check_finite(losses, last_step=self.step)
        line["lr"] = self.optimiser.param_groups[0]["lr"]
        line |= self._speed(batches)
        if self._embeddings is not None:
            meter = collapse_meter(self._embeddings)
            line |= meter
            most = min(self._embeddings.shape[1:])
            trouble = alarm(meter, progress=self.step / self.budget.steps, most=most)
            if trouble and not self.alarmed:
                line["alarm"], self.alarmed = trouble, True
                display.say(f"step {self.step}: {trouble}")
        if watch is not None and self.runtime.is_main and self.step in self.budget.watch_at:
            line |= watch(self.step)
        log.write(line)
        display.show(line)
        self.losses = []
        self._mark(batches)

    def _mark(self, batches: Batches) -> None:
        """Start the clock of the next log line."""
        self._since, self._from_step, self._waited = time.perf_counter(), self.step, batches.wait_seconds

    def _speed(self, batches: Batches) -> dict[str, float]:
        seconds = max(time.perf_counter() - self._since, 1e-9)
        return {
            "images_per_second": round((self.step - self._from_step) * self.budget.batch / seconds, 1),
            "data_wait": round(min(1.0, (batches.wait_seconds - self._waited) / seconds), 4),
        }

    def _save(self) -> None:
        """Write a checkpoint, after making sure that nothing in it comes after a loss that is not finite."""
        if self.losses:
            check_finite([process_mean(loss) for loss in self.losses], last_step=self.step)
        if self.runtime.is_main:
            state = {
                "step": self.step,
                "method": self.method.state_dict(),
                "optimiser": self.optimiser.optimizer.state_dict(),
            }
            save_checkpoint(self.folder, state)
        self.runtime.barrier()

    def _restore(self) -> int:
        state = load_checkpoint(self.folder, self.runtime.device)
        if state is None:
            return 0
        self.method.load_state_dict(state["method"])
        self.optimiser.optimizer.load_state_dict(state["optimiser"])
        return int(state["step"])
