"""What a run is, in a few lines: how far, made of what, how to use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from undercoat.errors import RunError, did_you_mean
from undercoat.interop.backbone_folder import find_backbone
from undercoat.study.folder import STUDY, progress_of, read_study

__all__ = ["loading_lines", "show"]


def loading_lines(place: Path | str) -> str:
    """Two ways to load a run's backbone, ready to paste.

    Raises:
        RunError: when there is no finished backbone.
    """
    folder = find_backbone(place)
    if folder is None:
        raise RunError(f"there is no finished backbone at {str(place)!r}")
    about: dict[str, Any] = json.loads((folder / "backbone.json").read_text(encoding="utf-8"))
    library, _, model = about["name"].partition("/")
    lines = [
        f"import undercoat; backbone = undercoat.load_backbone({str(place)!r})"
        f"  # images (B, {about['channels']}, H, W) in 0..1 → (B, {about['dim']})"
    ]
    if library == "timm":
        extra = "".join(f", {k}={v!r}" for k, v in about["arguments"].items())
        channels = f", in_chans={about['channels']}" if about["channels"] != 3 else ""
        lines.append(
            f"import timm; model = timm.create_model({model!r}, num_classes=0{channels}{extra}, "
            f"checkpoint_path={str(folder / 'backbone.safetensors')!r})"
            f"  # normalise with mean {_short(about['mean'])}, std {_short(about['std'])}"
        )
    return "\n".join(lines)


def show(run: Path | str) -> str:
    """Describe a run, an arm of a study (``runs/demo/hpt``), or a study.

    Args:
        run: its folder.

    Raises:
        RunError: when there is none.
    """
    path = Path(run)
    if (path / STUDY).exists():
        study = read_study(path)
        arms = [f"  {arm['name']:<12} {' > '.join(arm['coats'])}" for arm in study["arms"]]
        first = study["arms"][0]["name"]
        return "\n".join(
            [f"study {study['name']}, made with: {study['command']}", *arms, f"undercoat show {path / first}"]
        )
    folder = path if (path / "stage.yaml").exists() else find_backbone(path)
    if folder is None and (path.parent / STUDY).exists():
        arms = [arm["name"] for arm in read_study(path.parent)["arms"]]
        hint = did_you_mean(path.name, arms)
        raise RunError(f"study {path.parent} has no finished arm {path.name!r}{hint}; it has {', '.join(arms)}")
    if folder is None:
        raise RunError(f"{path} holds no run and no study; undercoat pretrain --out {path} starts one")
    if not (folder / "stage.yaml").exists():
        return loading_lines(path)
    return _describe(folder, path)


def _describe(folder: Path, asked: Path) -> str:
    stage = yaml.safe_load((folder / "stage.yaml").read_text(encoding="utf-8"))
    state, step = progress_of(folder)
    before = stage["name"] if stage["kind"] == "init" else "the coat before"
    what = f"{stage['backbone']} from {stage['init'] or before}"
    if stage["kind"] != "init":
        what += f", {stage['method']} on {stage['data']} ({stage['images']:,} images), {stage['train']} trained"
    how_far = "finished" if state == "finished" else f"unfinished, step {step} of {stage['steps']}"
    lines = [what, f"{how_far}; seed {stage['seed']}, digest {stage['digest']}"]
    if state == "finished":
        lines.append(loading_lines(asked))
    else:
        lines.append(f"go on with: undercoat resume {asked}")
    return "\n".join(lines)


def _short(values: list[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
