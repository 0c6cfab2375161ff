"""What lies in a run or study folder, read so that a broken file becomes a sentence, never a crash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from undercoat.errors import RunError
from undercoat.records import Record
from undercoat.report.arms import Arm, arms_of, with_measured
from undercoat.report.wording import number

__all__ = ["Found", "Stage", "load"]

LEARNS = {"pretrain", ""}  # kinds of stages that have a loss; an older spec may not name its kind


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage folder: its spec, its log and what was left beside them; empty where a file is missing."""

    digest: str
    path: Path
    spec: dict[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    auto: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)
    neighbours: dict[str, Any] = field(default_factory=dict)
    titles: dict[str, Any] = field(default_factory=dict)
    backbone: dict[str, Any] = field(default_factory=dict)
    done: dict[str, Any] | None = None
    started: bool = True

    @property
    def kind(self) -> str:
        """The spec's own word: init, pretrain or statistics."""
        return str(self.spec.get("kind") or "")

    @property
    def learns(self) -> bool:
        """Whether the stage trains, so that it has a loss to show."""
        return bool(self.log) or self.kind in LEARNS

    @property
    def name(self) -> str:
        """The spec's name, or the start of the digest."""
        return str(self.spec.get("name") or self.digest[:12])

    @property
    def step(self) -> int:
        """The last step in the log, 0 before the first."""
        return int(max((number(line.get("step")) or 0 for line in self.log), default=0))

    def series(self, key: str) -> list[tuple[int, float]]:
        """The finite values of one column of the log, as (step, value)."""
        pairs = [(number(line.get("step")), number(line.get(key))) for line in self.log]
        return [(int(step), value) for step, value in pairs if step is not None and value is not None]

    @property
    def state(self) -> str:
        """In words: finished, unfinished with the step it reached, or not started."""
        if not self.started:
            return "not started"
        if self.done is not None:
            return "finished"
        steps = number(self.spec.get("steps"))
        of = f" of {steps:,.0f}" if steps else ""
        return f"unfinished: stopped or still running at step {self.step:,}{of}" if self.learns else "unfinished"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Everything the report is made from.

    ``rows`` are those of one protocol: where a study judges its arms by several (an axis into the protocol), by the
    one with the most labelled images. ``every_row`` holds those of all of them.
    """

    folder: Path
    study: dict[str, Any]
    recipe: str
    arms: list[Arm]
    rows: list[Record]
    stages: dict[str, Stage]
    notes: list[str]
    every_row: list[Record] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The study's name, or the folder's."""
        return str(self.study.get("name") or self.folder.resolve().name)

    @property
    def unfinished(self) -> str:
        """What is not laid yet of the coats that the arms are made of, in a sentence; empty when all are."""
        used = {digest for arm in self.arms for chain in arm.stages.values() for digest in chain}
        done = sum(self.stages[digest].done is not None for digest in used)
        if done == len(used) or not self.study:
            return ""
        return f"Unfinished: {done} of {len(used)} coats are laid; arms whose coats are not all laid have no numbers."

    def users(self, digest: str) -> list[Arm]:
        """The arms that a stage belongs to."""
        return [arm for arm in self.arms if any(digest in chain for chain in arm.stages.values())]


