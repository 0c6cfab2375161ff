"""The figures of the page: value per arm, k-NN and loss over steps, and the meters of training."""

from __future__ import annotations

import re

from undercoat.report.arms import NULL_ARM
from undercoat.report.blocks import note, section
from undercoat.report.charts import Axes, Reference
from undercoat.report.curves import coats_of, knn_series, log_series
from undercoat.report.depth import depth_drawings, source_drawings
from undercoat.report.dots import Dot, dot_chart
from undercoat.report.drawing import Cell, Drawing, curve_drawing
from undercoat.report.estimates import Estimate, Measure, described, estimate, measures, null_estimate
from undercoat.report.experiments import experiment_blocks
from undercoat.report.folder import Found
from undercoat.report.markup import Markup, tag
from undercoat.report.wording import count, data_name, fraction, listed, span

__all__ = ["arms_drawings", "dot_of", "figures_section", "knn_drawing", "loss_drawing", "rank_drawing", "wait_drawing"]


def dot_of(name: str, style: int, measure: Measure, found: Estimate) -> Dot:
    """The row of one arm, with its single seeds where there are several."""
    several = len(found.seeds) > 1
    seeds = [
        (row.value, f"{name}, seed {seed}: {fraction(row.value)}, n = {count(row.n)}")
        for seed, row in found.seeds.items()
    ]
    low, high = found.low, found.high
    if low is None and found.std is not None:
        low, high = found.value - found.std, found.value + found.std
    return Dot(name, style, found.value, low, high, tuple(seeds) if several else (), described(name, measure, found))


def arms_drawings(found: Found) -> list[Drawing]:
    """One figure for each measure of the test images: every arm with its interval."""
    return [_arms_drawing(found, measure) for measure in measures(found.rows)]


def _arms_drawing(found: Found, measure: Measure) -> Drawing:
    there = [(index, arm.name, estimate(found.rows, arm.name, measure)) for index, arm in enumerate(found.arms)]
    measured = [(index, name, one) for index, name, one in there if one is not None]
    null = null_estimate(found.rows, measure)
    title = f"{measure.name[:1].upper()}{measure.name[1:]} per arm" if measure.name != "k-NN" else "k-NN per arm"
    title += f", {data_name(measure.eval_data)}" if measure.eval_data else ""
    dots = [dot_of(name, index, measure, one) for index, name, one in measured]
    rows = [(name, one) for _, name, one in measured] + ([(NULL_ARM, null)] if null else [])
    seeds = sorted({seed for _, one in rows for seed in one.seeds})
    head = ["arm", "value", "95 % interval", "n", "std over seeds", *(f"seed {seed}" for seed in seeds)]
    return Drawing(
        stem=_stem(f"arms {measure.name} {data_name(measure.eval_data)}"),
        chart=dot_chart(
            title,
            "; ".join(f"{name} {fraction(one.value)}" for _, name, one in measured),
            dots,
            Reference(NULL_ARM, null.value) if null else None,
            Axes(x=f"{'AUROC' if measure.metric == 'auroc' else measure.metric} on test images", y=""),
        ),
        remark=_arms_remark([one for _, _, one in measured], null, [name for _, name, one in there if one is None]),
        table=(head, [[name, *_cells(one), *(_of_seed(one, seed) for seed in seeds)] for name, one in rows]),
        columns=("arm", "seed", "value", "ci_low", "ci_high", "n", "std"),
        data=tuple(line for name, one in rows for line in _raw(name, one)),
    )


def _stem(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _arms_remark(measured: list[Estimate], null: Estimate | None, missing: list[str]) -> str:
    bars = "95 % interval"
    if any(one.low is None and one.std is not None for one in measured):
        bars = "mean ± one standard deviation over seeds"
    elif any(len(one.seeds) > 1 for one in measured):
        bars = "95 % interval of the mean over seeds; small dots: single seeds"
    said = [f"Lines: {bars}.", "" if null else "No row for the majority class was recorded."]
    said.append(f"Not measured: {listed(missing)}." if missing else "")
    return " ".join(part for part in said if part)


def _raw(name: str, found: Estimate) -> list[tuple[Cell, ...]]:
    alone = len(found.seeds) == 1
    whole = (name, next(iter(found.seeds)) if alone else None, found.value, found.low, found.high, found.n, found.std)
    single = [(name, seed, row.value, row.ci_low, row.ci_high, row.n, None) for seed, row in found.seeds.items()]
    return [whole, *([] if alone else single)]


def _cells(found: Estimate) -> list[str]:
    ends = span(found.low, found.high) or "–"
    return [fraction(found.value), ends, count(found.n), fraction(found.std)]


def _of_seed(found: Estimate, seed: int) -> str:
    return fraction(found.seeds[seed].value) if seed in found.seeds else "–"


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


def knn_drawing(found: Found) -> Drawing | None:
    """The k-NN accuracy of each coat while it was trained; None where nothing was watched."""
    series = knn_series(found)
    if not series:
        return None
    remark = "Measured on held-out training images, not on the test images, so levels differ from the table. "
    if any(one.points[0].x == 0 for one in series):
        remark += "Step 0 is the network as the coat found it."
    axes = Axes(x="step (log)", y="k-NN accuracy", log_x=True)
    return curve_drawing("knn-over-steps", "k-NN over steps", series, axes, _monitor_references(found), remark)


def loss_drawing(found: Found) -> Drawing | None:
    """The loss of each coat."""
    remark = "A falling loss is no proof of better features, nor a rising one of worse: a filling queue raises it."
    series = log_series(found, "loss", "loss")
    axes = Axes(x="step", y="loss")
    return curve_drawing("loss-over-steps", "Loss over steps", series, axes, (), remark) if series else None


def rank_drawing(found: Found) -> Drawing | None:
    """The effective rank of each coat's embeddings."""
    remark = (
        "How many directions the embeddings use. A line that falls towards 1 means that all images are mapped "
        "to nearly the same point."
    )
    series = log_series(found, "effective_rank", "effective rank")
    axes = Axes(x="step", y="effective rank")
    title = "Collapse meter: effective rank"
    return curve_drawing("effective-rank", title, series, axes, (), remark) if series else None


def wait_drawing(found: Found) -> Drawing | None:
    """The share of the time that each coat waited for data."""
    series = log_series(found, "data_wait", "share of time waiting for data")
    axes = Axes(x="step", y="share of the time", y_from_zero=True)
    return curve_drawing("data-wait", "Waiting for data", series, axes, (), "Low is good.") if series else None


def figures_section(found: Found) -> Markup:
    """All figures, each a card of its own."""
    there = [*depth_drawings(found), *source_drawings(found), *arms_drawings(found)]
    first = [*experiment_blocks(found), *(drawing.block for drawing in there)]
    first = first or [note("Nothing was measured on test images yet, so there is no figure of the arms.")]
    knn, loss = knn_drawing(found), loss_drawing(found)
    no_knn = note("No k-NN curve was recorded: it needs labels and monitoring during training.")
    no_loss = note("No loss was logged, so there is no loss curve.")
    curves = [knn.block if knn else no_knn, loss.block if loss else no_loss]
    return section("figures", "Figures", tag("div", first, curves, class_="grid"))
