"""Lay one coat on a network, ask whether it helped, and use the result.

python examples/one_coat.py           # from the ImageNet base of undercoat[base]; minutes on a CPU
python examples/one_coat.py --smoke   # seconds; shows the calls, its numbers mean nothing
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

import undercoat

FULL: dict[str, Any] = {"data": "sample:twemoji", "init": "imagenet-lite0", "size_px": 64}  # steps: auto
SMOKE: dict[str, Any] = {
    "data": "sample:digits",
    "backbone": "timm/test_resnet",
    "steps": 2,
    "batch": 32,
    "precision": "fp32",
}


def main() -> None:
    """Pretrain, evaluate, load."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a tiny budget")
    parser.add_argument("--out", type=Path, default=None, help="folder of the run (default: runs/one-coat[-smoke])")
    options = parser.parse_args()
    settings = SMOKE if options.smoke else FULL
    out = options.out or Path("runs") / ("one-coat-smoke" if options.smoke else "one-coat")

    run = undercoat.pretrain(out=out, **settings)

    # The arms are random weights, the weights that the coat was laid on (if any), and the coat itself.
    rows = undercoat.evaluate(run, data=settings["data"], readout="knn", labels_limit=200 if options.smoke else None)
    for row in rows:
        if row.versus:
            print(f"{row.arm} − {row.versus}: {row.value:+.3f}, 95 % interval {row.ci_low:+.3f} … {row.ci_high:+.3f}")

    backbone = undercoat.load_backbone(run)
    features = backbone(torch.rand(4, 3, 64, 64))
    print(f"features {tuple(features.shape)}, report {undercoat.build_report(run)}")


if __name__ == "__main__":
    main()
