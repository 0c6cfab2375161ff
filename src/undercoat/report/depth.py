"""Accuracy over the depth of the network and over the number of source images, for studies that read every layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from undercoat.records import Record
from undercoat.report.arms import NULL_ARM, Arm
from undercoat.report.charts import Axes, Point, Series
from undercoat.report.drawing import Drawing, curve_drawing
from undercoat.report.folder import Found
from undercoat.report.wording import count, data_name, fraction, number, readout_name, span

__all__ = ["depth_drawings", "layer_order", "source_drawings"]

_POOLED = -1
_BAND = "Bands: 95 % intervals."
_ENDS = ("ci_low", "ci_high")


@dataclass(frozen=True)
class _Reading:
    """One readout by one measure on one data set: a figure of its own."""

    readout: str
    metric: str
    eval_data: str

    @property
    def words(self) -> str:
        name = readout_name(self.readout, self.metric)
        return f"{name[:1].upper()}{name[1:]}" if name != "k-NN" else name


def layer_order(rows: Sequence[Record]) -> list[str]:
    """Layers in the order in which they were read, which is from input to output; the features come last."""
    there = dict.fromkeys(row.layer for row in rows if row.split == "test" and row.arm and row.arm != NULL_ARM)
    named = [layer for layer in there if layer not in {"", "final"}]
    return [*named, *(["final"] if "final" in there and named else [])]


def depth_drawings(found: Found) -> list[Drawing]:
    """Accuracy over layers, one line an arm; one figure for each number of source images where that differs."""
    layers = layer_order(found.rows)
    if len(layers) < 2:
        return []
    groups = _by_sources(found)
    return [
        drawn
        for reading in _readings(found)
        for sources, arms in groups.items()
        if (drawn := _depth(found, reading, layers, arms, sources if len(groups) > 1 else None))
    ]


def source_drawings(found: Found) -> list[Drawing]:
    """Accuracy over the number of source images, one line a layer; one figure for each method that had several."""
    layers = layer_order(found.rows)
    methods: dict[str, dict[int, Arm]] = {}
    for arm in found.arms:
        method, sources = _trained(found, arm)
        if sources is not None:
            methods.setdefault(method, {}).setdefault(sources, arm)
    return [
        drawn
        for reading in _readings(found)
        for method, arms in methods.items()
        if len(arms) > 1 and len(layers) > 1 and (drawn := _over_sources(found, reading, layers, method, arms))
    ]


def _trained(found: Found, arm: Arm) -> tuple[str, int | None]:
    """The method of an arm's first coat, and of how many source images its data were made."""
    for chain in arm.stages.values():
        for digest in chain:
            stage = found.stages[digest]
            sources = number(stage.spec.get("sources"))
            labelled = (
                stage.spec.get("method") == "supervised"
            )  # the reference that stands beside every number of images
            if stage.kind == "pretrain" and sources is not None and not labelled:
                return str(stage.spec.get("method")), int(sources)
    return "", None


def _by_sources(found: Found) -> dict[int, list[Arm]]:
    """Arms by the number of their source images; those that saw none stand in every group."""
    told = [(arm, _trained(found, arm)[1]) for arm in found.arms]
    numbers = sorted({sources for _, sources in told if sources is not None}) or [0]
    return {one: [arm for arm, sources in told if sources in {None, one}] for one in numbers}


def _readings(found: Found) -> list[_Reading]:
    rows = [row for row in found.rows if row.split == "test" and not row.versus and row.layer not in {"", "final"}]
    return list(dict.fromkeys(_Reading(row.readout, row.metric, row.eval_data) for row in rows))


def _values(found: Found, reading: _Reading, arm: str) -> dict[str, list[Record]]:
    """Rows of an arm by layer: the one over all seeds where there is one, else those of the seeds."""
    layers: dict[str, list[Record]] = {}
    for row in found.rows:
        same = (row.readout, row.metric, row.eval_data) == (reading.readout, reading.metric, reading.eval_data)
        if row.arm == arm and same and row.split == "test" and not row.versus:
            layers.setdefault(row.layer, []).append(row)
    return {layer: [row for row in rows if row.seed == _POOLED] or rows for layer, rows in layers.items()}


def _point(x: float, name: str, rows: Sequence[Record]) -> Point:
    value = fmean(row.value for row in rows)
    low, high = (rows[0].ci_low, rows[0].ci_high) if len(rows) == 1 else (None, None)
    ends = f", 95 % interval {span(low, high)}" if low is not None else ""
    tip = f"{name}: {fraction(value)}{ends}, n = {count(rows[0].n)}"
    return Point(x, value, value if low is None else low, value if high is None else high, tip)


def _null(found: Found, reading: _Reading) -> str:
    """The majority class in words: drawn, it would press all lines together."""
    values = [
        row.value for row in found.rows if row.arm == NULL_ARM and row.metric == reading.metric and not row.versus
    ]
    return f" The {NULL_ARM} scores {fraction(values[0])}." if values else ""


def _shared(values: dict[str, dict[str, list[Record]]], layers: list[str]) -> list[str]:
    """The layers that at least half of the arms have; the features are pooled otherwise and stand in the table."""
    return [
        layer for layer in layers if layer != "final" and 2 * sum(layer in at for at in values.values()) >= len(values)
    ]


def _depth(
    found: Found, reading: _Reading, layers: list[str], arms: Sequence[Arm], sources: int | None
) -> Drawing | None:
    values = {arm.name: at for arm in arms if (at := _values(found, reading, arm.name))}
    layers, series = _shared(values, layers), []
    for arm in (arm for arm in arms if arm.name in values):
        at = values[arm.name]
        points = [
            _point(place, f"{arm.name}, {layer}", at[layer]) for place, layer in enumerate(layers, 1) if layer in at
        ]
        if points:
            series.append(Series(arm.name, found.arms.index(arm), tuple(points)))
    if not series or len(layers) < 2:
        return None
    said = "" if sources is None else f", N = {count(sources)}"
    title = f"{reading.words} over layers, {data_name(reading.eval_data)}{said}"
    stem = f"layers-{reading.readout}-{data_name(reading.eval_data)}" + ("" if sources is None else f"-n{sources}")
    axes = Axes(x="layer", y="accuracy" if reading.metric == "accuracy" else reading.metric, x_names=tuple(layers))
    drawn = {one.name for one in series}
    absent = [name for name in values if name not in drawn]
    remark = _BAND + _null(found, reading) + (f" Other layers: {', '.join(absent)}." if absent else "")
    remark += "" if sources is None else " N: how many images the data were made from."
    return curve_drawing(_plain(stem), title, series, axes, (), remark, ends=_ENDS)


def _over_sources(
    found: Found, reading: _Reading, layers: list[str], method: str, arms: dict[int, Arm]
) -> Drawing | None:
    values = {sources: _values(found, reading, arm.name) for sources, arm in sorted(arms.items())}
    series = []
    for style, layer in enumerate(layers):
        points = [
            _point(sources, f"{layer}, {count(sources)} source images", at[layer])
            for sources, at in values.items()
            if layer in at
        ]
        if len(points) > 1:
            series.append(Series("features" if layer == "final" else layer, style, tuple(points)))
    if not series:
        return None
    title = f"{method}: {reading.words} over source images, {data_name(reading.eval_data)}"
    axes = Axes(x="source images (log)", y=reading.metric, log_x=True)
    stem = _plain(f"sources-{method}-{reading.readout}-{data_name(reading.eval_data)}")
    return curve_drawing(stem, title, series, axes, (), _BAND, ends=_ENDS)


def _plain(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text.lower()).strip("-")