def _text(path: Path, notes: list[str]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        notes.append(f"{path.name} in {path.parent} cannot be read ({type(error).__name__}), so it is left out.")
        return ""


def _json(path: Path, kind: type, notes: list[str]) -> Any:
    text = _text(path, notes)
    if not text.strip():
        return kind()
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        notes.append(f"{path.name} in {path.parent} is damaged, so it is left out.")
        return kind()
    return value


def _lines(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    """Read JSON lines; one without its end was cut off by a kill and is skipped without a word."""
    found, bad = [], 0
    for line in _text(path, notes).splitlines(keepends=True):
        if not line.endswith("\n") or not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if isinstance(value, dict):
            found.append(value)
        else:
            bad += 1
    if bad:
        notes.append(f"{bad} damaged lines of {path.name} in {path.parent} are left out.")
    return found


def _yaml(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        value = yaml.safe_load(_text(path, notes))
    except yaml.YAMLError:
        notes.append(f"{path.name} in {path.parent} is damaged, so it is left out.")
        return {}
    return dict(value) if isinstance(value, Mapping) else {}


def _stage(path: Path, digest: str, notes: list[str]) -> Stage:
    done, spec = path / "done.json", _yaml(path / "stage.yaml", notes)
    return Stage(
        digest=digest or str(spec.get("digest") or path.resolve().name),
        path=path,
        spec=spec,
        log=_lines(path / "log.jsonl", notes),
        auto=[line for line in _json(path / "auto.json", list, notes) if isinstance(line, dict)],
        environment=_json(path / "environment.json", dict, notes),
        neighbours=_json(path / "neighbours.json", dict, notes),
        titles=_json(path / "pictures" / "titles.json", dict, notes),
        backbone=_json(path / "backbone.json", dict, notes),
        done=_json(done, dict, notes) if done.exists() else None,
    )


def _records(places: list[tuple[Path, str]], notes: list[str]) -> list[Record]:
    """Read rows from folders; a row that does not name its stage belongs to the stage folder it lies in."""
    known = {one.name for one in fields(Record)}
    rows: dict[tuple[object, ...], Record] = {}
    clashes = bad = 0
    for path, digest in places:
        for line in _lines(path / "records.jsonl", notes):
            try:
                row = Record(**{key: value for key, value in line.items() if key in known})
                row = replace(row, stage=row.stage or digest)
                clashes += row.key in rows and rows[row.key].value != row.value
                rows.setdefault(row.key, row)  # the study's own file comes first; its stages may repeat rows
            except TypeError:
                bad += 1
    if clashes:
        notes.append(f"{clashes} records contradict an earlier record of the same thing; the first counts.")
    if bad:
        notes.append(f"{bad} records lack a metric, a value or n, so they are left out.")
    return [row for row in rows.values() if number(row.value) is not None]


def _stages(folder: Path, notes: list[str]) -> list[Stage]:
    """The stages of a study; or a single run, last, after the baselines that it was evaluated beside."""
    parts = sorted(path for path in folder.glob("stages/*") if path.is_dir())
    if parts:
        return [_stage(path, path.name, notes) for path in parts]
    if not ((folder / "stage.yaml").exists() or (folder / "log.jsonl").exists()):
        return []
    baselines = sorted(path for path in folder.glob("baselines/*") if path.is_dir())
    return [_stage(path, "", notes) for path in (*baselines, folder)]


def _of_one_protocol(study: dict[str, Any], rows: list[Record], notes: list[str]) -> list[Record]:
    """Leave out rows of all protocols but the one with the most labelled images, or the first of several such."""
    listed = study.get("protocols")
    protocols = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    known = {str(one.get("eval")): one for one in protocols}
    if len(known) < 2:
        return rows
    labels = {name: max((row.labels for row in rows if row.eval == name), default=-1) for name in known}
    main = max(known, key=lambda name: labels[name])
    names = {axis.get("path"): axis.get("name") for axis in study.get("axes") or [] if isinstance(axis, Mapping)}
    labelled = dict(known[main].get("labels") or {})
    said = ", ".join(f"{names.get(path) or path.split('.')[-1]} = {value}" for path, value in labelled.items())
    notes.append(f"The arms were judged in {len(known)} ways; verdict and table are those with {said or 'the first'}.")
    return [row for row in rows if row.eval == main or row.eval not in labels]


def load(folder: Path) -> Found:
    """Read a study folder, or a single run folder, which is then its own only stage.

    Raises:
        RunError: when there is no such folder, or nothing in it that a report can be made from.
    """
    if not folder.is_dir():
        raise RunError(f"'{folder}' is no folder, so there is nothing to report; give the folder of a run or a study")
    notes: list[str] = []
    parts = _stages(folder, notes)
    study = _json(folder / "study.json", dict, notes)
    places = [(stage.path, stage.digest) for stage in parts if stage.path != folder]
    own = next((stage.digest for stage in parts if stage.path == folder), "")
    rows = _records([(folder, own), *places], notes)
    if not (parts or study or rows):
        raise RunError(
            f"'{folder}' holds no run, study or records, so there is nothing to report; "
            "start one with 'undercoat pretrain' or 'undercoat study run'"
        )
    notes += [str(said) for said in _json(folder / "notes.json", list, notes)]
    stages = {stage.digest: stage for stage in parts}
    arms = with_measured(arms_of(study), [row for row in rows if row.split == "test"])
    used = [digest for arm in arms for chain in arm.stages.values() for digest in chain]
    missing = {digest: Stage(digest=digest, path=folder / "stages", started=False) for digest in used}
    order = dict.fromkeys([*used, *stages])  # as the arms use them, then those that no arm uses
    stages = {digest: stages.get(digest) or missing[digest] for digest in order}
    recipe = _text(folder / "study.yaml", notes)
    return Found(
        folder=folder,
        study=study,
        recipe=recipe,
        arms=arms,
        rows=_of_one_protocol(study, rows, notes),
        stages=stages,
        notes=notes,
        every_row=rows,
    )
