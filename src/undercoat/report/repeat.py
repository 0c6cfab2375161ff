"""How to repeat it: command, resolved specs, what was left auto and why, versions, and loading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from undercoat.report.blocks import listing, more, note, numbers, section
from undercoat.report.folder import Found, Stage
from undercoat.report.markup import Markup, join, tag

__all__ = ["repeat_section"]

WEIGHTS = "backbone.safetensors"
PREFERRED = ("hpt", "hpt_bn", "target")


def _command(found: Found) -> Markup:
    command = found.study.get("command")
    if isinstance(command, list):
        command = " ".join(str(part) for part in command)
    if not command:
        environments = (stage.environment.get("command") for stage in found.stages.values())
        command = next((one for one in environments if one), None)
    if not command:
        return note("The command was not recorded.")
    return listing(str(command), copy=True)


def _best(found: Found) -> tuple[Path, Stage] | None:
    """What to load: the last stage of the arm with all coats, by the name that ``load_backbone`` takes."""
    arms = {arm.name: arm for arm in found.arms}
    for name in (*PREFERRED, *reversed(arms)):
        for _, chain in sorted(arms[name].stages.items()) if name in arms else ():
            stage = found.stages[chain[-1]] if chain else None
            if stage is not None and (stage.path / WEIGHTS).exists():
                readable = bool(found.study) and "/" not in name and not (found.folder / name).exists()
                return (found.folder / name if readable else stage.path), stage
    alone = [stage for stage in found.stages.values() if (stage.path / WEIGHTS).exists()]
    return (alone[-1].path, alone[-1]) if alone else None


def _loading(found: Found) -> Markup:
    best = _best(found)
    if best is None:
        return note("No finished backbone lies here yet, so there is nothing to load.")
    place, stage = best
    ours = listing(f"import undercoat\nbackbone = undercoat.load_backbone({str(place)!r})", copy=True)
    return join(ours, _plain_timm(stage))


def _plain_timm(stage: Stage) -> Markup | None:
    """The same weights in timm alone, where the backbone is one of timm's."""
    about = stage.backbone
    library, _, model = str(about.get("name", "")).partition("/")
    if library != "timm":
        return None
    settings = about.get("arguments")
    extra = dict(settings) if isinstance(settings, dict) else {}
    extra |= {"in_chans": about["channels"]} if about.get("channels", 3) != 3 else {}
    given = "".join(f", {key}={value!r}" for key, value in extra.items())
    made = f"timm.create_model({model!r}, num_classes=0{given}, checkpoint_path={str(stage.path / WEIGHTS)!r})"
    return listing(f"import timm\nmodel = {made}", copy=True)


def _said(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _flat(values: Mapping[str, Any], start: str = "") -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{start}{key}"
        flat += _flat(value, f"{name}.") if isinstance(value, Mapping) else [(name, _said(value))]
    return flat


def _machines(found: Found) -> object:
    """Versions and machine; one table when all stages agree, else one column per different value."""
    values: dict[str, list[str]] = {}
    for stage in found.stages.values():
        for key, value in _flat(stage.environment):
            if value not in values.setdefault(key, []):
                values[key].append(value)
    if not values:
        return note("No environment was recorded.")
    several = {"started", "ended", "command", "stage", "seconds"}
    rows = [[key, " · ".join(found) if key not in several else found[0]] for key, found in values.items()]
    return numbers("Versions and machine", ["what", "value"], rows, 2)


def _auto(stage: Stage) -> list[list[object]]:
    return [[line.get("name", "–"), _said(line.get("value")), line.get("reason", "–")] for line in stage.auto]


def _stage_block(found: Found, stage: Stage) -> Markup:
    users = ", ".join(arm.name for arm in found.users(stage.digest))
    title = [
        tag("strong", stage.name),
        f", seed {stage.spec['seed']}" if "seed" in stage.spec else "",
        f" · used by {users}" if users else "",
        f" · {stage.digest[:12]} · {stage.state}",
    ]
    if not stage.started:
        return more(title, note("This stage has not been started, so it has no files yet."))
    if stage.spec:
        spec: object = listing(yaml.safe_dump(stage.spec, sort_keys=False, allow_unicode=True, width=90))
    else:
        spec = note("Its resolved spec (stage.yaml) is missing.")
    head = ["name", "value", "reason"]
    auto = numbers("Values left auto", head, _auto(stage), 3) if stage.auto else note("No value was left auto.")
    return more(title, auto, spec)


def repeat_section(found: Found) -> Markup:
    """Everything that someone else needs to get the same numbers."""
    recipe = more("The recipe, as resolved (study.yaml)", listing(found.recipe)) if found.recipe.strip() else None
    return section(
        "repeat",
        "How to repeat it",
        tag("h3", "Command"),
        _command(found),
        tag("h3", "Load the backbone"),
        _loading(found),
        tag("h3", "Specs, and values left auto"),
        recipe,
        [_stage_block(found, stage) for stage in found.stages.values()],
        tag("h3", "Versions and machine"),
        _machines(found),
    )
