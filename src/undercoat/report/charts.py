"""Charts as static SVG: what all of them share, and lines with bands over steps.

Each mark has a ``<title>``, which browsers show on hover; the page's script shows it sooner,
and to the arrow keys.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from undercoat.report.marks import DASHES, STYLES, marker
from undercoat.report.markup import Markup, join, tag
from undercoat.report.scales import Scale

__all__ = [
    "WIDTH",
    "Axes",
    "Chart",
    "Point",
    "Reference",
    "Series",
    "clear_of_neighbours",
    "line",
    "line_chart",
    "padded",
    "short",
    "tick_text",
    "write",
]

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 26, 40


@dataclass(frozen=True)
class Chart:
    """A drawing in a box of ``width`` × ``height``, with the words that stand for it where it cannot be seen."""

    title: str
    description: str
    height: float
    body: Markup
    width: float = WIDTH

    @property
    def svg(self) -> Markup:
        """The chart as an element of the page."""
        head = [tag("title", self.title), tag("desc", self.description)]
        box = {"viewBox": f"0 0 {self.width:g} {self.height:g}", "aria-label": f"{self.title}. {self.description}"}
        return tag("svg", head, self.body, class_="chart", role="img", tabindex="0", **box)


@dataclass(frozen=True)
class Point:
    """One point of a line; ``low`` and ``high`` bound the band over seeds (equal with one seed)."""

    x: float
    y: float
    low: float
    high: float
    tip: str
    open: bool = False  # drawn hollow: it stands on fewer seeds than were planned


@dataclass(frozen=True)
class Series:
    """One line, drawn in the colour, shape and dash number ``style``."""

    name: str
    style: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Reference:
    """A value to compare with, drawn across the chart.

    One with a ``style`` is an arm: it has that style's colour and dash, a band from ``low`` to ``high``, a tip, and its
    name in the legend rather than in the chart.
    """

    name: str
    value: float
    style: int | None = None
    low: float | None = None
    high: float | None = None
    tip: str = ""


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Names of the axes; ``log_x`` for a logarithmic one, ``y_from_zero`` where the height itself matters.

    With ``x_names`` the places 1, 2, … along x have names in place of numbers; with ``wrap_names`` every name is
    written, in lines below each other. ``x_ticks`` are places with their texts, where not those at round numbers.
    """

    x: str
    y: str
    log_x: bool = False
    y_from_zero: bool = False
    x_names: tuple[str, ...] = ()
    wrap_names: bool = False
    x_ticks: tuple[tuple[float, str], ...] = ()

    def name_lines(self) -> list[list[str]]:
        """The names along x, each cut into lines that do not touch the neighbours'."""
        letters = max(4, int((WIDTH - LEFT - RIGHT) / max(len(self.x_names), 1) / 6.3))
        return [_wrapped(name, letters) if self.wrap_names else [name] for name in self.x_names]

    @property
    def extra_px(self) -> float:
        """Room below the chart for names of more than one line."""
        return 13.0 * (max(map(len, self.name_lines()), default=1) - 1)


def _wrapped(name: str, letters: int) -> list[str]:
    """Cut a name after spaces and joints, and in the middle of a word where nothing else fits."""
    lines = [""]
    for part in re.findall(r"[^ _+,/-]+[ _+,/-]*|[ _+,/-]+", name):
        if lines[-1] and len(lines[-1] + part.rstrip()) > letters:
            lines.append("")
        lines[-1] += part
    return [short(line.strip(), letters) for line in lines]


def tick_text(value: float) -> str:
    """Write a tick: thousands as k, no trailing zeros.

    Example:
        >>> tick_text(0.5), tick_text(1500), tick_text(200), tick_text(1_281_167)
        ('0.5', '1.5k', '200', '1.281M')
    """
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:.4g}M"
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:.4g}"


def short(text: str, letters: int) -> str:
    """Cut a text to so many letters by leaving out its middle: names of arms differ at their ends.

    Example:
        >>> short("base_source_target[steps=50]", 20), short("hpt[steps=50, crop=large]", 16)
        ('base_sour…target[50]', 'hpt[50, large]')
    """
    if len(text) > letters:  # of points of several axes only the values tell them apart
        text = re.sub(r"(?<=\[)[^\[\]=,]+=|(?<=, )[^\[\]=,]+=(?=[^\[\]]*\])", "", text)
    if len(text) <= letters:
        return text
    tail = letters // 2
    return f"{text[: letters - 1 - tail]}…{text[len(text) - tail :]}"


def write(x: float, y: float, text: str, class_: str = "tick", anchor: str = "middle") -> Markup:
    """Text at a place, in a class of the style sheet."""
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line in a class of the style sheet."""
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    return tag("line", class_=class_, **ends)


def padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    """Leave room on both sides of a range."""
    room = (high - low) * share or abs(high) * 0.05 or 0.5
    return low - room, high + room


def clear_of_neighbours(ticks: list[float], scale: Scale, room_px: float) -> list[float]:
    """Keep the ticks whose labels do not touch."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or abs(scale(tick) - scale(kept[-1])) >= room_px:
            kept.append(tick)
    return kept


