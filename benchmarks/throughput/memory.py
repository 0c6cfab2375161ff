"""Peak anonymous memory of a short training on many cached images, each in a process of its own.

The kernel's page cache is left out (RssAnon of ``/proc/self/status``): a memory-mapped canvas cache may fill it, and
the kernel takes it back when somebody needs it. The network is a small one and the queue has the same length for
every set, so that what grows with the number of images is not hidden behind activations.

Run as a script, this file is such a process: ``python memory.py SPEC CACHE STEPS SIZE_PX BATCH`` prints MiB; with 0
steps it only builds the cache.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from throughput.setting import Setting

__all__ = ["compare"]

STATUS = Path("/proc/self/status")
CHUNK = 1000


def compare(setting: Setting, folder: Path) -> dict[str, float | None]:
    """Train on both set sizes in turn; returns the ratio of the median peaks, and the peaks."""
    if not STATUS.exists():
        return {"memory_100k_over_1k": None}
    peaks: dict[int, list[float]] = {count: [] for count in setting.memory_images}
    building: dict[int, float] = {}
    for count in setting.memory_images:
        _write_noise(folder / f"{count}.npy", count, setting.size_px)
        if setting.memory_building:
            building[count] = _in_process(folder, count, 0, setting)
    for _ in range(setting.memory_repeats):
        for count, measured in peaks.items():
            measured.append(_in_process(folder, count, setting.memory_steps, setting))
    few, many = setting.memory_images
    return {
        "memory_100k_over_1k": round(median(peaks[many]) / median(peaks[few]), 4),
        "memory_1k_mib": median(peaks[few]),
        "memory_100k_mib": median(peaks[many]),
        "memory_building_1k_mib": building.get(few),
        "memory_building_100k_mib": building.get(many),
    }


def _write_noise(path: Path, count: int, size_px: int) -> None:
    random = np.random.default_rng(0)
    shape = (count, size_px, size_px, 3)
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    for start in range(0, count, CHUNK):
        part = images[start : start + CHUNK]
        part[...] = random.integers(0, 256, part.shape, np.uint8)
    images.flush()


def _in_process(folder: Path, count: int, steps: int, setting: Setting) -> float:
    command = [sys.executable, __file__, str(folder / f"{count}.npy"), str(folder / "cache")]
    command += [str(steps), str(setting.size_px), str(setting.batch)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


class _Peak:
    """The largest RssAnon while active, looked at every few milliseconds."""

    def __init__(self) -> None:
        self.mib = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            lines = STATUS.read_text().splitlines()
            line = next(line for line in lines if line.startswith("RssAnon:"))
            self.mib = max(self.mib, float(line.split()[1]) / 1024)
            if self._ended.wait(0.005):
                return


def _train(spec: str, cache: str, steps: int, size_px: int, batch: int) -> None:
    from torch import nn

    from undercoat.augment import augmentation
    from undercoat.backbones import Backbone
    from undercoat.data import open_data
    from undercoat.methods import method_class
    from undercoat.runtime import Runtime
    from undercoat.training.fit import fit
    from undercoat.training.optim import OptimiserSpec
    from undercoat.training.training import Budget, Training

    data = open_data(spec, size_px=size_px, cache=cache, progress=False).without_labels()
    if steps == 0:
        return
    layers = [nn.Conv2d(3, 16, 3, stride=4), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    backbone = Backbone(nn.Sequential(*layers), name="", dim=16, channels=3, mean=data.mean, std=data.std)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(
            data=data,
            recipe=augmentation("moco_v2", size_px=size_px),
            optimiser=OptimiserSpec(name="adamw", lr=1e-3, weight_decay=0.01),
            budget=Budget(steps=steps, batch=batch, checkpoint_every=steps),
            part="all",
            runtime=Runtime.start(device="cpu", backbone=backbone),
            folder=Path(folder),
        )
        fit(method_class("moco_v2")(backbone, queue_size=500), training)


if __name__ == "__main__":
    with _Peak() as peak:
        _train(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
    print(round(peak.mib, 1))
