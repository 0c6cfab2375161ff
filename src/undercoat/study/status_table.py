"""A study's status as a table: seeds in the same state on one line, every coat below the one that it lies on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from undercoat.study.status import StageStatus, StudyStatus, status_of

__all__ = ["duration", "status_table", "watch"]

_EVERY_S = 2.0
_STYLES = {"finished": "green", "running": "bold", "failed": "red"}


def duration(seconds: float) -> str:
    """A time as people say it.

    Example:
        >>> [duration(seconds) for seconds in (8.4, 75, 7260, 200_000)]
        ['8 s', '1 min 15 s', '2 h 1 min', '2 d 7 h']
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((place for place, (count, _) in enumerate(parts) if count), 3)
    return " ".join(
        f"{count} {unit}" for count, unit in parts[first : first + 2] if count or (unit == "s" and first == 3)
    )


def status_table(found: StudyStatus) -> RenderableType:
    """Draw how far a study is, in 80 columns."""
    table = Table(box=None, pad_edge=False)
    table.add_column("coat", overflow="fold", ratio=1)
    table.add_column("seed", justify="right", max_width=10)
    table.add_column("state", max_width=18)
    for name in ("step", "images/s", "left"):
        table.add_column(name, justify="right", no_wrap=True)
    for depth, group in _lines(found.coats):
        table.add_row(*_cells(depth, group))
    return Group(table, *(Text(line) for line in _below(found)))


def watch(out: Path | str, console: Console) -> None:
    """Show the table anew every two seconds, until every coat is finished and nobody is at work; Ctrl-C ends it."""
    found = status_of(out)
    with Live(status_table(found), console=console, auto_refresh=False) as live:
        while not found.finished:
            time.sleep(_EVERY_S)
            found = status_of(out)
            live.update(status_table(found), refresh=True)


def _lines(coats: Sequence[StageStatus]) -> Iterator[tuple[int, list[StageStatus]]]:
    """Coats that differ in nothing but their seed, by state, each group below the one it lies on, with its depth."""
    twig: dict[str, tuple[object, ...]] = {"": ()}  # digest → what is the same for all seeds, from the first coat on
    groups: dict[tuple[object, ...], list[StageStatus]] = {}
    for coat in coats:
        twig[coat.digest] = (*twig.get(coat.parent, ()), (coat.chain, coat.steps, coat.pace))
        groups.setdefault(twig[coat.digest], []).append(coat)
    place = {key: number for number, key in enumerate(groups)}
    for key in sorted(groups, key=lambda key: [place.get(key[: depth + 1], 0) for depth in range(len(key))]):
        for part in _alike(groups[key]):
            yield len(key) - 1, part


def _alike(group: list[StageStatus]) -> list[list[StageStatus]]:
    """Seeds in the same state; each that runs has a line of its own."""
    parts: dict[tuple[object, ...], list[StageStatus]] = {}
    for coat in group:
        parts.setdefault((coat.state, coat.worker, coat.step), []).append(coat)
    return list(parts.values())


def _cells(depth: int, group: list[StageStatus]) -> list[Text]:
    one = group[0]
    name = one.chain.rpartition(">")[2]
    speeds = [coat.images_per_second for coat in group if coat.images_per_second]
    left = None if any(coat.seconds_left is None for coat in group) else sum(coat.seconds_left or 0 for coat in group)
    state = one.state if one.worker is None else f"running (worker {one.worker})"
    steps = f"{one.step:,}/{one.steps:,}" if one.steps else "–"
    speed = f"{sum(speeds) / len(speeds):,.0f}" if speeds else "–"
    wait = "–" if one.state == "finished" else "?" if left is None else duration(left)
    indent = "  " * depth
    cells = [f"{indent}{name}", _seeds(group), state, steps, speed, wait]
    return [Text(cell, style=_STYLES.get(one.state, "") if place == 2 else "") for place, cell in enumerate(cells)]


def _seeds(group: list[StageStatus]) -> str:
    """Seeds as they are written shortly: ``0–4, 7``."""
    runs: list[list[int]] = []
    for seed in sorted({coat.seed for coat in group}):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def _below(found: StudyStatus) -> Iterator[str]:
    done = sum(coat.state == "finished" for coat in found.coats)
    people = len(found.workers)
    at_work = "nobody is at work" if not people else f"{people} worker{'s' if people > 1 else ''} at work"
    line = f"{done} of {len(found.coats)} coats finished, {at_work}"
    if found.judging is not None:
        line += f", worker {found.judging} is judging"
    elif done < len(found.coats):
        left = "an unknown time" if found.seconds_left is None else f"about {duration(found.seconds_left)}"
        line += f", {left} of training left" + ("" if people else " once the study is run again")
    yield line
    for coat in found.coats:
        if coat.error:
            yield f"failed: {coat.chain}  seed {coat.seed}: {coat.error}"
