"""How far a study is: every coat's state, who lays it, how fast, and how long it will take; read from files alone."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from undercoat.files import write_json
from undercoat.study.coat import read_json
from undercoat.study.folder import FAILED, holds_folder, progress_of, read_study, stages_folder
from undercoat.study.graph import Graph
from undercoat.study.holds import Holder, holder
from undercoat.study.makespan import makespan
from undercoat.study.pace import Rehearsal
from undercoat.training.log import read_log

__all__ = ["StageStatus", "StudyStatus", "status_of", "write_coats"]

COATS = "coats.json"


@dataclass(frozen=True)
class StageStatus:
    """How far one coat of a study is.

    Attributes:
        digest: names its folder.
        chain: in words, from the first coat to this one.
        seed: of the coat.
        state: ``finished``, ``running``, ``failed``, ``unfinished`` (stopped; the next run goes on), ``waiting`` (for
            the coat before) or ``not started``.
        step: optimiser steps that are logged.
        steps: of its budget; 0 where nothing is trained.
        parent: digest of the coat before, "" for none.
        worker: number of the worker that lays it now.
        process: of that worker.
        images_per_second: at the last log line.
        seconds_left: expected, from steps logged by this coat or one like it; None while nobody knows.
        error: of a coat that failed.
        pace: the same for coats that go equally fast.
    """

    digest: str
    chain: str
    seed: int
    state: str
    step: int
    steps: int
    parent: str = ""
    worker: int | None = None
    process: int | None = None
    images_per_second: float | None = None
    seconds_left: float | None = None
    error: str = ""
    pace: str = ""


@dataclass(frozen=True)
class StudyStatus:
    """How far a study is.

    Attributes:
        name: of the study.
        coats: each before those that are laid on it.
        workers: at work now.
        judging: the worker that reads out backbones now.
        seconds_left: of training, expected with as many workers as there are now (at least one); None while nobody
            knows.
    """

    name: str
    coats: tuple[StageStatus, ...]
    workers: tuple[Holder, ...]
    judging: int | None
    seconds_left: float | None

    @property
    def finished(self) -> bool:
        """Whether every coat is laid and nobody is at work."""
        return not self.workers and all(coat.state == "finished" for coat in self.coats)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def write_coats(graph: Graph, out: Path) -> None:
    """Keep what status asks of coats that have no folder yet, beside those that this run has laid before."""
    known: dict[str, Any] = {}
    for digest, coat in graph.coats.items():
        stage = coat.stage
        trains = stage.kind == "pretrain" and coat.data is not None
        chain = ">".join(one.stage.coat for one in graph.chain(digest))
        known[digest] = {"chain": chain, "seed": stage.seed, "parent": coat.parent_digest, "batch": stage.batch}
        known[digest] |= {"steps": (stage.steps or 0) if trains else 0, "pace": Rehearsal(coat).key if trains else ""}
    before = read_json(out / COATS) or {}
    write_json(out / COATS, {**{digest: one for digest, one in before.items() if digest not in known}, **known})


def status_of(out: Path | str) -> StudyStatus:
    """How far a study is, at any time, also while it runs.

    Raises:
        RunError: when the folder holds no study.
    """
    folder = Path(out)
    study = read_study(folder)
    known = _known(folder, study)
    speeds = _speeds(folder, known)
    found: dict[str, StageStatus] = {}
    for digest, about in known.items():
        before = found.get(about["parent"])
        found[digest] = _status(folder, digest, about, speeds, waits=before is not None and before.state != "finished")
    holds = sorted(holds_folder(folder).glob("worker-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    workers = tuple(one for one in map(holder, holds) if one is not None)
    judging = holder(holds_folder(folder) / "judging")
    left = _together(found.values(), max(1, len(workers)))
    return StudyStatus(study["name"], tuple(found.values()), workers, None if judging is None else judging.worker, left)


def _known(out: Path, study: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is known of every coat that the study's arms use, or that was laid to choose a setting."""
    saved: dict[str, dict[str, Any]] = read_json(out / COATS) or {}
    listed = dict(saved)
    for arm in study["arms"]:
        for seed, digests in arm["stages"].items():
            for position, digest in enumerate(digests):
                chain = ">".join(arm["coats"][: position + 1])
                parent = digests[position - 1] if position else ""
                spec = stages_folder(out) / digest / "stage.yaml"
                said = yaml.safe_load(spec.read_text("utf-8")) if digest not in saved and spec.exists() else {}
                own = {"steps": int(said.get("steps") or 0), "batch": int(said.get("batch") or 1), "pace": chain}
                listed.setdefault(digest, {"chain": chain, "seed": int(seed), "parent": parent, **own})
    return listed


