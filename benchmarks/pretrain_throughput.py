"""MoCo v2 pretraining: our loop against its own bare step, against lightly's parts, and against the processor.

ResNet-18, views of 64 px, batch 128, ``sample:noto`` (1,906 images), on the CPU. Everything is timed in one process;
segments of ten steps alternate (ours, another, ours, another, …), every other segment is compared with the mean of
the two of ours around it, and the median of these ratios counts: other work on the machine slows all sides alike.

- **ours** is ``undercoat.training.fit`` with every value that ``undercoat pretrain`` leaves ``auto`` resolved for a
  budget of 1,000 steps: canvas cache, batched views, bf16 and channels-last where the processor gains from them, fused
  AdamW, batch statistics in groups, target encoder, queue, log, collapse meter, TensorBoard. Checkpoints are in no
  segment; ``checkpoint_seconds`` says what one costs (one in 100 steps by default).
- **bare** is the same step on views that lie in memory: forward, backward, optimiser, target encoder and queue.
- **lightly** is the same method from ``lightly``'s public parts, put together as its documentation does:
  ``LightlyDataset`` of 64-px PNG files (the same pixels), ``MoCoV2Transform(input_size=64)``, a ``DataLoader`` with one
  worker per processor that shuffles and drops the last batch, ``MoCoProjectionHead``, ``update_momentum``,
  ``batch_shuffle``, and ``NTXentLoss`` with a memory bank. It gets our network with the same first weights, our queue
  length, temperature, momentum, learning rate and optimiser class, in PyTorch's default implementation. ``fp32`` is
  what its example does; ``bf16`` adds autocast. Each of its segments has a lead-in that is not timed, for its workers
  to start. Its batch statistics are over the whole batch, and no log is kept, which is less work than ours.

Ratios above 1 say that we are faster. ``share_of_peak`` is the bare step's rate of floating-point operations (products
and convolutions, forward of both encoders and backward) over that of a large bf16 matrix product beside it.
``memory_100k_over_1k`` compares the peak of anonymous memory of a short training on 100,000 and on 1,000 cached images
(see ``throughput/memory.py``).

    python benchmarks/pretrain_throughput.py [--json] [--save] [--quick] [--rounds 4] [--without-lightly] [--cache DIR]
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from keeping import RESULTS, circumstances
from throughput import memory
from throughput.ours import BareStep, run_between_others
from throughput.setting import FULL, QUICK, Setting, Task
from throughput.theirs import LightlyMoCo, installed, write_pictures

from undercoat.runtime import Runtime

TARGETS = {"pipeline_over_bare": 0.95, "over_lightly_fp32": 2.0, "over_lightly_bf16": 1.25}
PRODUCTS = 5


def product_rate(side: int) -> float:
    """Floating-point operations a second of a square bf16 matrix product, on this process's threads."""
    first, second = (torch.randn(side, side).to(torch.bfloat16) for _ in range(2))
    started = time.perf_counter()
    for _ in range(PRODUCTS):
        first @ second
    return PRODUCTS * 2 * side**3 / (time.perf_counter() - started)


class Comparison:
    """The other sides, run one at a time between two segments of ours."""

    def __init__(self, task: Task, runtime: Runtime, folder: Path, *, lightly: bool) -> None:
        self.setting = task.setting
        self.bare = BareStep(task, runtime)
        self.sides: dict[str, Callable[[int], float]] = {"bare": self.bare.run}
        if lightly:
            write_pictures(task, folder / "pictures")
            for name, dtype in (("lightly_fp32", None), ("lightly_bf16", torch.bfloat16)):
                self.sides[name] = LightlyMoCo(task, folder / "pictures", dtype=dtype).run
        names = [name for other in list(self.sides)[1:] for name in ("bare", other)] or ["bare"]
        self.order = names * self.setting.rounds
        self.seconds: list[float] = []
        self.product_rates: list[float] = []
        self.flops = 0

    def warm_up(self) -> None:
        """Run each side once, uncounted."""
        self.flops = self.bare.flops()
        for run in self.sides.values():
            run(2)
        product_rate(self.setting.product_side)

    def segment(self, name: str) -> None:
        """Measure one segment of a side; after a bare one, the physical limit too."""
        self.seconds.append(self.sides[name](self.setting.segment_steps))
        if name == "bare":
            self.product_rates.append(product_rate(self.setting.product_side))

    def result(self, ours: list[float]) -> dict[str, Any]:
        """Ratios and rates from our segments, each of the others' lying between two of them."""
        around = [(before + after) / 2 for before, after in pairwise(ours)]
        images = self.setting.segment_steps * self.setting.batch

        def of(name: str) -> list[tuple[float, float]]:
            rows = zip(self.order, self.seconds, around, strict=True)
            return [(seconds, mine) for side, seconds, mine in rows if side == name]

        def over(name: str) -> float | None:
            return round(median(other / mine for other, mine in of(name)), 3) if name in self.sides else None

        step_rates = [self.flops * self.setting.segment_steps / seconds for seconds, _ in of("bare")]
        shares = [rate / limit for rate, limit in zip(step_rates, self.product_rates, strict=True)]
        rates = {f"{name}_images_per_second": round(images / median(s for s, _ in of(name)), 1) for name in self.sides}
        return {
            "pipeline_over_bare": over("bare"),
            "over_lightly_fp32": over("lightly_fp32"),
            "over_lightly_bf16": over("lightly_bf16"),
            "share_of_peak": round(median(shares), 3),
            "ours_images_per_second": round(images / median(ours), 1),
            **rates,
            "step_gflop": round(self.flops / 1e9, 1),
            "product_gflop_per_second": round(median(self.product_rates) / 1e9, 1),
        }


