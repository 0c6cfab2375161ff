"""Dots with intervals: one row for each arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from undercoat.report.charts import (
    WIDTH,
    Axes,
    Chart,
    Reference,
    clear_of_neighbours,
    line,
    padded,
    short,
    tick_text,
    write,
)
from undercoat.report.marks import STYLES, marker
from undercoat.report.markup import Markup, join, tag
from undercoat.report.scales import Scale

__all__ = ["Dot", "dot_chart", "whisker"]

TOP, BOTTOM = 26, 40
ROW = 34
LETTER, NAMES = 7.2, (98.0, 170.0)  # room for names: as wide as the longest needs, within limits


@dataclass(frozen=True)
class Dot:
    """One row of a dot chart: the value, its interval where there is one, the single seeds, and its tip."""

    name: str
    style: int
    value: float
    low: float | None
    high: float | None
    seeds: tuple[tuple[float, str], ...]
    tip: str


def dot_chart(title: str, description: str, dots: Sequence[Dot], reference: Reference | None, axes: Axes) -> Chart:
    """Draw one row per arm: a mark at the value, a line over its interval, small dots for single seeds."""
    height = TOP + 10 + ROW * len(dots) + BOTTOM
    edges = [edge for dot in dots for edge in (dot.value, dot.low, dot.high) if edge is not None]
    edges += [value for dot in dots for value, _ in dot.seeds] + ([reference.value] if reference else [])
    low, high = padded(min(edges), max(edges), 0.04)
    names = min(max(NAMES[0], 12 + LETTER * max(len(dot.name) for dot in dots)), NAMES[1])
    x = Scale(low=low, high=high, start_px=names + 6, end_px=WIDTH - 54)
    floor = height - BOTTOM
    parts: list[object] = []
    for tick in clear_of_neighbours(x.ticks(5), x, 30):
        parts += [line(x(tick), TOP, x(tick), floor, "grid"), write(x(tick), floor + 17, tick_text(tick))]
    if reference:
        parts += [line(x(reference.value), TOP, x(reference.value), floor, "reference")]
        anchor = "start" if x(reference.value) < WIDTH / 2 else "end"
        parts += [write(x(reference.value), TOP - 8, f"{reference.name} {reference.value:.3f}", "tick", anchor)]
    parts += [_dot_row(dot, x, TOP + 10 + ROW * (index + 0.5), names) for index, dot in enumerate(dots)]
    parts += [
        line(names, floor, WIDTH - 48, floor, "axis"),
        write(WIDTH - 48, height - 6, axes.x, "label", "end"),
    ]
    return Chart(title, description, height, join(parts))


def _dot_row(dot: Dot, x: Scale, y: float, names: float) -> Markup:
    name = write(names - 10, y + 4, short(dot.name, int((names - 10) / LETTER)), "name", "end")
    return tag("g", name, whisker(dot, x, y), write(WIDTH - 4, y + 4, f"{dot.value:.3f}", "value", "end"))


def whisker(dot: Dot, x: Scale, y: float) -> Markup:
    """A mark on its interval, with the single seeds below it."""
    style = f"s{dot.style % STYLES}"
    parts: list[Markup] = []
    if dot.low is not None and dot.high is not None:
        parts.append(line(x(dot.low), y, x(dot.high), y, f"whisker {style}"))
        parts += [line(x(end), y - 4, x(end), y + 4, f"whisker {style}") for end in (dot.low, dot.high)]
    for value, tip in dot.seeds:
        place = {"cx": f"{x(value):.1f}", "cy": f"{y + 10:.1f}", "r": 2.2}
        parts.append(tag("circle", tag("title", tip), class_=f"mark seed {style}", **place))
    return join(parts, marker(dot.style, x(dot.value), y, 5.0, tip=dot.tip))
