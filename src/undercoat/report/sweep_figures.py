"""Figures of an experiment: accuracy over the values of an axis, and what each arm lost since the first value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from undercoat.report.arms import NULL_ARM
from undercoat.report.charts import Point, Reference, Series, line_chart
from undercoat.report.drawing import Cell, Drawing
from undercoat.report.estimates import Estimate, Measure, described, measures, null_estimate
from undercoat.report.folder import Found
from undercoat.report.marks import STYLES
from undercoat.report.sweep_changes import change_drawing
from undercoat.report.sweep_places import along, axes_of, band, capital, file_stem, of_family, on_data, where
from undercoat.report.sweeps import Line, Spot, Sweep, sweeps
from undercoat.report.wording import data_name, fraction, listed, span

__all__ = ["sweep_drawings"]

_COLUMNS = ("arm", "axis", "label", "number", "seed", "value", "ci_low", "ci_high", "n", "std", "seeds", "planned")


def sweep_drawings(found: Found) -> list[Drawing]:
    """One figure for each axis and measure; for an axis of names also one of the changes since its first value."""
    there = []
    for sweep in sweeps(found):
        for part in map(_distinct, _parts(sweep)):
            for measure in measures(found.rows):
                there += [_level_drawing(found, part, measure)]
                there += [change_drawing(found, part, measure)] if not sweep.numbers else []
    return [one for one in there if one is not None]


def _parts(sweep: Sweep) -> list[Sweep]:
    """The whole axis; where it has more lines than there are styles, one part for each arm of the recipe."""
    if len(sweep.lines) + len(sweep.levels) <= STYLES or len(sweep.lines) < 2:
        return [sweep]
    families: dict[str, list[Line]] = {}
    for line in sweep.lines:
        families.setdefault(line.spots[0].arm.family or line.name, []).append(line)
    if len(families) == 1:
        return [sweep]
    return [replace(sweep, lines=tuple(lines)) for lines in families.values()]


def _distinct(sweep: Sweep) -> Sweep:
    """No two lines of a figure look alike as long as there are styles; those beside the axis keep theirs first."""
    taken: set[int] = set()

    def restyled(line: Line) -> Line:
        free = [style for style in (line.style % STYLES, *range(STYLES)) if style not in taken]
        style = free[0] if free else line.style
        taken.add(style)
        return line if style == line.style % STYLES else replace(line, style=style)

    levels = tuple(map(restyled, sweep.levels))
    return replace(sweep, levels=levels, lines=tuple(map(restyled, sweep.lines)))


def _partial(spot: Spot, found: Estimate) -> str:
    planned = spot.arm.planned
    return f"{len(found.seeds)} of {planned} seeds" if 0 < len(found.seeds) < planned else ""


def _tip(name: str, spot: Spot, measure: Measure, found: Estimate) -> str:
    single = [f"{seed}: {fraction(row.value)}" for seed, row in found.seeds.items()] if len(found.seeds) > 1 else []
    missing = _partial(spot, found)
    return described(name, measure, found) + (f" ({', '.join(single)})" if single else "") + (
        f", only {missing}" if missing else ""
    )  # fmt: skip


def _measured(line: Line, measure: Measure) -> list[tuple[Spot, Estimate]]:
    return [(spot, one) for spot in line.spots if (one := spot.estimate(measure)) is not None]


def _level_drawing(found: Found, sweep: Sweep, measure: Measure) -> Drawing | None:
    series, rows = [], []
    lines = [(line, _measured(line, measure)) for line in sweep.lines]
    levels = [(line, _measured(line, measure)) for line in sweep.levels]
    for line, there in lines:
        points = []
        for spot, one in sorted(there, key=lambda pair: along(sweep, pair[0].place)):
            tip = _tip(f"{line.name}, {where(sweep, spot)}", spot, measure, one)
            points.append(Point(along(sweep, spot.place), one.value, *band(one), tip, bool(_partial(spot, one))))
            rows += _raw(line.name, sweep, spot, one)
        series += [Series(line.name, line.style, tuple(points))] if points else []
    if not series:
        return None
    across = []
    for line, there in levels:
        for spot, one in there:
            tip = _tip(line.name, spot, measure, one)
            low, high = band(one)
            ends = {"low": low, "high": high} if low < high else {}
            across.append(Reference(line.name, one.value, line.style, tip=tip, **ends))
            rows += _raw(line.name, None, spot, one)
    null, said = _null(found, measure, series, across)
    axes = axes_of(sweep, "AUROC" if measure.metric == "auroc" else measure.metric.replace("_", " "))
    title = f"{capital(measure.name)} over {sweep.name}" + on_data(measure) + of_family(sweep)
    whole = [pair for _, there in [*lines, *levels] for pair in there]
    return Drawing(
        stem=file_stem(f"axis {sweep.name} {measure.name} {data_name(measure.eval_data)}{of_family(sweep)}"),
        chart=line_chart(title, _in_words(series, across), series, axes, [*across, *null]),
        lines=(*((one.name, one.style) for one in series), *((one.name, one.style or 0) for one in across)),
        remark=" ".join(part for part in (_band_words(whole), _missing(sweep, whole), said) if part),
        table=_table(sweep, lines, levels, measure),
        columns=_COLUMNS,
        data=tuple(rows),
        has_reference=bool(across or null),
    )


def _in_words(series: Sequence[Series], across: Sequence[Reference]) -> str:
    said = [f"{one.name} from {fraction(one.points[0].y)} to {fraction(one.points[-1].y)}" for one in series]
    return "; ".join([*said, *(f"{one.name} {fraction(one.value)} throughout" for one in across)])


def _null(
    found: Found, measure: Measure, series: Sequence[Series], across: Sequence[Reference]
) -> tuple[list[Reference], str]:
    """The majority class as a level; in words where it lies so far off that it would press the lines together."""
    null = null_estimate(found.rows, measure)
    if null is None:
        return [], ""
    values = [value for one in series for point in one.points for value in (point.low, point.high)]
    values += [value for one in across for value in (one.value, one.low, one.high) if value is not None]
    if min(values) - null.value > max(values) - min(values):
        return [], f"The {NULL_ARM} scores {fraction(null.value)}."
    return [Reference(f"{NULL_ARM} {null.value:.3f}", null.value)], ""


def _band_words(whole: Sequence[tuple[Spot, Estimate]]) -> str:
    found = [one for _, one in whole]
    if any(one.low is not None for one in found):
        several = any(len(one.seeds) > 1 for one in found)
        return "Bands: 95 % intervals" + (" of the mean over seeds." if several else ".")
    return "Bands: mean ± one standard deviation over seeds." if any(one.std is not None for one in found) else ""


def _missing(sweep: Sweep, whole: Sequence[tuple[Spot, Estimate]]) -> str:
    few = [f"{spot.arm.name} ({missing})" for spot, one in whole if (missing := _partial(spot, one))]
    there = {(spot.arm.name, spot.place) for spot, _ in whole}
    absent = [spot.arm.name for line in sweep.lines for spot in line.spots if (spot.arm.name, spot.place) not in there]
    passed = [f"{line.name} ({', '.join(over)})" for line in sweep.lines if (over := _passed(sweep, line, there))]
    said = [f"Hollow: not all seeds are there yet: {listed(list(dict.fromkeys(few)))}."] if few else []
    said += [f"Not measured yet: {listed(list(dict.fromkeys(absent)))}."] if absent else []
    said += [f"Lines pass straight over values without a measurement: {listed(passed)}."] if passed else []
    return " ".join(said)


def _passed(sweep: Sweep, line: Line, there: set[tuple[str, int]]) -> list[str]:
    """Labels between two measured places of a line at which it was not measured."""
    own = {spot.place for spot in line.spots if (spot.arm.name, spot.place) in there}
    ends = [along(sweep, place) for place in own]
    between = [place for place in range(len(sweep.labels)) if ends and min(ends) < along(sweep, place) < max(ends)]
    return [sweep.labels[place] for place in between if place not in own]


def _raw(name: str, sweep: Sweep | None, spot: Spot, found: Estimate) -> list[tuple[Cell, ...]]:
    """The value, and those of its seeds where there are several; arms beside the axis have no place on it."""
    number = sweep.numbers[spot.place] if sweep and sweep.numbers else None
    where: tuple[Cell, ...] = (
        (name, sweep.name, sweep.labels[spot.place], number) if sweep else (name, None, None, None)
    )
    seeds = list(found.seeds)
    ends = (found.value, found.low, found.high, found.n, found.std, len(seeds), spot.arm.planned)
    single = [(*where, seed, r.value, r.ci_low, r.ci_high, r.n, None, 1, 1) for seed, r in found.seeds.items()]
    return [(*where, seeds[0] if len(seeds) == 1 else None, *ends), *(single if len(seeds) > 1 else [])]


_Lines = Sequence[tuple[Line, Sequence[tuple[Spot, Estimate]]]]


def _table(sweep: Sweep, lines: _Lines, levels: _Lines, measure: Measure) -> tuple[list[str], list[list[str]]]:
    """The values as people read them: a row for each place, a column for each arm."""
    shown = [(line, {spot.place: (spot, one) for spot, one in there}) for line, there in lines if there]
    beside = [(line, there[0]) for line, there in levels if there]
    rows = []
    for place, label in enumerate(sweep.labels):
        cells = [_cell(*at[place]) if place in at else "–" for _, at in shown]
        rows.append([label, *cells, *(_cell(*pair) for _, pair in beside)])
    return [sweep.name, *(line.name for line, _ in shown), *(line.name for line, _ in beside)], rows


def _cell(spot: Spot, found: Estimate) -> str:
    ends = f" ({span(found.low, found.high)})" if found.low is not None else ""
    spread = f" ± {fraction(found.std)}" if found.std is not None else ""
    missing = _partial(spot, found)
    return fraction(found.value) + spread + ends + (f" [{missing}]" if missing else "")
