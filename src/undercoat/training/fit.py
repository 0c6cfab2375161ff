"""The training loop: one for every method, budget and number of processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from undercoat.backbones import Backbone, set_mode, set_trainable
from undercoat.data.loader import Batches, LoadedBatch
from undercoat.runtime import process_mean, rank, seed_step, world_size
from undercoat.training.checkpoint import load_checkpoint, save_checkpoint
from undercoat.training.feeding import make_batch
from undercoat.training.health import alarm, check_finite, collapse_meter
from undercoat.training.interrupt import StopRequest
from undercoat.training.log import RunLog
from undercoat.training.optim import build_optimiser
from undercoat.training.pictures import save_pictures
from undercoat.training.progress import TrainingDisplay
from undercoat.training.schedule import learning_rate
from undercoat.training.training import Training
from undercoat.training.whole_set import WholeSet

__all__ = ["Fitted", "fit"]


@dataclass(frozen=True)
class Fitted:
    """How the loop ended."""

    step: int
    stopped: bool
    seconds: float


def _portions(loaded: LoadedBatch, count: int) -> Iterator[LoadedBatch]:
    """Cut a loaded batch into ``count`` equal parts."""
    size = len(loaded.index) // count
    for start in range(0, size * count, size):
        part = slice(start, start + size)
        images, aspect = loaded.images[part], loaded.aspect[part]
        yield LoadedBatch(images, aspect, loaded.index[part], loaded.epoch[part], loaded.step)


def fit(method: nn.Module, training: Training) -> Fitted:
    """Train ``method`` in place to the end of the budget, from the checkpoint in the folder if there is one.

    Args:
        method: meets the contract of ``undercoat.methods.Method``.
        training: what it is fed, how it is optimised, for how long and where.

    Raises:
        RunError: when the loss is not finite, naming the step; when the disk is full.
    """
    for backbone in (module for module in method.modules() if isinstance(module, Backbone)):
        own = backbone is method.backbone
        set_trainable(backbone, training.part if own else "head", frozen=training.frozen if own else ())
    method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return _Loop(method, training).run()


class _Loop:
    """State of one call of :func:`fit`; exists so that its steps are methods of a screen each."""

    def __init__(self, method: Any, training: Training) -> None:
        self.method, self.training, self.budget = method, training, training.budget
        self.spec, self.runtime = training.optimiser, training.runtime
        self.wrapped, self.optimiser = self.runtime.fabric.setup(method, build_optimiser(self.spec, method))
        self.step = self._restore()
        method.train()
        for module in (module for module in method.modules() if isinstance(module, Backbone)):
            set_mode(module, training.part, frozen=training.frozen)
        size_px, batch = training.recipe.size_px, max(1, self.budget.batch // world_size())
        self.whole_set = WholeSet(training.data, size_px=size_px, batch=batch, runtime=self.runtime)
        self.losses: list[Tensor] = []
        self.numbers: dict[str, list[Tensor]] = {}
        self.alarmed = False

    def run(self) -> Fitted:
        """Train to the end of the budget, or until asked to stop."""
        training, budget, main = self.training, self.budget, self.runtime.is_main
        start, stopped = time.perf_counter(), False
        log = RunLog(training.folder, start_step=self.step, tensorboard=training.tensorboard, enabled=main)
        batches = Batches(
            training.data,
            batch=budget.batch,
            seed=budget.seed,
            rank=rank(),
            world=world_size(),
            start_step=self.step,
            device=self.runtime.device,
        )
        display = TrainingDisplay(training.title, steps=budget.steps, start=self.step, enabled=main)
        with batches, StopRequest() as stop, log, display:
            self._mark(batches)
            for loaded in batches:
                if self.step >= budget.steps:
                    break
                self._begin_pass()
                self._train_step(loaded)
                display.advance(self.step)
                if self.step % budget.log_every == 0 or self.step in (budget.steps, *budget.watch_at):
                    self._log(log, display, batches)
                    stopped = self.runtime.agree(stop.requested)
                stopped = stopped or (stop.requested and world_size() == 1)
                if self.step in budget.pictures_at and main:
                    save_pictures(self.method, self.training, self.step)
                if self.step % budget.checkpoint_every == 0 or self.step == budget.steps or stopped:
                    self._save()
                if stopped:
                    break
        return Fitted(self.step, stopped and self.step < budget.steps, time.perf_counter() - start)

    def _begin_pass(self) -> None:
        """Let the method look at the whole data set where a pass over it begins."""
        batch, images = self.budget.batch, len(self.training.data)
        number = self.step * batch // images
        if self.step > 0 and number == (self.step - 1) * batch // images:
            return
        start = time.perf_counter()
        for parameter in self.method.before_epoch(number, self.whole_set):
            self.optimiser.optimizer.state.pop(parameter, None)
        if self.method.looks_at(number):
            self._looked += time.perf_counter() - start

    def _train_step(self, loaded: LoadedBatch) -> None:
        """One optimiser step; every random number in it depends on the step alone."""
        seed_step(self.budget.seed, self.step)
        rate = learning_rate(
            self.step,
            peak=self.spec.lr or 0.0,
            steps=self.budget.steps,
            warmup_steps=self.spec.warmup_steps or 0,
            schedule=self.spec.schedule,
            milestones=self.spec.milestones or (),
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
            method = self.method
            batch = make_batch(portion, self.training, views=method.number_of_views, labelled=method.reads_labels)
            with self.runtime.fabric.no_backward_sync(self.wrapped, enabled=number < portions - 1):
                output = self.wrapped(batch)
                self.runtime.fabric.backward(output["loss"] / portions)
            total += output["loss"].detach() / portions
            for name, value in output.items():
                if name not in ("loss", "embeddings"):
                    self.numbers.setdefault(name, []).append(value.detach())
        self._embeddings = output.get("embeddings")
        return total

    def _log(self, log: RunLog, display: TrainingDisplay, batches: Batches) -> None:
        losses = [process_mean(loss) for loss in self.losses]
        line: dict[str, Any] = {"step": self.step, "images_seen": self.step * self.budget.batch}
        line["loss"] = check_finite(losses, last_step=self.step)
        line |= self._numbers()
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
        watch = self.training.watch
        if watch is not None and self.runtime.is_main and self.step in self.budget.watch_at:
            line |= watch(self.step)
        log.write(line)
        display.show(line)
        self.losses = []
        self._mark(batches)

    def _numbers(self) -> dict[str, float]:
        """Means since the last log line of what the method gave besides its loss, and what guessing would score."""
        means = {name: process_mean(torch.stack(values).float().mean()) for name, values in self.numbers.items()}
        self.numbers = {}
        line = {name: round(mean.item(), 6) for name, mean in means.items()}
        return line | {f"{name}_chance": level for name, level in self.method.chance.items() if name in line}

    def _mark(self, batches: Batches) -> None:
        """Start the clock of the next log line."""
        self._since, self._from_step, self._waited = time.perf_counter(), self.step, batches.wait_seconds
        self._looked = 0.0

    def _speed(self, batches: Batches) -> dict[str, float]:
        seconds = max(time.perf_counter() - self._since - self._looked, 1e-9)
        looked = {"look_seconds": round(self._looked, 3)} if self._looked else {}
        return {
            **looked,
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
            save_checkpoint(self.training.folder, state)
        self.runtime.barrier()

    def _restore(self) -> int:
        state = load_checkpoint(self.training.folder, self.runtime.device)
        if state is None:
            return 0
        self.method.load_state_dict(state["method"])
        self.optimiser.optimizer.load_state_dict(state["optimiser"])
        return int(state["step"])
