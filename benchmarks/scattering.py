"""Images a second of the scattering transform, against kymatio's on the same images in the same run.

python benchmarks/scattering.py [--json] [--save] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from keeping import circumstances, keep
from torch import Tensor

from undercoat.functional.scattering import scattering

SETTINGS = ((32, 2, 64), (64, 3, 32), (224, 3, 4))
"""Side of the images in pixels, scales, and how many at a time."""


def kymatio_2d() -> Callable[[int, int], Callable[[Tensor], Tensor]]:
    """Kymatio's two-dimensional part, below a stand-in for the package, which does not import (ADR 10)."""
    found = find_spec("kymatio")
    if found is None:
        raise SystemExit("kymatio is not installed; pip install kymatio==0.3.0")
    package = ModuleType("kymatio_in_two_dimensions")
    package.__path__ = list(found.submodule_search_locations or [])
    sys.modules[package.__name__] = package
    transform = import_module(f"{package.__name__}.scattering2d.frontend.torch_frontend").ScatteringTorch2D
    backend = import_module(f"{package.__name__}.scattering2d.backend.torch_backend").backend
    return lambda size_px, scales: transform(scales, (size_px, size_px), backend=backend)


def seconds(work: Callable[[], Tensor]) -> float:
    """Of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@torch.inference_mode()
def measure(rounds: int) -> dict[str, Any]:
    """Best of some rounds of each, taken in turns."""
    theirs, found = kymatio_2d(), {}
    for size_px, scales, images in SETTINGS:
        batch = torch.rand(images, 3, size_px, size_px, generator=torch.Generator().manual_seed(0))
        other = theirs(size_px, scales)
        difference = (scattering(batch, scales=scales) - other(batch)).abs().max() / other(batch).abs().max()
        ours_best = theirs_best = float("inf")
        for _ in range(rounds):
            ours_best = min(ours_best, seconds(lambda: scattering(batch, scales=scales)))  # noqa: B023
            theirs_best = min(theirs_best, seconds(lambda: other(batch)))  # noqa: B023
        found[f"images_per_second_{size_px}px"] = round(images / ours_best, 1)
        found[f"over_kymatio_{size_px}px"] = round(theirs_best / ours_best, 2)
        found[f"largest_difference_{size_px}px"] = float(f"{float(difference):.2g}")
    return {**found, "rounds": rounds, **circumstances()}


def main() -> None:
    """Measure, print and, when asked, keep the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>-scattering.csv")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    result = measure(options.rounds)
    if options.save:
        keep([result], "scattering")
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28s}{value}")


if __name__ == "__main__":
    main()
