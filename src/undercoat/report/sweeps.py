"""The axes of a study, read back: which arms are points of one line, and where along the axis they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from undercoat.records import Record
from undercoat.report.arms import NULL_ARM, Arm
from undercoat.report.estimates import Estimate, Measure, estimate
from undercoat.report.folder import Found

__all__ = ["Line", "Spot", "Sweep", "axis_names", "sweeps"]

_PROTOCOL = "protocol."


@dataclass(frozen=True)
class Spot:
    """One arm at one place of an axis: its number along it, and the rows that were measured there."""

    place: int
    arm: Arm
    rows: tuple[Record, ...]

    def estimate(self, measure: Measure) -> Estimate | None:
        """What was reached here by one measure; None where it was not measured."""
        return estimate(self.rows, self.arm.name, measure)


@dataclass(frozen=True)
class Line:
    """An arm of the recipe along one axis; one spot without a place for an arm that the axis does not touch."""

    name: str
    style: int
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One axis of a study.

    Attributes:
        name: as arms and figures show it, such as ``steps``.
        paths: into the recipe; several where arms have the same axis at different places.
        labels: of its values, in order.
        numbers: the same as numbers, with ``unit``; empty when they are names.
        unit: ``%`` or nothing.
        lines: arms that it changes.
        levels: arms that it does not, each with one spot.
    """

    name: str
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    numbers: tuple[float, ...]
    unit: str
    lines: tuple[Line, ...]
    levels: tuple[Line, ...]

    @property
    def counts_steps(self) -> bool:
        """Whether the axis is a budget of training, so that budgets can be compared."""
        return bool(self.numbers) and {path.rpartition(".")[2] for path in self.paths} <= {"steps", "epochs"}

    def budgets(self) -> list[Line]:
        """The lines whose last coat has the budget; below another coat a budget is only a part of what was spent."""
        stages = {path.split(".")[1] for path in self.paths if path.startswith("stages.")}
        return [
            line
            for line in self.lines
            if not stages
            or all({coat.partition(":")[0] for coat in spot.arm.coats[-1:]} <= stages for spot in line.spots)
        ]


def sweeps(found: Found) -> list[Sweep]:
    """Every axis of a study that has at least two values; nothing for a study without axes."""
    axes = _grouped(found)
    rows: dict[tuple[str, str], list[Record]] = {}
    for row in found.every_row or found.rows:
        if not row.versus and row.split == "test" and row.arm != NULL_ARM:
            rows.setdefault((row.arm, row.eval), []).append(row)
    of_main: dict[str, list[Record]] = {}
    for row in found.rows:
        if not row.versus and row.split == "test":
            of_main.setdefault(row.arm, []).append(row)
    there = []
    for name, entries in axes.items():
        labels = _united(entries)
        paths = tuple(str(entry["path"]) for entry in entries)
        if len(labels) < 2:
            continue
        if paths[0].startswith(_PROTOCOL):
            lines, levels = _judged(found, paths[0], labels, rows), list[Line]()
        else:
            lines, levels = _laid(found, paths, labels, of_main)
        numbers, unit = _numbers(paths, labels, lines)
        there.append(
            Sweep(
                name=name.replace("_", " "),
                paths=paths,
                labels=tuple(_shown(label, paths) for label in labels),
                numbers=numbers,
                unit=unit,
                lines=tuple(lines),
                levels=tuple(levels),
            )
        )
    return [sweep for sweep in there if sweep.lines]


def _grouped(found: Found) -> dict[str, list[Mapping[str, Any]]]:
    """Axes by name; those of one name are one axis when no arm lies on several of them."""
    listed = found.study.get("axes")
    entries = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for entry in (one for one in entries if one.get("path")):
        groups.setdefault(str(entry.get("name") or entry["path"]), []).append(entry)
    apart: dict[str, list[Mapping[str, Any]]] = {}
    for name, group in groups.items():
        paths = {str(entry["path"]) for entry in group}
        judged = any(path.startswith(_PROTOCOL) for path in paths)
        if len(group) > 1 and (judged or any(len(paths & arm.labels.keys()) > 1 for arm in found.arms)):
            apart |= {str(entry["path"]): [entry] for entry in group}
        else:
            apart[name] = group
    return apart


def _labels(entry: Mapping[str, Any]) -> list[str]:
    given = entry.get("labels") or entry.get("values") or []
    return [str(label) for label in given] if isinstance(given, Sequence) and not isinstance(given, str) else []


