"""Lay one coat: run a resolved stage in its folder, from its parent's weights to its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from undercoat.augment import Augmentation, augmentation, centre_view
from undercoat.backbones import Backbone, build_backbone, draw_rest_anew, set_mode, set_trainable
from undercoat.backbones.trainable import batch_norms, new_statistics
from undercoat.data import Canvases
from undercoat.data.loader import sequential
from undercoat.errors import RunError
from undercoat.files import atomic, write_json
from undercoat.interop import Initial, load_backbone, save_backbone
from undercoat.methods import method_class
from undercoat.runtime import Runtime
from undercoat.spec import difference
from undercoat.study.first_weights import first_weights, fit_channels
from undercoat.study.resolution import Resolution
from undercoat.study.stage import NOT_IN_DIGEST, Stage, stage_digest
from undercoat.study.views_sheet import save_views_sheet
from undercoat.training.fit import fit
from undercoat.training.schedule import watch_points
from undercoat.training.training import Budget, Training

__all__ = [
    "AUTO",
    "ENVIRONMENT",
    "STAGE",
    "Coat",
    "Interrupted",
    "first_weights",
    "lay",
    "open_folder",
    "read_json",
    "recipe_of",
]

_PICTURES = 4
STAGE, DONE, AUTO, ENVIRONMENT = "stage.yaml", "done.json", "auto.json", "environment.json"


class Interrupted(RunError):  # noqa: N818 - it is no error, it ends like one
    """A run was stopped by the user or a scheduler after saving; it can be resumed."""


@dataclass(frozen=True)
class Coat:
    """A resolved stage with everything it needs to run.

    Attributes:
        resolution: the stage and what was chosen for the user.
        data: images without labels; None for a stage that only loads weights.
        parent: the folder of the stage before; None for the first.
        parent_digest: its digest, "" for none.
        init_data: images without labels that first weights are made from; None where ``init`` names no data.
    """

    resolution: Resolution
    data: Canvases | None
    parent: Path | None
    parent_digest: str
    init_data: Canvases | None = None

    @property
    def stage(self) -> Stage:
        """The resolved spec."""
        return self.resolution.stage

    @property
    def digest(self) -> str:
        """Names the coat's folder."""
        init = "" if self.init_data is None else self.init_data.digest
        return stage_digest(self.stage, data_digest=self.data_digest, parent=self.parent_digest, init_digest=init)

    @property
    def data_digest(self) -> str:
        """Hash of the images' content and of which of them are used; "" without data."""
        return "" if self.data is None else self.data.digest

    def saved_spec(self) -> dict[str, Any]:
        """What ``stage.yaml`` holds."""
        return {
            "digest": self.digest,
            "kind": self.stage.kind,
            "parent": self.parent_digest,
            "data_digest": self.data_digest,
            "images": 0 if self.data is None else len(self.data),
            "sources": 0 if self.data is None else self.data.sources,
            **self.stage.model_dump(mode="json"),
        }


def recipe_of(stage: Stage) -> Augmentation:
    """The augmentation of a resolved stage."""
    return augmentation(stage.augmentation, **stage.augmentation_arguments)


def open_folder(coat: Coat, folder: Path, *, resume: bool) -> bool:
    """Make ready the folder of a coat; returns whether the coat is finished there already.

    Raises:
        RunError: when the folder holds another run, or an unfinished one that was not asked to be resumed; with
            ``resume``, when its spec differs (the difference is shown).
    """
    spec = folder / STAGE
    if not spec.exists():
        with atomic(spec) as temporary:
            temporary.write_text(yaml.safe_dump(coat.saved_spec(), sort_keys=False, allow_unicode=True), "utf-8")
        write_json(
            folder / AUTO, [dict(zip(("name", "value", "reason"), row, strict=True)) for row in coat.resolution.chosen]
        )
        return False
    saved = yaml.safe_load(spec.read_text(encoding="utf-8"))
    if saved["digest"] != coat.digest:
        free = ("digest:", *(f"{name}:" for name in NOT_IN_DIGEST))
        changed = [line for line in difference(saved, coat.saved_spec()) if not line.startswith(free)]
        what = "; ".join(changed[:6]) or "the images"
        verb = "cannot be resumed with another spec" if resume else "holds another run"
        raise RunError(f"{folder} {verb} ({what}); choose another --out, or undo the change")
    if (folder / DONE).exists():
        return True
    if not resume:
        raise RunError(
            f"{folder} holds this run, unfinished; undercoat resume {folder} goes on, or choose another --out"
        )
    return False


