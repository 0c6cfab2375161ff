"""Compare arms on a labelled folder of your own: is a coat on your images worth its time?

    python examples/coats_on_your_folder.py scans/     # a folder per class, below train/ and test/ if you have them
    python examples/coats_on_your_folder.py --smoke    # seconds, on digits; its numbers mean nothing

Labels are used to judge the arms only; pretraining sees the images of train without them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import undercoat


def recipe_for(data: str, *, smoke: bool) -> undercoat.Recipe:
    """Random weights against a coat from scratch; with a real budget also an ImageNet base and HPT on it."""
    values: dict[str, Any] = {
        "name": "your-folder",
        "stages": {"base": {"init": "imagenet-lite0"}, "target": {"data": data, "size_px": 64}},
        "arms": ["random", "base", "target", "hpt", "hpt_bn"],
        "seeds": [0, 1, 2],
        "protocol": {"data": data, "size_px": 64},
    }
    if smoke:
        values["backbone"] = "timm/test_resnet"
        values["stages"] = {"target": {"data": data, "size_px": 32, "steps": 2, "batch": 32, "precision": "fp32"}}
        values |= {"arms": ["random", "target"], "seeds": [0], "watch": 0}
        values["protocol"] = {"data": data, "size_px": 32, "labels_limit": 200, "readouts": {"knn": {}}}
    return undercoat.Recipe.of(values, where="recipe")


def main() -> None:
    """Say what it takes, then do it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default="sample:digits", help="labelled images, as a data spec")
    parser.add_argument("--smoke", action="store_true", help="a tiny budget")
    parser.add_argument("--out", type=Path, default=Path("runs/your-folder"), help="folder of the study")
    options = parser.parse_args()

    study = undercoat.Study(recipe_for(options.data, smoke=options.smoke), out=options.out)
    for route in study.graph().routes:
        print(f"{route.arm} (seed {route.seed}): {study.graph().readable(route.coats[-1])}")

    report = study.run()  # stop it whenever you like; the same call goes on
    print(f"report {report}")
    backbone = undercoat.load_backbone(options.out / "target")
    print(f"target coat: {backbone.name}, {backbone.dim} features")


if __name__ == "__main__":
    main()
