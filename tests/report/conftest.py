"""A study folder as a finished study leaves it, with invented numbers and drawn pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from undercoat.records import Record, append

STEPS = 150
TEST_IMAGES = 382
VALUES = {  # arm: coats, trained part, k-NN, linear
    "random": ((), "", 0.47, 0.55),
    "base": (("imagenet-lite0",), "", 0.68, 0.73),
    "target": (("target: moco_v2",), "all", 0.58, 0.60),
    "hpt_bn": (("imagenet-lite0", "target: moco_v2 (norms)"), "norm", 0.70, 0.735),
    "hpt": (("imagenet-lite0", "target: moco_v2"), "all", 0.72, 0.742),
}
DIFFERENCES = [  # arm, versus, readout, value, half-interval
    ("hpt", "base", "knn", 0.040, 0.030),
    ("hpt", "base", "linear", 0.012, 0.029),
    ("hpt_bn", "base", "knn", 0.020, 0.026),
    ("hpt_bn", "base", "linear", 0.005, 0.024),
    ("target", "random", "knn", 0.110, 0.045),
    ("target", "random", "linear", 0.050, 0.041),
    ("hpt", "target", "knn", 0.140, 0.046),
    ("hpt", "target", "linear", 0.142, 0.044),
    ("hpt_bn", "hpt", "knn", -0.020, 0.025),
    ("hpt_bn", "hpt", "linear", -0.007, 0.022),
    ("base", "random", "knn", 0.210, 0.050),
    ("base", "random", "linear", 0.180, 0.048),
]


def digest_of(arm: str, seed: int) -> str:
    return f"{arm.replace('_', '')}{seed}".ljust(12, "0")


def chain_of(arm: str, seed: int) -> list[str]:
    """Stages of an arm: what it starts from, then its coat."""
    if arm in {"random", "base"}:
        return [digest_of(arm, seed)]
    return [digest_of("random" if arm == "target" else "base", seed), digest_of(arm, seed)]


def _picture(path: Path, width: int, height: int) -> None:
    y, x = np.mgrid[0:height, 0:width]
    tiles = np.stack([(x // 16 * 37) % 256, (y // 16 * 53) % 256, ((x // 16 + y // 16) * 29) % 256], axis=-1)
    Image.fromarray(tiles.astype(np.uint8)).save(path)


def _log(folder: Path, arm: str, seed: int, last: int) -> None:
    noise = np.random.default_rng(seed * 7 + len(arm)).normal(size=last + 1)
    lines = [
        {
            "step": step,
            "images_seen": 128 * step,
            "loss": round(5.5 - 1.2 * step / STEPS + 0.1 * noise[step], 4),
            "lr": 3e-4,
            "images_per_second": 410.0 + noise[step],
            "data_wait": 0.03,
            "feature_std": 0.03,
            "effective_rank": 30 + 0.1 * step + noise[step],
            "alignment": 0.4,
            "uniformity": -2.1,
        }
        for step in range(5, last + 1, 5)
    ]
    if arm == "target":
        lines[2]["alarm"] = "the features use few directions; lower the learning rate"
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _stage(root: Path, arm: str, seed: int, *, finished: bool) -> None:
    trained = VALUES[arm][1]
    folder = root / "stages" / digest_of(arm, seed)
    folder.mkdir(parents=True)
    kind = "pretrain" if trained else "init"
    spec = {"name": arm, "kind": kind, "backbone": "timm/tf_efficientnet_lite0", "seed": seed, "size_px": 64}
    if trained:
        spec |= {"data": "sample:twemoji", "method": "moco_v2", "steps": STEPS, "batch": 128, "train": trained}
        spec |= {"method_args": {"queue": 1024, "temperature": 0.2}, "optimiser": {"name": "adamw", "lr": 3e-4}}
        _log(folder, arm, seed, STEPS if finished else 60)
        _picture(folder / "views.png", 256, 128)
        auto = [{"name": "queue", "value": 1024, "reason": "shorter than the 1,524 images"}]
        (folder / "auto.json").write_text(json.dumps(auto), encoding="utf-8")
    _picture(folder / "neighbours.png", 192, 96)
    near = [{"key": f"near-{rank}.png", "similarity": 0.9 - 0.1 * rank, "same_class": rank < 2} for rank in range(4)]
    queries = {"queries": [{"key": "grinning.png", "neighbours": near}]}
    (folder / "neighbours.json").write_text(json.dumps(queries), encoding="utf-8")
    (folder / "stage.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    environment = {"torch": "2.13.0", "python": "3.11.7", "device": "cpu", "threads": 2, "undercoat": "0.1.0"}
    (folder / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    if finished:
        (folder / "backbone.safetensors").write_bytes(b"")
        (folder / "done.json").write_text(json.dumps({"seconds": 48.0 if trained else 1.0}), encoding="utf-8")


def _curve(arm: str, seed: int) -> list[Record]:
    start, end = (0.66, 0.70) if arm.startswith("hpt") else (0.45, 0.57)
    return [
        Record(
            arm=arm, stage=digest_of(arm, seed), seed=seed, steps=step, readout="knn", split="monitor", eval=f"e{step}",
            metric="accuracy", n=228, value=start + (end - start) * (step / STEPS) ** 0.5 + 0.01 * seed,
        )
        for step in (0, 10, 20, 50, 100, 150)
    ]  # fmt: skip


def _pooled(rows: Sequence[Record]) -> list[Record]:
    """One row for each arm and readout, over all seeds."""
    single: dict[tuple[str, str], list[Record]] = {}
    for row in rows:
        if row.split == "test":
            single.setdefault((row.arm, row.readout), []).append(row)
    pooled = []
    for several in single.values():
        mean = float(np.mean([row.value for row in several]))
        over = f"bootstrap over {TEST_IMAGES} test images and {len(several)} seeds, 2000 resamples"
        ends = {"ci_low": mean - 0.05, "ci_high": mean + 0.04, "interval": over}
        pooled.append(replace(several[0], seed=-1, stage="", parent="", value=mean, **ends))
    return pooled


def rows_of(seeds: Sequence[int]) -> list[Record]:
    """Rows as a study writes them: values, paired differences, curves and the majority class."""
    rows = []
    for seed in seeds:
        for arm, (coats, trained, knn, linear) in VALUES.items():
            common = {
                "arm": arm, "chain": " > ".join(coats), "stage": digest_of(arm, seed), "seed": seed, "n": TEST_IMAGES,
                "eval_data": "twemoji", "metric": "accuracy", "steps": STEPS if trained else 0,
                "images_seen": 128 * STEPS if trained else 0,
            }  # fmt: skip
            for readout, value in (("knn", knn), ("linear", linear)):
                value += 0.008 * seed
                rows.append(Record(readout=readout, value=value, ci_low=value - 0.046, ci_high=value + 0.044, **common))
            rows += _curve(arm, seed) if trained else []
    rows += _pooled(rows) if len(seeds) > 1 else []
    for arm, versus, readout, value, half in DIFFERENCES:
        rows.append(
            Record(
                arm=arm, versus=versus, readout=readout, metric="accuracy_difference", value=value, ci_low=value - half,
                ci_high=value + half, n=TEST_IMAGES, eval_data="twemoji", seed=seeds[0] if len(seeds) == 1 else -1,
                interval="paired bootstrap",
            )
        )  # fmt: skip
    null = Record(arm="majority class", readout="majority", metric="accuracy", value=0.31, n=TEST_IMAGES,
                  eval_data="twemoji", ci_low=0.266, ci_high=0.358)  # fmt: skip
    return [*rows, null]


def make_study(root: Path, seeds: Sequence[int] = (0,), unfinished: Sequence[str] = ()) -> Path:
    """Write a study folder; arms named ``unfinished`` stop at step 60 without a done file."""
    root.mkdir(parents=True, exist_ok=True)
    arms = [
        {"name": arm, "coats": list(VALUES[arm][0]), "stages": {str(seed): chain_of(arm, seed) for seed in seeds}}
        for arm in VALUES
    ]
    study = {"name": "demo", "command": "undercoat demo", "created": "2026-01-05", "arms": arms, "seeds": list(seeds)}
    (root / "study.json").write_text(json.dumps(study), encoding="utf-8")
    (root / "study.yaml").write_text("name: demo\nseeds: [0]\n", encoding="utf-8")
    for arm in VALUES:
        for seed in seeds:
            _stage(root, arm, seed, finished=arm not in unfinished)
    append(root, [row for row in rows_of(seeds) if row.arm not in unfinished and row.versus not in unfinished])
    return root


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """One seed, five arms, everything finished."""
    return make_study(tmp_path / "demo")


@pytest.fixture
def make() -> Callable[..., Path]:
    """Build a study folder with chosen seeds and unfinished arms."""
    return make_study


@pytest.fixture
def rows() -> Callable[[Sequence[int]], list[Record]]:
    """Give the rows alone, for functions that read no folder."""
    return rows_of