def lay(
    coat: Coat,
    folder: Path,
    *,
    runtime: Runtime | None = None,
    device: str = "auto",
    watch: Callable[[Backbone], Callable[[int], dict[str, float]]] | None = None,
    watch_at: frozenset[int] = frozenset(),
) -> Path:
    """Run a coat in a folder that :func:`open_folder` made ready; an unfinished one goes on where it was.

    Args:
        coat: what to do.
        folder: where.
        runtime: started already, by a caller that runs several coats.
        device: for a runtime of its own.
        watch: makes, from the backbone in training, a function that measures it at a step.
        watch_at: the steps at which it does.

    Raises:
        Interrupted: after saving, when Ctrl-C or a scheduler asked for it.
    """
    stage, started, clock = coat.stage, datetime.now(UTC), time.perf_counter()
    backbone, match = _start(coat)
    runtime = runtime or Runtime.start(device=device, precision=stage.precision, backbone=backbone)
    if runtime.is_main:
        environment = {**runtime.describe(), "started": started.isoformat(timespec="seconds")}
        if match is not None:
            environment["weights"] = str(match)
        write_json(folder / ENVIRONMENT, environment)
    seconds = 0.0
    if stage.kind == "statistics":
        _refresh_statistics(backbone, coat, runtime)
    elif stage.kind == "pretrain":
        seconds = _pretrain(backbone, coat, folder, runtime, watch, watch_at)
        if stage.refresh and batch_norms(backbone) and runtime.is_main:
            _refresh_statistics(backbone, coat, runtime)
    if runtime.is_main:
        save_backbone(backbone, folder)
        total = time.perf_counter() - clock
        write_json(
            folder / DONE, {"digest": coat.digest, "seconds": round(total, 2), "training_seconds": round(seconds, 2)}
        )
        (folder / "checkpoint.pt").unlink(missing_ok=True)
    runtime.barrier()
    return folder


def _start(coat: Coat) -> Initial:
    """The network as the coat finds it: what came before, what is drawn anew, and its mean and std."""
    stage = coat.stage
    found = Initial(load_backbone(coat.parent), None) if coat.parent else first_weights(stage, coat.init_data)
    backbone = found.backbone
    if stage.fresh:
        built: dict[str, Any] = {"channels": backbone.channels, "arguments": backbone.arguments}
        draw_rest_anew(backbone, stage.frozen or (), build_backbone(backbone.name, **built, seed=stage.seed))
    if stage.normalise == "data" and coat.data is not None:
        backbone.set_normalisation(fit_channels(coat.data.mean, backbone), fit_channels(coat.data.std, backbone))
    return found


def _pretrain(
    backbone: Backbone,
    coat: Coat,
    folder: Path,
    runtime: Runtime,
    watch: Callable[[Backbone], Callable[[int], dict[str, float]]] | None,
    watch_at: frozenset[int],
) -> float:
    stage, data = coat.stage, coat.data
    assert data is not None
    assert stage.steps is not None
    assert stage.log_every
    assert stage.checkpoint_every
    frozen = tuple(stage.frozen or ())
    # before the method copies the backbone or anything is wrapped
    set_trainable(backbone, stage.train, frozen=frozen)
    method = method_class(stage.method)(backbone, **stage.method_arguments)
    training = Training(
        data=data,
        recipe=recipe_of(stage),
        optimiser=stage.optimiser,
        budget=Budget(
            steps=stage.steps,
            batch=stage.batch,
            accumulate=stage.accumulate,
            seed=stage.seed,
            log_every=stage.log_every,
            checkpoint_every=stage.checkpoint_every,
            watch_at=watch_at,
            pictures_at=watch_points(stage.steps, _PICTURES),
        ),
        part=stage.train,
        runtime=runtime,
        folder=folder,
        frozen=frozen,
        title=stage.coat,
        watch=None if watch is None else watch(backbone),
    )
    if runtime.is_main and not (folder / "views.png").exists():
        save_views_sheet(method, training, folder / "views.png")
    if stage.steps == 0:
        return 0.0
    fitted = fit(method, training)
    if fitted.stopped:
        raise Interrupted(
            f"stopped and saved after step {fitted.step} of {stage.steps}; go on with: undercoat resume {folder}"
        )
    return fitted.seconds


@torch.no_grad()
def _refresh_statistics(backbone: Backbone, coat: Coat, runtime: Runtime) -> None:
    """Replace running batch statistics by averages over the data, without a gradient."""
    stage, data = coat.stage, coat.data
    assert data is not None
    set_trainable(backbone, "statistics")
    set_mode(backbone, "statistics", frozen=stage.frozen or ())
    backbone.to(runtime.device)
    shown: dict[str, Any] = {"size_px": stage.size_px or 224, "crop_fraction": 1.0, "low": data.low, "high": data.high}
    with new_statistics(backbone):
        for loaded in sequential(data, stage.batch):
            if len(loaded.index) > 1 or len(data) == 1:
                images, aspect = loaded.images.to(runtime.device), loaded.aspect.to(runtime.device)
                backbone(centre_view(images, aspect, **shown))
    backbone.eval()


def read_json(path: Path) -> Any:
    """Read JSON, or None when the file is missing."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