def _speeds(out: Path, known: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Kind of coat → seconds of an optimiser step, looks at the whole set counted in."""
    found: dict[str, list[float]] = {}
    for digest, about in known.items():
        seconds = _step_seconds(read_log(stages_folder(out) / digest), about["batch"])
        if seconds is not None:
            found.setdefault(about["pace"], []).append(seconds)
    return {pace: fmean(each) for pace, each in found.items()}


def _step_seconds(log: list[dict[str, Any]], batch: int) -> float | None:
    """Seconds of a step over a whole log; the first line of several is left out, since it pays for warming up."""
    if not log:
        return None
    steps = [line["step"] for line in log]
    spent = [
        (step - before) * batch / max(line["images_per_second"], 1e-9) + line.get("look_seconds", 0.0)
        for line, step, before in zip(log, steps, [0, *steps[:-1]], strict=True)
    ]
    if len(log) > 1:
        return float(sum(spent[1:]) / max(1, steps[-1] - steps[0]))
    return float(spent[0] / max(1, steps[0]))


def _status(
    out: Path, digest: str, about: Mapping[str, Any], speeds: Mapping[str, float], *, waits: bool
) -> StageStatus:
    folder = stages_folder(out) / digest
    state: str
    state, step = progress_of(folder)
    steps = about["steps"]
    one = StageStatus(digest, about["chain"], about["seed"], state, step, steps, about["parent"], pace=about["pace"])
    if state == "finished":
        return replace(one, step=steps, seconds_left=0.0, images_per_second=_last_speed(folder))
    held, failed = holder(holds_folder(out) / digest), read_json(folder / FAILED)
    left = _seconds_left(folder, steps - step, speeds.get(about["pace"]), running=held is not None)
    one = replace(one, seconds_left=left)
    if held is not None:
        one = replace(one, worker=held.worker, process=held.process)
        return replace(one, state="running", images_per_second=_last_speed(folder))
    if failed:
        return replace(one, state="failed", error=str(failed["error"]))
    return replace(one, state="waiting") if waits and state == "not started" else one


def _seconds_left(folder: Path, steps: int, speed: float | None, *, running: bool) -> float | None:
    if steps <= 0:
        return 0.0
    if speed is None:
        return None
    log = folder / "log.jsonl"
    since = time.time() - log.stat().st_mtime if running and log.exists() else 0.0
    return max(0.0, steps * speed - since)


def _last_speed(folder: Path) -> float | None:
    log = read_log(folder)
    return float(log[-1]["images_per_second"]) if log else None


def _together(coats: Collection[StageStatus], workers: int) -> float | None:
    """Seconds until all are laid that can be; None when nobody knows the pace of one of them."""
    seconds: dict[str, float] = {}
    barred: set[str] = set()
    for coat in coats:
        if coat.state == "failed" or coat.parent in barred:
            barred.add(coat.digest)
        elif coat.state != "finished":
            if coat.seconds_left is None:
                return None
            seconds[coat.digest] = coat.seconds_left
    return makespan(seconds, {coat.digest: coat.parent for coat in coats}, workers=workers)
