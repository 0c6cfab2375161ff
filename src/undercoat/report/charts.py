"""Two kinds of chart as static SVG: lines with bands, and dots with intervals.

Each mark has a ``<title>``, which browsers show on hover; the page's script shows it sooner,
and to the arrow keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from undercoat.report.marks import DASHES, STYLES, marker
from undercoat.report.markup import Markup, join, tag
from undercoat.report.scales import Scale

__all__ = [
    "Axes",
    "Dot",
    "Point",
    "Reference",
    "Series",
    "dot_chart",
    "line_chart",
    "tick_text",
]

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 26, 40
ROW, NAME_WIDTH = 34, 98


@dataclass(frozen=True)
class Point:
    """One point of a line; ``low`` and ``high`` bound the band over seeds (equal with one seed)."""

    x: float
    y: float
    low: float
    high: float
    tip: str


@dataclass(frozen=True)
class Series:
    """One line, drawn in the colour, shape and dash number ``style``."""

    name: str
    style: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Reference:
    """A value to compare with, drawn across the chart."""

    name: str
    value: float


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


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Names of the axes; ``log_x`` for a logarithmic one, ``y_from_zero`` where the height itself matters."""

    x: str
    y: str
    log_x: bool = False
    y_from_zero: bool = False


def tick_text(value: float) -> str:
    """Write a tick: thousands as k, no trailing zeros.

    Example:
        >>> tick_text(0.5), tick_text(1500), tick_text(200)
        ('0.5', '1.5k', '200')
    """
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:.4g}"


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _write(x: float, y: float, text: str, class_: str = "tick", anchor: str = "middle") -> Markup:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", class_=class_, text_anchor=anchor)


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    return tag("line", class_=class_, **ends)


def _svg(title: str, description: str, height: float, *parts: object) -> Markup:
    head = [tag("title", title), tag("desc", description)]
    box = {"viewBox": f"0 0 {WIDTH} {height:g}", "aria-label": f"{title}. {description}"}
    return tag("svg", head, parts, class_="chart", role="img", tabindex="0", **box)


def _padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    room = (high - low) * share or abs(high) * 0.05 or 0.5
    return low - room, high + room


def _clear_of_neighbours(ticks: list[float], scale: Scale, room_px: float) -> list[float]:
    kept: list[float] = []
    for tick in ticks:
        if not kept or abs(scale(tick) - scale(kept[-1])) >= room_px:
            kept.append(tick)
    return kept


