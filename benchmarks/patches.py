"""How many patches of a photo a second: ours, and the released code's pipeline of Pillow and torchvision.

Both cut what the preset ``code`` says from the same photo, as uint8 tensors: ours through the loader with two threads,
theirs through a ``DataLoader`` with two workers. The rounds take turns, so that a machine with other work slows both
alike; the median round of each counts. Memory is the largest that a process of its own ever held.

    python benchmarks/patches.py [--json] [--keep] [--photo photo:hubble] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from math import sqrt
from typing import Any

import torch
from keeping import circumstances, keep
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from undercoat._torchvision import ensure_importable
from undercoat.data import open_data
from undercoat.data.loader import Batches
from undercoat.data.patches import PatchImages

WORKERS = 2
SIZES = {64: (64, 4096, 512), 224: (64, 1536, 128)}  # batch, patches a round of ours, of theirs
MANY = 10_000_000
_MEMORY = """
import resource, sys
from undercoat.data import open_data
from undercoat.data.loader import Batches
data = open_data(f"patches:photo:coffee?n={sys.argv[1]}&size=64").without_labels()
with Batches(data, batch=128, seed=0) as batches:
    for _ in range(40):
        next(batches)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


class TheirPatches(Dataset[Tensor]):
    """One item a patch, drawn and cut as the released code does."""

    def __init__(self, photo: Image.Image, size_px: int) -> None:
        v2 = import_module("torchvision.transforms.v2")
        bicubic, bilinear = (getattr(v2.InterpolationMode, name) for name in ("BICUBIC", "BILINEAR"))
        outer, ratio = int(sqrt(2) * size_px), (3 / 4, 4 / 3)
        self.photo = photo
        self.transform = v2.Compose(
            [
                v2.RandomCrop(int(0.5 * min(photo.size))),
                v2.RandomResizedCrop(outer, scale=(1 / 500, 1.0), ratio=ratio, interpolation=bicubic),
                v2.RandomAffine(30, shear=30, interpolation=bilinear),
                v2.CenterCrop(size_px),
                v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.5),
                v2.PILToTensor(),
            ]
        )

    def __len__(self) -> int:
        return MANY

    def __getitem__(self, index: int) -> Tensor:
        patch: Tensor = self.transform(self.photo)
        return patch


def one_thread(_: int) -> None:
    """Workers share the processors, as is usual."""
    torch.set_num_threads(1)


def theirs(photo: Image.Image, size_px: int, batch: int) -> Iterator[Tensor]:
    """Endless batches."""
    loader = DataLoader(
        TheirPatches(photo, size_px), batch, num_workers=WORKERS, worker_init_fn=one_thread, prefetch_factor=2
    )
    return iter(loader)


def ours(photo: str, size_px: int, batch: int, preset: str) -> Batches:
    """Endless batches."""
    return Batches(open_data(f"patches:{photo}?n={MANY}&size={size_px}&preset={preset}"), batch=batch, seed=0)


def rate(batches: Iterator[object], batch: int, patches: int) -> float:
    """Patches a second over a round."""
    started = time.perf_counter()
    for _ in range(patches // batch):
        next(batches)
    return patches // batch * batch / (time.perf_counter() - started)


def measure(photo: str, size_px: int, *, rounds: int) -> dict[str, Any]:
    """One row: the medians of rounds that take turns."""
    batch, many, few = SIZES[size_px]
    images: object = open_data(f"patches:{photo}?n=1").images
    assert isinstance(images, PatchImages)
    pixels = Image.fromarray(images.photos.pixels(0).copy())
    found: dict[str, list[float]] = {"code": [], "paper": [], "theirs": []}
    for number in range(rounds + 1):  # the first round warms up
        for preset in ("code", "paper"):
            with ours(photo, size_px, batch, preset) as batches:  # its thread must not run on beside the others
                next(batches)
                found[preset] += [rate(batches, batch, many)] if number else []
        loader = theirs(pixels, size_px, batch)
        for _ in range(2 * WORKERS + 1):  # what was read ahead before the clock
            next(loader)
        found["theirs"] += [rate(loader, batch, few)] if number else []
        del loader
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    return {
        "what": f"patches a second at {size_px} px",
        "ours": round(medians["code"]),
        "ours_paper": round(medians["paper"]),
        "theirs": round(medians["theirs"]),
        "ratio": round(medians["code"] / medians["theirs"], 2),
    }


def memory() -> dict[str, Any]:
    """One row: the largest memory of a process that reads from ten million patches, and from a thousand."""
    found = {}
    for count in (1000, MANY):
        done = subprocess.run([sys.executable, "-c", _MEMORY, str(count)], capture_output=True, text=True, check=True)
        found[count] = float(done.stdout)
    return {
        "what": f"MB for {MANY:,} patches, and for 1,000",
        "ours": round(found[MANY]),
        "ours_paper": "",
        "theirs": round(found[1000]),
        "ratio": round(found[MANY] / found[1000], 3),
    }


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/<date>-patches.csv")
    parser.add_argument("--photo", default="photo:hubble")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ensure_importable()
    torch.set_num_threads(WORKERS)
    rows = [measure(options.photo, size_px, rounds=options.rounds) for size_px in SIZES] + [memory()]
    rows = [{**row, "photo": options.photo, **circumstances()} for row in rows]
    if options.keep:
        keep(rows, "patches")
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        numbers = (
            f"ours {row['ours']:,} (preset paper {row['ours_paper']}), the other {row['theirs']:,}, × {row['ratio']}"
        )
        print(f"{row['what']:40s}{numbers}")


if __name__ == "__main__":
    main()
