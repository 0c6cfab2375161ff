"""Did it help? One run against random weights and against the weights that it started from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from undercoat import records
from undercoat.errors import RunError
from undercoat.evaluation import MAX_FEATURES, Protocol, compare, majority_class
from undercoat.files import write_json
from undercoat.records import Record
from undercoat.study.coat import STAGE, Coat, lay, open_folder
from undercoat.study.folder import claim
from undercoat.study.graph import DataShelf, init_images, pretraining_images
from undercoat.study.judge import Judge, pairs_to_compare
from undercoat.study.resolution import resolve
from undercoat.study.stage import Stage

__all__ = ["evaluate"]

_TAKEN = ("random", "base", "majority class")


def evaluate(
    run: Path | str,
    *,
    data: str,
    readout: str = "knn,linear",
    size_px: int | None = None,
    labels_limit: int | float | str | None = None,
    labels_from: str | None = None,
    layers: str | None = None,
    pooling: str = "auto",
    max_features: int = MAX_FEATURES,
    seed: int = 0,
    device: str = "auto",
    cache: Path | str | None = None,
    strict: bool = False,
) -> list[Record]:
    """Read out the backbone of a run, always beside random weights and the weights that it started from.

    Args:
        run: its folder.
        data: labelled images; their test split is read once, or a part of them is set aside as test.
        readout: names of readouts, comma between them.
        size_px: side of the view; by default what the run was trained with.
        labels_limit: how many labels may be used: a count, or a share such as 10%.
        labels_from: in its place, a file with the names of the images whose labels may be used, one a line.
        layers: ``all``, or layers by name, comma between them; by default the backbone's features alone, which are
            called ``final``.
        pooling: of a layer's map: ``auto``, or a published table's (paper, deep_cluster, rotnet, zhang, vissl_alexnet,
            vissl_jigsaw, vissl_resnet50).
        max_features: numbers that pooling ``auto`` leaves of a layer at most.
        seed: of splits and probes.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        cache: where decoded images are kept.
        strict: stop at the first broken file.

    Returns:
        the rows of the results table, which also lie in the run's ``records.jsonl``.

    Raises:
        RunError: when the run is not finished.
        DataError: when the labels cannot be used.
        SpecError: for a layer that the backbone does not have, or a pooling that does not fit its map.
    """
    folder = Path(run)
    stage = _finished_stage(folder)
    if stage.size_px is None and size_px is None:
        raise RunError(f"{folder} trained nothing, so its view size is unknown; add --size_px")
    protocol = Protocol.of(
        {
            "data": data,
            "size_px": stage.size_px if size_px is None else size_px,
            "readouts": {name.strip(): {} for name in readout.split(",") if name.strip()},
            "labels_limit": labels_limit,
            "labels_from": labels_from,
            "layers": layers,
            "pooling": pooling,
            "max_features": max_features,
            "seed": seed,
        },
        where="evaluate",
    )
    console = Console(stderr=True)
    shelf = DataShelf(cache=Path(cache) if cache else folder / "cache", strict=strict)
    with claim(folder):
        judge = Judge(protocol, shelf, folder, device)
        evaluations = []
        for arm, place, about in _arms(folder, stage, shelf, device):
            known = {"arm": arm, "study": _name_of(folder), "seed": stage.seed, **about}
            evaluations.append(judge.evaluate_folder(place, known, stage=about["stage"], console=console))
        rows = [row for found in evaluations for row in found.rows]
        rows += majority_class(judge.train, judge.test, protocol, provenance={"study": _name_of(folder)})
        by_arm = {found.arm: [found] for found in evaluations}
        for first, second in pairs_to_compare(list(by_arm)):
            rows += compare(by_arm[first], by_arm[second], seed=seed)
        records.rewrite(folder, rows)
        seen = [] if stage.data is None else [pretraining_images(shelf.open(stage.data, size_px=stage.canvas_px))]
        notes = [note for found in evaluations for note in found.notes] + judge.seen_before(seen)
        write_json(folder / "notes.json", list(dict.fromkeys(notes)))
    return rows


def _name_of(folder: Path) -> str:
    """What a run is called in tables, also as ``.``, and never what the arms beside it are called."""
    name = folder.absolute().name
    return f"{name} (run)" if name in _TAKEN else name


def _finished_stage(folder: Path) -> Stage:
    if not (folder / STAGE).exists():
        raise RunError(f"{folder} holds no run; undercoat pretrain --out {folder} starts one")
    if not (folder / "done.json").exists():
        raise RunError(f"{folder} is not finished; undercoat resume {folder} goes on")
    saved = yaml.safe_load((folder / STAGE).read_text(encoding="utf-8"))
    return Stage.of({k: v for k, v in saved.items() if k in Stage.model_fields}, where=str(folder / STAGE))


def _arms(folder: Path, stage: Stage, shelf: DataShelf, device: str) -> list[tuple[str, Path, dict[str, Any]]]:
    """The run and its baselines, whose backbones are made in folders inside the run's."""
    saved = yaml.safe_load((folder / STAGE).read_text(encoding="utf-8"))
    found = []
    for arm in ("random", "base"):
        init = "random" if arm == "random" else stage.init or "random"
        if arm == "base" and init == "random":
            continue
        kept = {"backbone", "backbone_arguments", "channels", "seed"}
        first = Stage(name=arm, init=init, **stage.model_dump(include=kept))
        if first.init_data is not None:  # made from images, at the size that the run saw them
            first = first.model_copy(update={"size_px": stage.size_px, "canvas_px": stage.canvas_px})
        coat = Coat(resolve(first, None), None, None, "", init_images(first, shelf))
        place = folder / "baselines" / arm
        if not open_folder(coat, place, resume=True):
            lay(coat, place, device=device)
        found.append((arm, place, {"stage": coat.digest, "chain": first.coat}))
    images = (stage.steps or 0) * stage.batch
    about = {"stage": saved["digest"], "method": stage.method, "trained": stage.train, "data": stage.data or ""}
    chain = f"{stage.init}>{stage.coat}" if stage.init not in (None, "random") else stage.coat
    found.append((_name_of(folder), folder, about | {"chain": chain, "steps": stage.steps or 0, "images_seen": images}))
    return found
