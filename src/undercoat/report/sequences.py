"""Sequences of coats: every arm beside the others, and below it which coats of the whole sequence it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from undercoat.report.arms import NULL_ARM, Arm
from undercoat.report.charts import LEFT, RIGHT, WIDTH, Chart, line, padded, short, tick_text, write
from undercoat.report.drawing import Cell, Drawing
from undercoat.report.estimates import Estimate, Measure, described, estimate, measures, null_estimate
from undercoat.report.folder import Found
from undercoat.report.marks import STYLES, marker
from undercoat.report.markup import Markup, join, tag
from undercoat.report.scales import Scale
from undercoat.report.sweep_places import band, capital, file_stem, on_data
from undercoat.report.wording import count, data_name, fraction, span

__all__ = ["sequence_drawings", "sequence_of"]

TOP, PLOT, ROW = 30.0, 170.0, 18.0  # room above, height of the values, height of one row of the matrix
FEWEST_COATS, FEWEST_ARMS = 3, 4
_COLUMNS = ("arm", "coats", "seed", "value", "ci_low", "ci_high", "n", "std", "seeds", "planned")


@dataclass(frozen=True)
class _Column:
    """One arm: its value, and which of the coats it has: 1 whole, 0.5 in part (norms or statistics only), 0 not."""

    arm: Arm
    style: int
    has: tuple[float, ...]
    found: Estimate | None


def sequence_of(arms: Sequence[Arm]) -> tuple[str, ...]:
    """The stages of the longest arm, when all arms are made of some of them in the same order; else nothing.

    At least three stages and four arms of different stages make a sequence.

    Example:
        >>> coats = [(), ("net",), ("net", "s: moco_v2"), ("net", "t: moco_v2"), ("net", "s: moco_v2", "t: moco_v2")]
        >>> sequence_of([Arm(str(place), one) for place, one in enumerate(coats)])
        ('net', 's', 't')
    """
    chains = [_stages(arm) for arm in arms]
    whole = max(chains, key=len, default=())
    if len(whole) < FEWEST_COATS or len(set(whole)) < len(whole) or len(set(chains)) < FEWEST_ARMS:
        return ()
    return whole if all(_within(chain, whole) for chain in chains) else ()


def _stages(arm: Arm) -> tuple[str, ...]:
    return tuple(coat.partition(":")[0].strip() if ": " in coat else coat for coat in arm.coats)


def _within(chain: Sequence[str], whole: Sequence[str]) -> bool:
    left = iter(whole)
    return all(stage in left for stage in chain)


def sequence_drawings(found: Found) -> list[Drawing]:
    """One figure for each measure; nothing for a study whose arms are no parts of one sequence."""
    whole = sequence_of(found.arms)
    return [_drawing(found, whole, measure) for measure in measures(found.rows)] if whole else []


def _drawing(found: Found, whole: tuple[str, ...], measure: Measure) -> Drawing:
    columns = [
        _Column(arm, style, _has(arm, whole), estimate(found.rows, arm.name, measure))
        for style, arm in enumerate(found.arms)
    ]
    null = null_estimate(found.rows, measure)
    title = f"{capital(measure.name)} of every part of the sequence{on_data(measure)}"
    there = [(one.arm.name, one.found) for one in columns if one.found]
    absent = [one.arm.name for one in columns if one.found is None]
    few = [f"{name} ({seeds})" for name, seeds in ((one.arm.name, _missing(one)) for one in columns) if seeds]
    said = [
        _bars([one for _, one in there]),
        "Below each arm its coats: full, or hollow where only norms or statistics were trained.",
    ]
    said += [f"The {NULL_ARM} scores {fraction(null.value)}."] if null else []
    said += [f"Hollow values: not all seeds are there yet: {', '.join(few)}."] if few else []
    said += [f"Not measured: {', '.join(absent)}."] if absent else []
    return Drawing(
        stem=file_stem(f"sequence {measure.name} {data_name(measure.eval_data)}"),
        chart=Chart(
            title,
            "; ".join(f"{name} {fraction(one.value)}" for name, one in there),
            TOP + PLOT + 12 + ROW * len(whole) + 8,
            _body(columns, whole, measure),
        ),
        remark=" ".join(said),
        table=(
            ["arm", "coats", "value", "95 % interval", "n", "std over seeds"],
            [[one.arm.name, _chain(one.arm), *_cells(one)] for one in columns],
        ),
        columns=_COLUMNS,
        data=tuple(row for one in columns for row in _raw(one)),
    )


def _bars(found: Sequence[Estimate]) -> str:
    if any(one.low is not None for one in found):
        return "Lines: 95 % intervals" + (
            " of the mean over seeds." if any(len(one.seeds) > 1 for one in found) else "."
        )
    return "Lines: mean ± one standard deviation over seeds." if any(one.std is not None for one in found) else ""


def _has(arm: Arm, whole: Sequence[str]) -> tuple[float, ...]:
    laid = dict(zip(_stages(arm), arm.coats, strict=True))
    in_part = ("(norms)", "batch statistics", "(head)")
    return tuple(0.0 if one not in laid else 0.5 if laid[one].endswith(in_part) else 1.0 for one in whole)


def _missing(column: _Column) -> str:
    seeds, planned = len(column.found.seeds) if column.found else 0, column.arm.planned
    return f"{seeds} of {planned} seeds" if 0 < seeds < planned else ""


def _chain(arm: Arm) -> str:
    return " > ".join(arm.coats) or "–"


def _cells(column: _Column) -> list[str]:
    found = column.found
    if found is None:
        return ["–"] * 4
    missing = _missing(column)
    value = fraction(found.value) + (f" [{missing}]" if missing else "")
    return [value, span(found.low, found.high) or "–", count(found.n), fraction(found.std)]


def _raw(column: _Column) -> list[tuple[Cell, ...]]:
    found, start = column.found, (column.arm.name, _chain(column.arm))
    if found is None:
        return []
    seeds = list(found.seeds)
    whole = (found.value, found.low, found.high, found.n, found.std, len(seeds), column.arm.planned)
    single = [(*start, seed, r.value, r.ci_low, r.ci_high, r.n, None, 1, 1) for seed, r in found.seeds.items()]
    return [(*start, seeds[0] if len(seeds) == 1 else None, *whole), *(single if len(seeds) > 1 else [])]


def _body(columns: Sequence[_Column], whole: Sequence[str], measure: Measure) -> Markup:
    edges = [end for one in columns if one.found for end in (*band(one.found), one.found.value)]
    edges += [row.value for one in columns if one.found for row in one.found.seeds.values()]
    low, high = padded(min(edges, default=0.0), max(edges, default=1.0))
    y = Scale(low=low, high=high, start_px=TOP + PLOT, end_px=TOP)
    names = max(LEFT, min(96.0, 12 + 6.4 * max(map(len, whole))))
    step = (WIDTH - RIGHT - names) / len(columns)
    floor = TOP + PLOT
    parts: list[object] = [write(4, 13, "AUROC" if measure.metric == "auroc" else measure.metric, "label", "start")]
    for tick in y.ticks(4):
        parts += [line(names, y(tick), WIDTH - RIGHT, y(tick), "grid")]
        parts += [write(names - 7, y(tick) + 4, tick_text(tick), anchor="end")]
    parts += [line(names, floor, WIDTH - RIGHT, floor, "axis")]
    for row, stage in enumerate(whole):
        middle = floor + 12 + ROW * (row + 0.5)
        parts += [write(names - 10, middle + 4, short(stage, int((names - 6) / 6.4)), "tick", "end")]
    for place, column in enumerate(columns):
        parts += [_column(column, names + step * (place + 0.5), y, floor, measure, room=step)]
    return join(parts)


def _column(column: _Column, x: float, y: Scale, floor: float, measure: Measure, *, room: float) -> Markup:
    found, style = column.found, f"s{column.style % STYLES}"
    parts: list[Markup] = []
    if found is not None:
        low, high = band(found)
        if high > low:
            parts += [line(x, y(low), x, y(high), f"whisker {style}")]
            parts += [line(x - 4, y(end), x + 4, y(end), f"whisker {style}") for end in (low, high)]
        for seed, row in found.seeds.items() if len(found.seeds) > 1 else ():
            tip = f"{column.arm.name}, seed {seed}: {fraction(row.value)}, n = {count(row.n)}"
            spot = {"cx": f"{x + min(9.0, room / 4):.1f}", "cy": f"{y(row.value):.1f}", "r": 2.2}
            parts.append(tag("circle", tag("title", tip), class_=f"mark seed {style}", **spot))
        missing = _missing(column)
        tip = described(column.arm.name, measure, found) + (f", only {missing}" if missing else "")
        parts.append(marker(column.style, x, y(found.value), 5.0, tip=tip, hollow=bool(missing)))
    rows = [floor + 12 + ROW * (row + 0.5) for row in range(len(column.has))]
    laid = [middle for middle, has in zip(rows, column.has, strict=True) if has]
    if len(laid) > 1:
        parts.append(line(x, laid[0], x, laid[-1], "axis"))
    for middle, has in zip(rows, column.has, strict=True):
        kind = "dot" if has == 1 else "dot part" if has else "dot none"
        parts.append(tag("circle", class_=kind, cx=f"{x:.1f}", cy=f"{middle:.1f}", r=4.6 if has else 2.2))
    return tag("g", parts)