def _united(entries: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The values of all; numbers of arms that have values of their own are put in order."""
    labels = dict.fromkeys(label for entry in entries for label in _labels(entry))
    numbers = [one[0] for one in map(_number, labels) if one]
    if len(entries) < 2 or len(numbers) < len(labels):
        return tuple(labels)
    return tuple(label for _, label in sorted(zip(numbers, labels, strict=True)))


def _laid(
    found: Found, paths: Sequence[str], labels: Sequence[str], rows: Mapping[str, list[Record]]
) -> tuple[list[Line], list[Line]]:
    """Lines of an axis that changes coats: arms of one family, and of one place on all other axes."""
    names = axis_names(found.study)
    spots: dict[str, list[Spot]] = {}
    untouched: dict[str, Spot] = {}
    for arm in found.arms:
        own = [path for path in paths if arm.labels.get(path) in labels]
        if not own:
            untouched[arm.name] = Spot(0, arm, tuple(rows.get(arm.name, ())))
            continue
        others = [f"{names.get(path, path)}={label}" for path, label in arm.labels.items() if path not in paths]
        line = (arm.family or arm.name) + (f"[{', '.join(others)}]" if others else "")
        place = labels.index(arm.labels[own[0]])
        spots.setdefault(line, []).append(Spot(place, arm, tuple(rows.get(arm.name, ()))))
    styles = _styles(found, [*spots, *untouched])
    lines = [
        Line(name, styles[name], tuple(sorted(there, key=lambda spot: spot.place))) for name, there in spots.items()
    ]
    return lines, [Line(name, styles[name], (spot,)) for name, spot in untouched.items()]


def _judged(found: Found, path: str, labels: Sequence[str], rows: Mapping[tuple[str, str], list[Record]]) -> list[Line]:
    """Lines of an axis into the protocol: every arm, judged once for each value, all else as in the main protocol."""
    listed = [one for one in found.study.get("protocols") or [] if isinstance(one, Mapping)]
    places = {str(one.get("eval")): {str(key): str(value) for key, value in _labelled(one).items()} for one in listed}
    kept = {row.eval for row in found.rows if row.split == "test"}
    main = next((place for name, place in places.items() if name in kept), {})
    evals = [
        (labels.index(place[path]), name)
        for name, place in places.items()
        if place.get(path) in labels and all(place[key] == main.get(key) for key in place if key != path)
    ]
    names = [arm.name for arm in found.arms]
    styles = _styles(found, names)
    lines = []
    for arm in found.arms:
        spots = tuple(Spot(place, arm, tuple(rows.get((arm.name, name), ()))) for place, name in sorted(evals))
        lines.append(Line(arm.name, styles[arm.name], tuple(spot for spot in spots if spot.rows)))
    return [line for line in lines if line.spots]


def _labelled(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    labels = entry.get("labels") or entry.get("values")
    return labels if isinstance(labels, Mapping) else {}


def axis_names(study: Mapping[str, Any]) -> dict[str, str]:
    """Path of each axis → its name, from a study.json."""
    listed = study.get("axes")
    entries = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    return {str(one.get("path")): str(one.get("name") or one.get("path")) for one in entries}


def _styles(found: Found, names: Iterable[str]) -> dict[str, int]:
    """A style for each line: the family's own throughout the page, and a free one for a second line of a family."""
    families = list(dict.fromkeys(arm.family or arm.name for arm in found.arms))
    asked = list(names)
    styles = {name: families.index(name) for name in asked if name in families}
    free = len(families)
    for name in asked:
        if name not in styles:
            styles[name], free = free, free + 1
    return styles


def _shown(label: str, paths: Sequence[str]) -> str:
    """No limit of labels or images is all of them."""
    limits = all(path.rpartition(".")[2].startswith(("label", "image")) for path in paths)
    return "all" if label == "None" and limits else label


def _numbers(paths: Sequence[str], labels: Sequence[str], lines: Sequence[Line]) -> tuple[tuple[float, ...], str]:
    """The values as numbers where all of them are; labelled images are counted in the rows where a label says "all"."""
    read = [_number(label) for label in labels]
    units = {unit for _, unit in (one for one in read if one)}
    if all(read) and len(units) == 1:
        return tuple(one[0] for one in read if one), units.pop()
    if not paths[0].startswith(f"{_PROTOCOL}label"):
        return (), ""
    counted = []
    for place in range(len(labels)):
        used = [row.labels for line in lines for spot in line.spots if spot.place == place for row in spot.rows]
        counted.append(float(median(used)) if used else 0.0)
    return (tuple(counted), "") if all(counted) and len(set(counted)) == len(counted) else ((), "")


def _number(text: str) -> tuple[float, str] | None:
    """Read ``50``, ``5,000``, ``5k`` or ``10 %``; None for anything else.

    Example:
        >>> _number("5k"), _number("10 %"), _number("crop+flip")
        ((5000.0, ''), (10.0, '%'), None)
    """
    found = re.fullmatch(r"([+-]?[\d,]*\.?\d+(?:e[+-]?\d+)?)\s*([kM%]?)", text.strip(), flags=re.IGNORECASE)
    if not found:
        return None
    value = float(found.group(1).replace(",", ""))
    factor = {"k": 1e3, "m": 1e6}.get(found.group(2).lower(), 1.0)
    return value * factor, "%" if found.group(2) == "%" else ""