def _frame(x: Scale, y: Scale, axes: Axes) -> Markup:
    floor = HEIGHT - BOTTOM
    parts = []
    for tick in y.ticks(4):
        parts += [line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid")]
        parts += [write(LEFT - 7, y(tick) + 4, tick_text(tick), anchor="end")]
    parts.append(line(LEFT, floor, WIDTH - RIGHT, floor, "axis"))
    for tick, text in _places(x, axes):
        parts += [line(x(tick), floor, x(tick), floor + 4, "axis")]
        parts += [write(x(tick), floor + 17 + 13 * row, one) for row, one in enumerate(text.split("\n"))]
    parts += [
        write(WIDTH - RIGHT, HEIGHT + axes.extra_px - 6, axes.x, "label", "end"),
        write(4, 13, axes.y, "label", "start"),
    ]
    return join(parts)


def _places(x: Scale, axes: Axes) -> list[tuple[float, str]]:
    """Where ticks stand along x, and what is written below them."""
    if axes.wrap_names:
        return [(float(place), "\n".join(lines)) for place, lines in enumerate(axes.name_lines(), 1)]
    if axes.x_ticks:
        texts = dict(axes.x_ticks)
        room = max(30.0, 6.5 * max(map(len, texts.values())) + 4)
        return [(tick, texts[tick]) for tick in clear_of_neighbours(sorted(texts), x, room)]
    if axes.x_names:
        widest = max(map(len, axes.x_names))
        places = clear_of_neighbours([float(place) for place in range(1, len(axes.x_names) + 1)], x, 6.5 * widest + 4)
        return [(place, axes.x_names[int(place) - 1]) for place in places]
    steps = [tick for tick in x.ticks(5) if tick == round(tick)]  # there is no step one and a half
    return [(tick, tick_text(tick)) for tick in clear_of_neighbours(steps, x, 26)]


def _scales(series: Sequence[Series], references: Sequence[Reference], axes: Axes) -> tuple[Scale, Scale]:
    points = [point for one in series for point in one.points]
    levels = [edge for point in points for edge in (point.low, point.high)]
    levels += [edge for one in references for edge in (one.value, one.low, one.high) if edge is not None]
    low, high = padded(min(levels), max(levels))
    if axes.y_from_zero:
        low, high = min(0.0, min(levels)), max(high, 0.055)
    steps = [point.x for point in points]
    positive = [step for step in steps if step > 0]
    log = axes.log_x and bool(positive)
    first = min(positive) if log else min(steps)
    last = max(max(steps), len(axes.x_names))
    if axes.wrap_names:  # each name has a field of its own, and stands in its middle
        fields = Scale(low=0.5, high=last + 0.5, start_px=LEFT, end_px=WIDTH - RIGHT)
        return fields, Scale(low=low, high=high, start_px=HEIGHT - BOTTOM, end_px=TOP)
    x = Scale(
        low=1 if axes.x_names else first,
        high=last,
        start_px=LEFT + 8,
        end_px=WIDTH - RIGHT - 6,
        log=log,
        zero=0 in steps,
    )
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
        parts.append(marker(one.style, x(point.x), y(point.y), 3.5 if shown else 0, tip=point.tip, hollow=point.open))
    return tag("g", parts)


def _across(one: Reference, y: Scale) -> Markup:
    """An arm that has no place along x: its line and its band from side to side."""
    left, right = LEFT, WIDTH - RIGHT
    style = (one.style or 0) % STYLES
    parts = []
    if one.low is not None and one.high is not None:
        box = {"x": left, "y": f"{y(one.high):.1f}", "width": right - left, "height": f"{y(one.low) - y(one.high):.1f}"}
        parts.append(tag("rect", class_=f"band s{style}", **box))
    ends = f"{left},{y(one.value):.1f} {right},{y(one.value):.1f}"
    parts.append(tag("polyline", class_=f"line s{style}", points=ends, stroke_dasharray=DASHES[style]))
    parts.append(marker(style, right, y(one.value), 3.5, tip=one.tip))
    return tag("g", parts)


def line_chart(
    title: str, description: str, series: Sequence[Series], axes: Axes, references: Sequence[Reference] = ()
) -> Chart:
    """Draw values over steps, with a band where several seeds were run and references as dotted lines."""
    series = [one for one in series if one.points]
    x, y = _scales(series, references, axes)
    arms = [_across(one, y) for one in references if one.style is not None]
    plain = [one for one in references if one.style is None]
    across = [line(LEFT, y(one.value), WIDTH - RIGHT, y(one.value), "reference") for one in plain]
    names = [write(WIDTH - RIGHT, y(one.value) - 4, one.name, "tick halo", "end") for one in plain]
    drawn = [_drawn(one, x, y) for one in series]
    return Chart(title, description, HEIGHT + axes.extra_px, join(_frame(x, y, axes), across, arms, drawn, names))