def measure_speed(setting: Setting, folder: Path, cache: Path, *, lightly: bool) -> dict[str, Any]:
    """Everything but memory."""
    task = Task(setting, cache)
    runtime = Runtime.start(device="cpu", backbone=task.new_method().backbone)
    others = Comparison(task, runtime, folder, lightly=lightly)
    segments: list[Callable[[], None]] = [lambda name=name: others.segment(name) for name in others.order]
    ours, checkpoint_seconds = run_between_others(task, runtime, folder / "run", segments, others.warm_up)
    return {
        **others.result(ours),
        "checkpoint_seconds": round(checkpoint_seconds, 2),
        "precision": runtime.precision,
        "queue_size": task.stage.method_arguments["queue_size"],
        "norm_groups": task.stage.method_arguments["norm_groups"],
    }


def measure(setting: Setting, cache: str, *, lightly: bool) -> dict[str, Any]:
    """All numbers, the promised ones first."""
    with tempfile.TemporaryDirectory(prefix="undercoat-benchmark-") as temporary:
        folder = Path(temporary)
        speed = measure_speed(setting, folder, Path(cache or folder / "cache"), lightly=lightly)
        peak = memory.compare(setting, folder)
    first = ("pipeline_over_bare", "over_lightly_fp32", "over_lightly_bf16")
    return {
        **{name: speed.pop(name) for name in first},
        "memory_100k_over_1k": peak.pop("memory_100k_over_1k"),
        "share_of_peak": speed.pop("share_of_peak"),
        **speed,
        **peak,
        "backbone": setting.backbone,
        "size_px": setting.size_px,
        "batch": setting.batch,
        "rounds": setting.rounds,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        **circumstances(),
        "lightly": version("lightly") if lightly else None,
    }


def save(result: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Append to the day's CSV; a file with other columns is left alone and a new one begun."""
    folder.mkdir(exist_ok=True)
    stem, number, header = f"{result['date']}-pretrain-throughput", 1, list(result)
    path = folder / f"{stem}.csv"
    while path.exists() and next(csv.reader(path.read_text(encoding="utf-8").splitlines()), []) != header:
        number += 1
        path = folder / f"{stem}-{number}.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header] * new + [list(result.values())])
    return path


def main() -> None:
    """Measure, print and, when asked, keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--save", action="store_true", help="append to results/<date>-pretrain-throughput.csv")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, the numbers mean nothing")
    parser.add_argument("--rounds", type=int, default=0, help="fewer are faster and noisier")
    parser.add_argument("--without-lightly", action="store_true", help="leave the comparison with lightly out")
    parser.add_argument("--cache", default="", help="folder for decoded canvases; a temporary one by default")
    options = parser.parse_args()
    if options.save and options.quick:
        parser.error("--quick gives numbers without meaning, which --save does not keep; leave one of them out")
    if not (options.without_lightly or installed()):
        parser.error("lightly is missing: pip install -c constraints.txt -e '.[bench]', or give --without-lightly")
    setting = QUICK if options.quick else FULL
    setting = replace(setting, rounds=options.rounds or setting.rounds)
    result = measure(setting, options.cache, lightly=not options.without_lightly)
    if options.save:
        save(result)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        aim = f"   (at least {TARGETS[name]})" if name in TARGETS else ""
        print(f"{name:34s}{value}{aim}")


if __name__ == "__main__":
    main()
