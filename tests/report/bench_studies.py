"""Folders of experiments as finished studies leave them: axes, protocols and sequences, with invented numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from undercoat.records import Record, append

IMAGES = 400
STEPS = "stages.target.steps"
Levels = Mapping[str, float]


def _rows(arm: str, level: float, seeds: Sequence[int], **about: Any) -> list[Record]:
    noise = np.random.default_rng(sum(map(ord, arm)))
    rows = []
    for readout, lift in (("knn", 0.0), ("linear", 0.04)):
        single = [
            Record(arm=arm, seed=seed, stage=f"{arm}-{seed}", readout=readout, metric="accuracy", n=IMAGES,
                   value=round(level + lift + 0.01 * (seed - 1) + 0.004 * noise.normal(), 4),
                   eval_data="sample:twemoji", **about)
            for seed in seeds
        ]  # fmt: skip
        mean = float(np.mean([row.value for row in single]))
        if len(seeds) > 1:
            ends = {"ci_low": mean - 0.03, "ci_high": mean + 0.03, "interval": "bootstrap over images and seeds"}
            rows.append(replace(single[0], seed=-1, stage="", value=mean, **ends))
        rows += single
    return rows


def _arm(name: str, coats: Sequence[str], seeds: Sequence[int], family: str = "", **values: Any) -> dict[str, Any]:
    labels = {path: str(value) for path, value in values.get("at", {}).items()}
    return {
        "name": name,
        "arm": family or name,
        "values": dict(values.get("at", {})),
        "labels": labels,
        "coats": list(coats),
        "stages": {str(seed): [f"{name}-{seed}"] for seed in seeds},
    }


def write(
    root: Path, arms: Sequence[Mapping[str, Any]], rows: Sequence[Record], seeds: Sequence[int], **more: Any
) -> Path:
    """Write study.json and records.jsonl."""
    root.mkdir(parents=True)
    study = {"name": root.name, "command": "undercoat study run", "seeds": list(seeds), "arms": list(arms), **more}
    (root / "study.json").write_text(json.dumps(study), encoding="utf-8")
    null = Record(arm="majority class", readout="majority", metric="accuracy", value=0.31, n=IMAGES,
                  eval_data="sample:twemoji", eval=rows[0].eval)  # fmt: skip
    append(root, [*rows, null])
    for stage in {row.stage for row in rows if row.stage}:
        (root / "stages" / stage).mkdir(parents=True)
        (root / "stages" / stage / "done.json").write_text("{}", encoding="utf-8")
        (root / "stages" / stage / "stage.yaml").write_text("kind: init\n", encoding="utf-8")
    return root


def separability(
    root: Path, seeds: Sequence[int] = (0, 1, 2), budgets: Sequence[int] = (50, 500, 5000, 50_000), missing: str = ""
) -> Path:
    """Target and hpt over steps, random and base beside; ``missing`` names an arm that has its first seed only."""
    arms = [_arm("random", (), seeds), _arm("base", ("imagenet-lite0",), seeds)]
    rows = _rows("random", 0.40, seeds) + _rows("base", 0.55, seeds)
    for family, coats in (("target", ("target: moco_v2",)), ("hpt", ("imagenet-lite0", "target: moco_v2"))):
        for steps in budgets:
            name = f"{family}[steps={steps}]"
            level = 0.40 + 0.05 * math.log10(steps / 5) if family == "target" else 0.55 + 0.025 * math.log10(steps / 5)
            arms.append(_arm(name, coats, seeds, family, at={STEPS: steps}))
            rows += _rows(name, level, seeds[:1] if name == missing else seeds, steps=steps)
    axis = {"path": STEPS, "name": "steps", "values": list(budgets), "labels": [str(one) for one in budgets]}
    return write(root, arms, rows, seeds, axes=[axis])


def two_axes(root: Path, seeds: Sequence[int] = (0, 1, 2)) -> Path:
    """Target and hpt over steps times augmentations, random and base beside; hpt lacks 500 steps of crop only."""
    path, names = "stages.target.augmentation", ("full", "crop only")
    arms = [_arm("random", (), seeds), _arm("base", ("net",), seeds)]
    rows = _rows("random", 0.40, seeds) + _rows("base", 0.55, seeds)
    for family, coats in (("hpt", ("net", "target: moco_v2")), ("target", ("target: moco_v2",))):
        places = [(one, steps) for one in names for steps in (50, 500, 5000)]
        for one, steps in places:
            if (family, one, steps) == ("hpt", "crop only", 500):
                continue
            name = f"{family}[steps={steps}, augmentation={one}]"
            level = 0.40 + 0.05 * math.log10(steps / 5) + (0.05 if family == "hpt" else 0) - 0.03 * (one != "full")
            arms.append(_arm(name, coats, seeds, family, at={STEPS: steps, path: one}))
            rows += _rows(name, level, seeds, steps=steps)
    axes = [
        {"path": STEPS, "name": "steps", "values": [50, 500, 5000], "labels": ["50", "500", "5000"]},
        {"path": path, "name": "augmentation", "values": list(names), "labels": list(names)},
    ]
    return write(root, arms, rows, seeds, axes=axes)


def few_labels(root: Path, seeds: Sequence[int] = (0, 1)) -> Path:
    """Three arms judged with 50, 200 and all 1,500 labels."""
    path = "protocol.labels_limit"
    used = {50: 50, 200: 200, None: 1500}
    arms, rows = [], []
    for name, coats, level in (
        ("random", (), 0.35),
        ("base", ("net",), 0.5),
        ("hpt", ("net", "target: moco_v2"), 0.56),
    ):
        arms.append(_arm(name, coats, seeds))
        for labels in used.values():
            about = {"eval": f"e{labels}", "labels": labels}
            rows += _rows(name, level + 0.08 * math.log10(labels / 50), seeds, **about)
    axis = {"path": path, "name": "labels_limit", "values": list(used), "labels": [str(one) for one in used]}
    protocols = [
        {"eval": f"e{labels}", "values": {path: limit}, "labels": {path: str(limit)}} for limit, labels in used.items()
    ]
    return write(root, arms, rows, seeds, axes=[axis], protocols=protocols)


AUGMENTATIONS = ("full", "no grey", "no jitter", "crop+blur", "crop only")


def augmentation(root: Path, seeds: Sequence[int] = (0, 1, 2)) -> Path:
    """Target and hpt with ever fewer augmentations, base beside."""
    path = "stages.target.augmentation"
    arms, rows = [_arm("base", ("imagenet-lite0",), seeds)], _rows("base", 0.55, seeds)
    for family, start, loss in (("target", 0.58, 0.05), ("hpt", 0.62, 0.01)):
        for place, one in enumerate(AUGMENTATIONS):
            name = f"{family}[augmentation={one}]"
            coats = (*(("imagenet-lite0",) if family == "hpt" else ()), "target: moco_v2")
            arms.append(_arm(name, coats, seeds, family, at={path: one}))
            rows += _rows(name, start - loss * place, seeds)
    axis = {"path": path, "name": "augmentation", "values": list(AUGMENTATIONS), "labels": list(AUGMENTATIONS)}
    return write(root, arms, rows, seeds, axes=[axis])


def sequences(root: Path, seeds: Sequence[int] = (0, 1, 2)) -> Path:
    """B, S, T and what can be laid over what."""
    coats = {"B": "imagenet-lite0", "S": "source: moco_v2", "T": "target: moco_v2"}
    levels = {"B": 0.55, "S": 0.5, "T": 0.48, "B+S": 0.57, "S+T": 0.53, "B+T": 0.6, "B+S+T": 0.63}
    arms = [_arm(name, [coats[one] for one in name.split("+")], seeds) for name in levels]
    return write(root, arms, [row for name, level in levels.items() for row in _rows(name, level, seeds)], seeds)