def _frame(x: Scale, y: Scale, axes: Axes) -> Markup:
    floor = HEIGHT - BOTTOM
    parts = []
    for tick in y.ticks(4):
        parts += [_line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid")]
        parts += [_write(LEFT - 7, y(tick) + 4, tick_text(tick), anchor="end")]
    parts.append(_line(LEFT, floor, WIDTH - RIGHT, floor, "axis"))
    steps = [tick for tick in x.ticks(5) if tick == round(tick)]  # there is no step one and a half
    for tick in _clear_of_neighbours(steps, x, 26):
        parts += [_line(x(tick), floor, x(tick), floor + 4, "axis")]
        parts += [_write(x(tick), floor + 17, tick_text(tick))]
    parts += [
        _write(WIDTH - RIGHT, HEIGHT - 6, axes.x, "label", "end"),
        _write(4, 13, axes.y, "label", "start"),
    ]
    return join(parts)


def _scales(series: Sequence[Series], references: Sequence[Reference], axes: Axes) -> tuple[Scale, Scale]:
    points = [point for one in series for point in one.points]
    levels = [edge for point in points for edge in (point.low, point.high)] + [one.value for one in references]
    low, high = _padded(min(levels), max(levels))
    if axes.y_from_zero:
        low, high = min(0.0, min(levels)), max(high, 0.055)
    steps = [point.x for point in points]
    positive = [step for step in steps if step > 0]
    log = axes.log_x and bool(positive)
    first = min(positive) if log else min(steps)
    x = Scale(low=first, high=max(steps), start_px=LEFT + 8, end_px=WIDTH - RIGHT - 6, log=log, zero=0 in steps)
    return x, Scale(low=low, high=high, start_px=HEIGHT - BOTTOM, end_px=TOP)


def _drawn(one: Series, x: Scale, y: Scale) -> Markup:
    style = one.style % STYLES
    parts: list[Markup] = []
    if any(point.high > point.low for point in one.points):
        upper = [f"{x(point.x):.1f},{y(point.high):.1f}" for point in one.points]
        lower = [f"{x(point.x):.1f},{y(point.low):.1f}" for point in reversed(one.points)]
        parts.append(tag("polygon", class_=f"band s{style}", points=" ".join(upper + lower)))
    path = " ".join(f"{x(point.x):.1f},{y(point.y):.1f}" for point in one.points)
    parts.append(tag("polyline", class_=f"line s{style}", points=path, stroke_dasharray=DASHES[style]))
    every = max(1, len(one.points) // 8)  # shapes on some points only; the others answer to the pointer
    for index, point in enumerate(one.points):
        shown = index % every == 0 or index == len(one.points) - 1
        parts.append(marker(one.style, x(point.x), y(point.y), 3.5 if shown else 0, tip=point.tip))
    return tag("g", parts)


def line_chart(
    title: str, description: str, series: Sequence[Series], axes: Axes, references: Sequence[Reference] = ()
) -> Markup:
    """Draw values over steps, with a band where several seeds were run and references as dotted lines."""
    series = [one for one in series if one.points]
    x, y = _scales(series, references, axes)
    across = [
        [
            _line(LEFT, y(one.value), WIDTH - RIGHT, y(one.value), "reference"),
            _write(WIDTH - RIGHT, y(one.value) - 4, one.name, "tick", "end"),
        ]
        for one in references
    ]
    return _svg(title, description, HEIGHT, _frame(x, y, axes), across, [_drawn(one, x, y) for one in series])


def dot_chart(title: str, description: str, dots: Sequence[Dot], reference: Reference | None, axes: Axes) -> Markup:
    """Draw one row per arm: a mark at the value, a line over its interval, small dots for single seeds."""
    height = TOP + 10 + ROW * len(dots) + BOTTOM
    edges = [edge for dot in dots for edge in (dot.value, dot.low, dot.high) if edge is not None]
    edges += [value for dot in dots for value, _ in dot.seeds] + ([reference.value] if reference else [])
    low, high = _padded(min(edges), max(edges), 0.04)
    x = Scale(low=low, high=high, start_px=NAME_WIDTH + 6, end_px=WIDTH - 54)
    floor = height - BOTTOM
    parts: list[object] = []
    for tick in _clear_of_neighbours(x.ticks(5), x, 30):
        parts += [_line(x(tick), TOP, x(tick), floor, "grid"), _write(x(tick), floor + 17, tick_text(tick))]
    if reference:
        parts += [_line(x(reference.value), TOP, x(reference.value), floor, "reference")]
        anchor = "start" if x(reference.value) < WIDTH / 2 else "end"
        parts += [_write(x(reference.value), TOP - 8, f"{reference.name} {reference.value:.3f}", "tick", anchor)]
    parts += [_dot_row(dot, x, TOP + 10 + ROW * (index + 0.5)) for index, dot in enumerate(dots)]
    parts += [
        _line(NAME_WIDTH, floor, WIDTH - 48, floor, "axis"),
        _write(WIDTH - 48, height - 6, axes.x, "label", "end"),
    ]
    return _svg(title, description, height, parts)


def _dot_row(dot: Dot, x: Scale, y: float) -> Markup:
    style = f"s{dot.style % STYLES}"
    parts: list[Markup] = [_write(NAME_WIDTH - 10, y + 4, _short(dot.name, 14), "name", "end")]
    if dot.low is not None and dot.high is not None:
        parts.append(_line(x(dot.low), y, x(dot.high), y, f"whisker {style}"))
        parts += [_line(x(end), y - 4, x(end), y + 4, f"whisker {style}") for end in (dot.low, dot.high)]
    parts += [
        tag(
            "circle",
            tag("title", tip),
            class_=f"mark seed {style}",
            cx=f"{x(value):.1f}",
            cy=f"{y + 10:.1f}",
            r=2.2,
        )
        for value, tip in dot.seeds
    ]
    parts.append(marker(dot.style, x(dot.value), y, 5.0, tip=dot.tip))
    parts.append(_write(WIDTH - 4, y + 4, f"{dot.value:.3f}", "value", "end"))
    return tag("g", parts)
