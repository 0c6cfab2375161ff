"""Our side: the training loop as users run it, and its bare step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from throughput.setting import Task
from undercoat.augment.batch import Batch
from undercoat.data.loader import Batches
from undercoat.runtime import Runtime
from undercoat.training.feeding import make_batch
from undercoat.training.fit import fit
from undercoat.training.optim import build_optimiser
from undercoat.training.training import Budget
from undercoat.training.whole_set import WholeSet

__all__ = ["BareStep", "run_between_others"]

STORED_BATCHES = 4


class BareStep:
    """Forward, backward, optimiser and target encoder on views that lie in memory: no loading, no augmentation.

    Nothing of the loop is in it either: no wrapper, schedule, log or meter.
    """

    def __init__(self, task: Task, runtime: Runtime) -> None:
        self.dtype = runtime.autocast_dtype
        self.method = task.new_method().to(memory_format=torch.channels_last).train()
        self.optimiser = build_optimiser(task.stage.optimiser, self.method)
        budget = Budget(steps=1, batch=task.setting.batch, seed=1)
        training = task.training(budget, runtime, folder=Path())
        whole_set = WholeSet(task.data, size_px=training.recipe.size_px, batch=budget.batch, runtime=runtime)
        started = time.perf_counter()
        list(self.method.before_epoch(0, whole_set))
        self.before_epoch_seconds = time.perf_counter() - started
        wanted = {"views": self.method.number_of_views, "labelled": self.method.reads_labels}
        with Batches(task.data, batch=task.setting.batch, seed=1) as batches:
            self.stored = [make_batch(next(batches), training, **wanted) for _ in range(STORED_BATCHES)]

    def run(self, steps: int) -> float:
        """Seconds of ``steps`` steps."""
        started = time.perf_counter()
        for number in range(steps):
            self._step(self.stored[number % STORED_BATCHES])
        return time.perf_counter() - started

    def flops(self) -> int:
        """Floating-point operations of a step's products and convolutions, forward (both encoders) and backward."""
        with FlopCounterMode(display=False) as counter:
            self._step(self.stored[0])
        return int(counter.get_total_flops())

    def _step(self, batch: Batch) -> None:
        with torch.autocast("cpu", self.dtype, enabled=self.dtype is not None):
            loss = self.method(batch)["loss"]
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.method.after_step(0.5)


def run_between_others(
    task: Task, runtime: Runtime, folder: Path, others: Sequence[Callable[[], None]], warm_up: Callable[[], None]
) -> tuple[list[float], float]:
    """Train with ``fit``, pausing after every segment to run one of ``others``.

    The loop calls ``watch`` between two steps, where a k-NN curve would be measured; here that is the moment for
    the other side. A segment is all that happens between two such calls: loading, views, steps, schedule, collapse
    meter, log line, TensorBoard and display. The first segment warms up and is not counted.

    Returns:
        (seconds of ``len(others) + 1`` segments, so that each of the others lies between two of them; seconds of the
        checkpoint at the end, which is in no segment).
    """
    length = task.setting.segment_steps
    segments: list[float] = []
    clock = 0.0
    waiting = iter(others)

    def watch(step: int) -> dict[str, float]:
        nonlocal clock
        ended = time.perf_counter()
        if step > length:
            segments.append(ended - clock)
        (warm_up if step == length else next(waiting, lambda: None))()
        clock = time.perf_counter()
        return {}

    steps = (len(others) + 2) * length
    budget = Budget(
        steps=steps,
        batch=task.setting.batch,
        log_every=task.stage.log_every or length,
        checkpoint_every=steps,
        watch_at=frozenset(range(length, steps + 1, length)),
    )
    fitted = fit(task.new_method(), replace(task.training(budget, runtime, folder), title="benchmark", watch=watch))
    if fitted.stopped:
        raise SystemExit(f"stopped after step {fitted.step} of {steps}; nothing is kept, so start again")
    return segments, time.perf_counter() - clock
