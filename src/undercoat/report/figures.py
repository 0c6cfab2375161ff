"""The figures of the page: value per arm, k-NN over steps, loss over steps; each with its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from undercoat.report.arms import NULL_ARM
from undercoat.report.blocks import figure, note, numbers, section
from undercoat.report.charts import Axes, Dot, Point, Reference, Series, dot_chart, line_chart
from undercoat.report.curves import coats_of, knn_series, log_series
from undercoat.report.estimates import Estimate, Measure, estimate, measures, null_estimate
from undercoat.report.folder import Found
from undercoat.report.marks import legend
from undercoat.report.markup import Markup, tag
from undercoat.report.wording import count, fraction, listed, significant, span

__all__ = ["curve_figure", "figures_section"]


def _seed_range(found: Estimate) -> str:
    seeds = list(found.seeds)
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds" if seeds else "all seeds"


def _tip(name: str, measure: Measure, found: Estimate) -> str:
    metric = "AUROC" if measure.metric == "auroc" else measure.metric
    parts = [f"{name}: {measure.readout.replace('knn', 'k-NN')} {metric} {fraction(found.value)}"]
    parts += [f"95 % interval {span(found.low, found.high)}"] if found.low is not None else []
    parts += [f"± {fraction(found.std)} over seeds"] if found.std is not None else []
    return ", ".join([*parts, f"n = {count(found.n)}", _seed_range(found)])


def _dot(name: str, style: int, measure: Measure, found: Estimate) -> Dot:
    several = len(found.seeds) > 1
    seeds = [
        (row.value, f"{name}, seed {seed}: {fraction(row.value)}, n = {count(row.n)}")
        for seed, row in found.seeds.items()
    ]
    low, high = found.low, found.high
    if low is None and found.std is not None:
        low, high = found.value - found.std, found.value + found.std
    return Dot(name, style, found.value, low, high, tuple(seeds) if several else (), _tip(name, measure, found))


def _arms_figure(found: Found, measure: Measure) -> Markup:
    there = [(index, arm.name, estimate(found.rows, arm.name, measure)) for index, arm in enumerate(found.arms)]
    measured = [(index, name, one) for index, name, one in there if one is not None]
    null = null_estimate(found.rows, measure)
    title = f"{measure.name[:1].upper()}{measure.name[1:]} per arm" if measure.name != "k-NN" else "k-NN per arm"
    title += f", {measure.eval_data}" if measure.eval_data else ""
    said = "; ".join(f"{name} {fraction(one.value)}" for _, name, one in measured)
    bars = "mean ± one standard deviation over seeds" if any(
        one.low is None and one.std is not None for _, _, one in measured
    ) else "95 % interval"  # fmt: skip
    drawn = dot_chart(
        title,
        said,
        [_dot(name, index, measure, one) for index, name, one in measured],
        Reference(NULL_ARM, null.value) if null else None,
        Axes(x=f"{'AUROC' if measure.metric == 'auroc' else measure.metric} on test images", y=""),
    )
    rows = [(name, one) for _, name, one in measured] + ([(NULL_ARM, null)] if null else [])
    seeds = sorted({seed for _, one in rows for seed in one.seeds})
    table = numbers(
        title,
        ["arm", "value", "95 % interval", "n", "std over seeds", *(f"seed {seed}" for seed in seeds)],
        [[name, *_cells(one), *(_of_seed(one, seed) for seed in seeds)] for name, one in rows],
    )
    said = f"Lines: {bars}." + ("" if null else " No row for the majority class was recorded.")
    missing = [name for _, name, one in there if one is None]
    said += f" Not measured: {listed(missing)}." if missing else ""
    return figure(title, drawn, tag("p", said, class_="small"), table)


def _cells(found: Estimate) -> list[str]:
    ends = span(found.low, found.high) or "–"
    return [fraction(found.value), ends, count(found.n), fraction(found.std)]


def _of_seed(found: Estimate, seed: int) -> str:
    return fraction(found.seeds[seed].value) if seed in found.seeds else "–"


def _curve_table(title: str, series: Sequence[Series]) -> Markup:
    steps = sorted({point.x for one in series for point in one.points})
    at = [{point.x: point for point in one.points} for one in series]

    def cell(point: Point | None) -> str:
        if point is None:
            return "–"
        spread = "" if point.low == point.high else f" ({significant(point.low)} … {significant(point.high)})"
        return significant(point.y) + spread

    rows = [[count(step), *(cell(one.get(step)) for one in at)] for step in steps]
    return numbers(title, ["step", *(one.name for one in series)], rows)


def curve_figure(
    title: str, series: Sequence[Series], axes: Axes, references: Sequence[Reference] = (), remark: str = ""
) -> Markup:
    """A line chart with legend and numbers."""
    said = "; ".join(f"{one.name} ends at {significant(one.points[-1].y)}" for one in series)
    names = legend([(one.name, one.style) for one in series], lines=True)
    below = [names, tag("p", remark, class_="small") if remark else None]
    return figure(title, line_chart(title, said, series, axes, references), below, _curve_table(title, series))


def _monitor_references(found: Found) -> list[Reference]:
    """Compare the k-NN curve with untrained arms and the majority class, on the same images."""
    trained = {stage.digest for coat in coats_of(found) for _, stage in coat.stages}
    still = [
        row
        for row in found.rows
        if row.split == "monitor"
        and row.arm
        and row.stage not in trained
        and (row.readout == "knn" or row.arm == NULL_ARM)
    ]
    return [Reference(f"{name} {value:.3f}", value) for name, value in {row.arm: row.value for row in still}.items()]


def _knn_figure(found: Found) -> Markup:
    series = knn_series(found)
    if not series:
        return note("No k-NN curve was recorded: it needs labels and monitoring during training.")
    references = _monitor_references(found)
    remark = "Measured on held-out training images, not on the test images, so levels differ from the table. "
    if any(one.points[0].x == 0 for one in series):
        remark += "Step 0 is the network as the coat found it."
    axes = Axes(x="step (log)", y="k-NN accuracy", log_x=True)
    return curve_figure("k-NN over steps", series, axes, references, remark)


def _loss_figure(found: Found) -> Markup:
    series = log_series(found, "loss", "loss")
    if not series:
        return note("No loss was logged, so there is no loss curve.")
    remark = "A falling loss is no proof of better features, nor a rising one of worse: a filling queue raises it."
    return curve_figure("Loss over steps", series, Axes(x="step", y="loss"), (), remark)


def figures_section(found: Found) -> Markup:
    """All figures, each a card of its own."""
    there = measures(found.rows)
    first: list[Markup] = [_arms_figure(found, measure) for measure in there]
    if not there:
        first = [note("Nothing was measured on test images yet, so there is no figure of the arms.")]
    return section("figures", "Figures", tag("div", first, _knn_figure(found), _loss_figure(found), class_="grid"))
