"""What each arm lost or gained since its own run with the first value of an axis."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from undercoat.report.charts import Point, Reference, Series, line_chart
from undercoat.report.drawing import Cell, Drawing
from undercoat.report.estimates import Estimate, Measure, difference
from undercoat.report.folder import Found
from undercoat.report.sweep_places import along, axes_of, band, capital, file_stem, of_family, on_data, where
from undercoat.report.sweeps import Spot, Sweep
from undercoat.report.wording import count, data_name, interval, signed

__all__ = ["change_drawing"]


def _change(found: Found, spot: Spot, first: Spot, measure: Measure) -> Estimate | None:
    """What changed since the first value: the recorded paired difference, else differences of equal seeds."""
    recorded = difference(found.rows, spot.arm.name, first.arm.name, measure)
    if recorded is not None and spot.arm.name != first.arm.name:
        return recorded
    here, there = spot.estimate(measure), first.estimate(measure)
    if here is None or there is None:
        return None
    seeds = [seed for seed in here.seeds if seed in there.seeds]
    gains = [here.seeds[seed].value - there.seeds[seed].value for seed in seeds]
    value = fmean(gains) if gains else here.value - there.value
    std = stdev(gains) if len(gains) > 1 else None
    half = None if std is None else _student(len(gains) - 1) * std / len(gains) ** 0.5
    ends = {"low": None, "high": None} if half is None else {"low": value - half, "high": value + half}
    kept = {seed: here.seeds[seed] for seed in seeds}
    return Estimate(value=value, n=here.n, std=std, seeds=kept, interval="t over seeds", **ends)


def _band_words(rows: Sequence[tuple[Cell, ...]]) -> str:
    """What the bands are; nothing where there are none, as with one seed."""
    if any(row[4] is not None for row in rows):
        return " Bands: 95 % intervals of the differences, paired."
    return " Bands: one standard deviation over seeds." if any(row[7] is not None for row in rows) else ""


def _student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t."""
    from scipy.stats import t as student  # half a second, which a report without such a figure need not spend

    return float(student.ppf(0.975, freedom))


def change_drawing(found: Found, sweep: Sweep, measure: Measure) -> Drawing | None:
    """Each arm's change since its own run with the axis' first value."""
    series: list[Series] = []
    rows: list[tuple[Cell, ...]] = []
    cells: dict[str, dict[int, str]] = {}
    for line in sweep.lines:
        first = line.spots[0]
        if first.place != 0 or first.estimate(measure) is None or len(line.spots) < 2:
            continue
        start = Point(1, 0.0, 0.0, 0.0, f"{line.name}, {where(sweep, first)}: where its changes are counted from")
        points, cells[line.name] = [start], {0: "0"}
        for spot in line.spots[1:]:
            one = _change(found, spot, first, measure)
            if one is None:
                continue
            ends = interval(one.low, one.high)
            tip = f"{line.name}, {where(sweep, spot)}: {signed(one.value)}" + (
                f", 95 % interval {ends}" if ends else ""
            )
            tip += f", n = {count(one.n)}" + (f", {len(one.seeds)} seeds" if len(one.seeds) > 1 else "")
            points.append(Point(along(sweep, spot.place), one.value, *band(one), tip))
            cells[line.name][spot.place] = signed(one.value) + (f" ({ends})" if ends else "")
            rows.append((line.name, sweep.name, sweep.labels[spot.place], one.value, one.low, one.high, one.n, one.std))
        series += [Series(line.name, line.style, tuple(points))] if len(points) > 1 else []
    if not series:
        return None
    names = [one.name for one in series]
    table = [[label, *(cells[name].get(place, "–") for name in names)] for place, label in enumerate(sweep.labels)]
    title = f"{capital(measure.name)}: change since {sweep.labels[0]}{on_data(measure)}{of_family(sweep)}"
    return Drawing(
        stem=file_stem(f"axis {sweep.name} change {measure.name} {data_name(measure.eval_data)}{of_family(sweep)}"),
        chart=line_chart(
            title,
            "; ".join(f"{one.name} ends at {signed(one.points[-1].y)}" for one in series),
            series,
            axes_of(sweep, "change in " + ("AUROC" if measure.metric == "auroc" else measure.metric)),
            [Reference("", 0.0)],
        ),
        lines=tuple((one.name, one.style) for one in series),
        remark=f"Each arm minus its own run with {sweep.labels[0]}." + _band_words(rows),
        table=([sweep.name, *names], table),
        columns=("arm", "axis", "label", "change", "ci_low", "ci_high", "n", "std"),
        data=tuple(rows),
        has_reference=True,
    )
