"""The verdict as one picture: every arm by k-NN and by linear probing, side by side, with its intervals."""

from __future__ import annotations

from collections.abc import Sequence

from undercoat.report.arms import NULL_ARM
from undercoat.report.charts import Chart, clear_of_neighbours, line, padded, short, tick_text, write
from undercoat.report.dots import whisker
from undercoat.report.drawing import Cell, Drawing
from undercoat.report.estimates import Estimate
from undercoat.report.figures import dot_of
from undercoat.report.folder import Found
from undercoat.report.marks import STYLES
from undercoat.report.markup import Markup, join, tag
from undercoat.report.scales import Scale
from undercoat.report.tables import ArmRow, ArmsTable, arms_table, seeds_text
from undercoat.report.wording import count, data_name, fraction, listed

__all__ = ["verdict_drawing"]

WIDTH, MARGIN, NAMES, GAP = 720.0, 20.0, 182.0, 18.0
TOP, ROW, FOOT = 66.0, 31.0, 58.0
VALUES = 72.0  # room right of each panel for value and sign
SIDE_BY_SIDE = 2
SIGNS = {1: ("▲", "up"), -1: ("▼", "down"), 0: ("≈", "level")}
COLUMNS = ("arm", "coats", "measure", "value", "ci_low", "ci_high", "n", "seeds", "versus", "difference",
           "difference_ci_low", "difference_ci_high")  # fmt: skip


def verdict_drawing(found: Found) -> Drawing | None:
    """Draw the first two measures of the first data, or None where nothing was measured."""
    table = arms_table(found.rows, found.arms)
    if not table.measures:
        return None
    data = table.measures[0].eval_data
    places = [place for place, one in enumerate(table.measures) if one.eval_data == data][:SIDE_BY_SIDE]
    arms = [row for row in table.rows if row.name != NULL_ARM and any(row.values[place] for place in places)]
    said = "; ".join(f"{row.name} {' and '.join(fraction(_value(row.values[p])) for p in places)}" for row in arms)
    body = [_head(table, arms, places), _names(arms, table), _panels(table, arms, places), _foot(table, arms, places)]
    height = TOP + ROW * len(arms) + FOOT
    return Drawing(
        stem="verdict",
        chart=Chart("Did each coat help?", said, height, join(*body), WIDTH),
        columns=COLUMNS,
        data=tuple(_raw(row, table, place) for place in places for row in table.rows),
    )


def _value(found: Estimate | None) -> float | None:
    return None if found is None else found.value


def _raw(row: ArmRow, table: ArmsTable, place: int) -> tuple[Cell, ...]:
    value, against = row.values[place], _against(row, place)
    start = (row.name, " > ".join(row.coats), table.measures[place].name)
    number = (value.value, value.low, value.high, value.n, len(value.seeds)) if value else (None,) * 5
    other = (table.references[0], against.value, against.low, against.high) if against else (None,) * 4
    return (*start, *number, *other)


def _against(row: ArmRow, place: int) -> Estimate | None:
    return row.differences[place][0] if row.differences[place] else None


def _head(table: ArmsTable, arms: Sequence[ArmRow], places: Sequence[int]) -> Markup:
    measure = table.measures[places[0]]
    values = [row.values[place] for row in arms for place in places]
    sizes = sorted({one.n for one in values if one})
    n = " to ".join(count(size) for size in dict.fromkeys([sizes[0], sizes[-1]]))
    metric = "AUROC" if measure.metric == "auroc" else measure.metric.replace("_", " ").capitalize()
    on = f" of {data_name(measure.eval_data)}" if measure.eval_data else ""
    over = f", {seeds_text(table)}" if seeds_text(table) else ""
    return join(
        write(MARGIN, 30, "Did each coat help?", "title", "start"),
        write(WIDTH - MARGIN, 30, f"{metric} on {n} test images{on}{over}", "fine", "end"),
    )


def _names(arms: Sequence[ArmRow], table: ArmsTable) -> list[Markup]:
    parts = []
    for index, row in enumerate(arms):
        y = TOP + ROW * (index + 0.5)
        parts.append(write(MARGIN, y - 2.5, short(row.name, 26), "name", "start"))
        laid = " › ".join(map(_brief, row.coats)) or "random weights"
        laid = f"random › {laid}" if row.coats and ":" in row.coats[0] else laid
        parts.append(write(MARGIN, y + 10, short(laid, 31), "coat", "start"))
    return parts


