"""Every method: the training loop against the method's own bare step.

ResNet-18, views of 64 px, batch 128, ``sample:noto``, on the CPU, every value ``auto``. For each method segments of
the loop as users run it (loading, views, step, schedule, log) alternate with segments of the same step on views that
lie in memory; each of the latter is compared with the mean of the two around it, and the median of the ratios counts.
What a method does between passes over the data (DeepCluster's features, PCA and k-means) is in no bare step and is
reported apart, as ``before_pass_seconds``.

    python benchmarks/methods.py [--json] [--save] [--quick] [--only NAME ...] [--rounds 3] [--cache DIR]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from keeping import circumstances, keep
from throughput.ours import BareStep, run_between_others
from throughput.setting import FULL, QUICK, Setting, Task

from undercoat.methods import METHODS
from undercoat.runtime import Runtime

TARGET = 0.9


def measure(name: str, setting: Setting, folder: Path, cache: Path) -> dict[str, Any]:
    """One method: its ratio, and images a second of both sides."""
    task = Task(setting, cache, method=name)
    runtime = Runtime.start(device="cpu", backbone=task.new_method().backbone)
    bare = BareStep(task, runtime)
    seconds: list[float] = []
    segments = [lambda: seconds.append(bare.run(setting.segment_steps))] * setting.rounds
    ours, _ = run_between_others(task, runtime, folder / name, segments, lambda: seconds.clear() or bare.run(2))
    around = [(before + after) / 2 for before, after in pairwise(ours)]
    images = setting.segment_steps * setting.batch
    return {
        "method": name,
        "pipeline_over_bare": round(median(b / o for b, o in zip(seconds, around, strict=True)), 3),
        "ours_images_per_second": round(images / median(ours), 1),
        "bare_images_per_second": round(images / median(seconds), 1),
        "before_pass_seconds": round(bare.before_epoch_seconds, 2),
        "precision": runtime.precision,
        "backbone": setting.backbone,
        "size_px": setting.size_px,
        "batch": setting.batch,
        "rounds": setting.rounds,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        **circumstances(),
    }


def main() -> None:
    """Measure, print and, when asked, keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one line of JSON a method")
    parser.add_argument("--save", action="store_true", help="write results/<date>-methods.csv")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, the numbers mean nothing")
    parser.add_argument("--only", nargs="+", choices=sorted(METHODS), default=sorted(METHODS), help="these methods")
    parser.add_argument("--rounds", type=int, default=3, help="fewer are faster and noisier")
    parser.add_argument("--cache", default="", help="folder for decoded canvases; a temporary one by default")
    options = parser.parse_args()
    if options.save and options.quick:
        parser.error("--quick gives numbers without meaning, which --save does not keep; leave one of them out")
    setting = replace(QUICK, size_px=48) if options.quick else replace(FULL, segment_steps=5)
    setting = replace(setting, rounds=options.rounds)
    rows = []
    with tempfile.TemporaryDirectory(prefix="undercoat-benchmark-") as temporary:
        folder = Path(temporary)
        for name in options.only:
            rows.append(measure(name, setting, folder, Path(options.cache or folder / "cache")))
            if options.json:
                print(json.dumps(rows[-1]), flush=True)
            else:
                ratio, speed = rows[-1]["pipeline_over_bare"], rows[-1]["ours_images_per_second"]
                print(f"{name:20s}{ratio:6.3f} (at least {TARGET})  {speed:8.1f} images/s", flush=True)
    if options.save:
        print(keep(rows, "methods", key="method"))


if __name__ == "__main__":
    main()
