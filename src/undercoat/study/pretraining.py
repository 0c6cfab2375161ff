"""Lay one coat from Python or the command line, and go on with one that was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from rich.console import Console

from undercoat.errors import RunError, SpecError
from undercoat.evaluation import Protocol
from undercoat.files import write_json
from undercoat.runtime import Runtime, world_size
from undercoat.study.announcing import announce_chosen
from undercoat.study.coat import AUTO, ENVIRONMENT, STAGE, Coat, lay, open_folder, read_json
from undercoat.study.expansion import Leaf
from undercoat.study.folder import claim, progress_of, refuse_foreign
from undercoat.study.graph import DataShelf, build_graph
from undercoat.study.stage import K_MEANS, Stage
from undercoat.study.watching import knn_watch
from undercoat.training.log import read_log
from undercoat.training.schedule import watch_points

__all__ = ["pretrain", "resume", "run_settings"]

SETTINGS = "settings.json"


def pretrain(
    *,
    data: str,
    out: Path | str,
    backbone: str | None = None,
    init: str = "random",
    method: str = "moco_v2",
    method_arguments: dict[str, Any] | None = None,
    preset: str = "auto",
    train: Literal["all", "norm", "head", "statistics"] = "all",
    frozen: list[str] | str | None = None,
    fresh: bool = False,
    steps: int | None = None,
    epochs: float | None = None,
    batch: int = 128,
    accumulate: int = 1,
    size_px: int | None = None,
    canvas_px: int | None = None,
    augmentation: str = "auto",
    augmentation_arguments: dict[str, Any] | None = None,
    optimiser: dict[str, Any] | None = None,
    normalise: Literal["auto", "keep", "data"] = "auto",
    refresh: bool = False,
    backbone_arguments: dict[str, Any] | None = None,
    labels: str | None = None,
    device: str = "auto",
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    seed: int = 0,
    checkpoint_every: int | None = None,
    log_every: int | None = None,
    cache: Path | str | None = None,
    strict: bool = False,
    resume: bool = False,
) -> Path:
    """Lay one coat of self-supervised pretraining on a backbone.

    Args:
        data: images: a folder, CSV, IDX or NumPy file, or ``sample:NAME``; labels are looked at by ``supervised`` only.
        out: folder of the run; nothing in it is overwritten.
        backbone: the network, ``timm/NAME``; may be left out where ``init`` implies it (default: timm/resnet18).
        init: first weights: ``random``, ``imagenet-lite0``, ``timm-pretrained``, ``timm/NAME.TAG``, ``k_means:DATA``
            (filters clustered from images), a run, or a file.
        method: of ``undercoat list methods``.
        method_arguments: settings of the method; what is left out fits the data and the budget.
        preset: ``auto`` suits small data, ``paper`` takes the published values; some methods have more.
        train: ``all`` weights, ``norm`` (norms only, HPT-BN), ``head``, or ``statistics`` (no gradient).
        frozen: layers that stay as they are, with everything before them, such as ``conv1,conv2``.
        fresh: draw all but the frozen layers anew before training.
        steps: optimiser steps; give this or ``epochs``, or neither.
        epochs: passes over the data.
        batch: images a step, over all processes.
        accumulate: portions a batch is cut into, to save memory.
        size_px: side of the views.
        canvas_px: side of the decoded squares.
        augmentation: of ``undercoat list augmentations``; auto: what the method's preset is fed.
        augmentation_arguments: what differs from it.
        optimiser: name, lr, weight_decay, momentum, warmup_steps, schedule, clip_norm; what is left out is chosen.
        normalise: ``keep`` the mean and std that came with the weights, or take the ``data``'s; auto: the data's for
            random weights.
        refresh: end with batch statistics of the plain images in place of the augmented views'.
        backbone_arguments: of the backbone's constructor.
        labels: labelled images (a data spec) for a k-NN curve during training; never trained on.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto`` takes bf16 where it helps.
        seed: of everything random.
        checkpoint_every: steps between checkpoints: the most that a kill can cost.
        log_every: steps between log lines.
        cache: where decoded images are kept (default: ``cache`` in the run's folder).
        strict: stop at the first broken file instead of leaving it out.
        resume: go on with an unfinished run of the same spec in ``out``.

    Returns:
        the run's folder; ``undercoat.load_backbone`` loads what it made.

    Raises:
        SpecError, DataError, WeightsError, RunError: in one sentence, before work is lost.
    """
    settings = {k: v for k, v in locals().items() if k not in ("resume", "out")}
    folder = Path(out)
    stage = _stage(settings)
    refuse_foreign(folder, marker=STAGE)
    with_labels = {"labels": labels, "device": device, "cache": None if cache is None else str(cache), "strict": strict}
    return _run(stage, folder, {"data": data, **with_labels}, resume=resume)


def resume(run: Path | str) -> Path:
    """Go on with a run that was stopped, from its last checkpoint, with the settings it has.

    Args:
        run: its folder.

    Raises:
        RunError: when there is no run, or its images have changed (the difference is shown).
    """
    folder = Path(run)
    if not (folder / STAGE).exists():
        raise RunError(f"{folder} holds no run to resume; undercoat pretrain --out {folder} starts one")
    settings = run_settings(folder)
    saved = yaml.safe_load((folder / STAGE).read_text(encoding="utf-8"))
    stage = Stage.of({k: v for k, v in saved.items() if k in Stage.model_fields}, where=str(folder / STAGE))
    return _run(stage, folder, settings, resume=True)


def run_settings(folder: Path) -> dict[str, Any]:
    """What a run was asked for besides its spec: where its labels, cache and device are.

    Raises:
        RunError: when the folder holds no run made by :func:`pretrain`.
    """
    settings = read_json(folder / SETTINGS)
    if settings is None:
        raise RunError(f"{folder} is a coat of a study; undercoat study run goes on with the whole study")
    return dict(settings)


def _stage(settings: dict[str, Any]) -> Stage:
    spec = {key: value for key, value in settings.items() if key in Stage.model_fields and value is not None}
    if spec["init"] == "random" or spec["init"].startswith(K_MEANS):
        spec.setdefault("backbone", "timm/resnet18")
    return Stage.of(spec, where="pretrain")


def _run(stage: Stage, folder: Path, settings: dict[str, Any], *, resume: bool) -> Path:
    console = Console(stderr=True)
    # several processes: the first decodes, asks for the folder and prints; the others follow
    runtime = Runtime.start(device=settings["device"], precision="fp32")
    cache = Path(settings["cache"]) if settings["cache"] else folder / "cache"
    shelf = DataShelf(cache=cache, strict=settings["strict"], progress=runtime.is_main)
    if not runtime.is_main:
        runtime.barrier()
        coat = _coat(stage, shelf, folder, settings["device"])
        return lay(coat, folder, device=settings["device"], watch_at=_watch_at(coat, settings))
    with claim(folder):
        coat = _coat(stage, shelf, folder, settings["device"])
        finished = open_folder(coat, folder, resume=resume)
        write_json(folder / SETTINGS, settings)
        runtime.barrier()
        if finished and resume:
            console.print(f"{folder} is finished; there is nothing to resume", highlight=False)
            return folder
        if finished:
            raise RunError(f"{folder} holds this very run, finished; undercoat show {folder} says how to use it")
        _announce(coat, folder, console)
        points, watch = _watch_at(coat, settings), None
        if points:
            protocol = Protocol(data=settings["labels"], size_px=coat.stage.size_px)
            watch = knn_watch(protocol, shelf, coat.stage.precision)
        try:
            return lay(coat, folder, device=settings["device"], watch=watch, watch_at=points)
        except SpecError:
            _forget(folder)
            raise


def _forget(folder: Path) -> None:
    """Leave no run behind whose settings cannot work, so that the corrected command may use the folder.

    Decoded images stay. So does a run that has taken a step: its settings were good.
    """
    if not (folder / "checkpoint.pt").exists() and not read_log(folder):
        for name in (STAGE, AUTO, SETTINGS, ENVIRONMENT, "views.png"):
            (folder / name).unlink(missing_ok=True)


def _watch_at(coat: Coat, settings: dict[str, Any]) -> frozenset[int]:
    """The steps of the k-NN curve: the same on every process, though only the first one measures."""
    wanted = settings["labels"] and coat.stage.kind == "pretrain"
    return watch_points(coat.stage.steps or 0, 8) if wanted else frozenset()


def _coat(stage: Stage, shelf: DataShelf, folder: Path, device: str) -> Coat:
    graph = build_graph([Leaf(folder.name, stage.seed, (stage,))], shelf, folder, world=world_size(), device=device)
    return graph.coats[graph.routes[0].coats[-1]]


def _announce(coat: Coat, folder: Path, console: Console) -> None:
    data = coat.data
    assert data is not None
    console.print(f"{coat.stage.coat}: {len(data):,} images of {data.name}, {coat.stage.backbone}", highlight=False)
    if data.skipped:
        names = ", ".join(key for key, _ in data.skipped[:3])
        count = "1 file" if len(data.skipped) == 1 else f"{len(data.skipped)} files"
        console.print(f"{count} left out, such as {names} (undercoat data inspect lists them)", highlight=False)
    _, step = progress_of(folder)
    if step:
        console.print(f"going on after step {step} of {coat.stage.steps}", highlight=False)
    chosen = read_json(folder / AUTO) or []
    announce_chosen(console, [(row["name"], row["value"], row["reason"]) for row in chosen])