def _brief(coat: str) -> str:
    """A coat without its method, for which there is no room: ``target (norms)`` for ``target: moco_v2 (norms)``."""
    stage, learnt, how = coat.partition(":")
    special = how.strip() if how.strip() == "batch statistics" else "norms" if how.endswith("(norms)") else ""
    return coat if not learnt else f"{stage} ({special})" if special else stage


def _panels(table: ArmsTable, arms: Sequence[ArmRow], places: Sequence[int]) -> list[Markup]:
    low, high = _range(table, arms, places)
    width = (WIDTH - 2 * MARGIN - NAMES - GAP * (len(places) - 1)) / len(places)
    parts = []
    for number, place in enumerate(places):
        start = MARGIN + NAMES + number * (width + GAP)
        x = Scale(low=low, high=high, start_px=start, end_px=start + width - VALUES)
        parts.append(_panel(table, arms, place, x))
    return parts


def _range(table: ArmsTable, arms: Sequence[ArmRow], places: Sequence[int]) -> tuple[float, float]:
    """One scale for both panels, so that they can be compared."""
    shown = [row for row in table.rows if row in arms or row.name == NULL_ARM]
    dots = [dot_of("", 0, table.measures[p], one) for row in shown for p in places if (one := row.values[p])]
    seeds = [value for dot in dots for value, _ in dot.seeds]
    edges = [edge for dot in dots for edge in (dot.value, dot.low, dot.high) if edge is not None]
    return padded(min(edges + seeds), max(edges + seeds), 0.03)


def _panel(table: ArmsTable, arms: Sequence[ArmRow], place: int, x: Scale) -> Markup:
    floor = TOP + ROW * len(arms) + 4
    parts: list[object] = [write(x.start_px, TOP - 13, _spoken(table, place), "panel", "start")]
    for tick in clear_of_neighbours(x.ticks(4), x, 32):
        parts += [line(x(tick), TOP - 4, x(tick), floor, "grid"), write(x(tick), floor + 15, tick_text(tick))]
    for name, kind in _references(table):
        if level := _of(table, name, place):
            parts.append(line(x(level.value), TOP - 4, x(level.value), floor, kind))
    for index, row in enumerate(arms):
        if found := row.values[place]:
            y = TOP + ROW * (index + 0.5)
            style = next(number for number, one in enumerate(table.rows) if one is row)
            parts.append(whisker(dot_of(row.name, style, table.measures[place], found), x, y))
            parts.append(_number(row, place, x.end_px + 14, y))
    return tag("g", parts)


def _spoken(table: ArmsTable, place: int) -> str:
    return table.measures[place].name.replace("linear", "linear probing")


def _number(row: ArmRow, place: int, x: float, y: float) -> Markup:
    found, against = row.values[place], _against(row, place)
    sign, class_ = SIGNS.get(against.direction, ("", "")) if against and against.direction is not None else ("", "")
    value = write(x, y + 4, fraction(_value(found)), "value", "start")
    return join(value, write(x + 45, y + 4, sign, f"sign {class_}", "start") if sign else None)


def _references(table: ArmsTable) -> list[tuple[str, str]]:
    """Arms that are drawn as lines: what the others are paired with, in its own colour, and the majority class."""
    styles = {row.name: number % STYLES for number, row in enumerate(table.rows)}
    paired = [(name, f"reference base s{styles[name]}") for name in table.references[:1]]
    return [*paired, (NULL_ARM, "reference")]


def _of(table: ArmsTable, name: str, place: int) -> Estimate | None:
    return next((row.values[place] for row in table.rows if row.name == name), None)


def _foot(table: ArmsTable, arms: Sequence[ArmRow], places: Sequence[int]) -> Markup:
    """What the lines and signs mean; only those that are there."""
    y = TOP + ROW * len(arms) + FOOT - 16
    x = MARGIN
    parts: list[Markup] = []
    for name, kind in _references(table):
        levels = [one.value for place in places if (one := _of(table, name, place))]
        if not levels:
            continue
        text = name if name != NULL_ARM else f"{name} {listed(list(dict.fromkeys(map(fraction, levels))))}"
        parts += [line(x, y - 4, x + 24, y - 4, kind), write(x + 30, y, text, "fine", "start")]
        x += 30 + 5.7 * len(text) + 18
    shown = [one for row in arms for place in places if (one := row.values[place])]
    said = "bars: 95 % intervals" if any(one.low is not None for one in shown) else ""
    signs = f"▲ better, ▼ worse, ≈ within the noise, paired with {table.references[0]}" if table.references else ""
    parts.append(write(WIDTH - MARGIN, y, " · ".join(part for part in (said, signs) if part), "fine", "end"))
    return join(parts)
