"""A figure: a chart with its legend, a remark and its numbers, for the page or for a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from undercoat.report.blocks import figure, numbers
from undercoat.report.charts import Axes, Chart, Point, Reference, Series, line_chart
from undercoat.report.marks import legend
from undercoat.report.markup import Markup, tag
from undercoat.report.wording import count, significant

__all__ = ["Cell", "Drawing", "curve_drawing"]

Cell = str | float | int | None


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One figure of a report.

    Attributes:
        stem: its file name without the ending.
        chart: what is drawn.
        lines: name and style number of each line that a legend has to name.
        remark: what a reader should know, shown below it.
        table: head and rows of its numbers as people read them.
        columns: names of the columns of its numbers in full.
        data: those numbers, None where there is none.
        has_reference: whether a level to compare with is drawn across it.
    """

    stem: str
    chart: Chart
    lines: tuple[tuple[str, int], ...] = ()
    remark: str = ""
    table: tuple[Sequence[str], Sequence[Sequence[object]]] = ((), ())
    columns: tuple[str, ...] = ()
    data: tuple[tuple[Cell, ...], ...] = ()
    has_reference: bool = False

    @property
    def block(self) -> Markup:
        """The figure as a part of the page."""
        below = [
            legend(self.lines, lines=True) if self.lines else None,
            tag("p", self.remark, class_="small") if self.remark else None,
        ]
        return figure(self.chart.title, self.chart.svg, below, numbers(self.chart.title, *self.table))


def curve_drawing(
    stem: str,
    title: str,
    series: Sequence[Series],
    axes: Axes,
    references: Sequence[Reference] = (),
    remark: str = "",
    *,
    ends: tuple[str, str] = ("lowest_seed", "highest_seed"),
) -> Drawing:
    """A line chart with legend and numbers; ``ends`` says what its bands are bounded by."""
    said = "; ".join(f"{one.name} ends at {significant(one.points[-1].y)}" for one in series)
    along = axes.x.removesuffix(" (log)").replace(" ", "_")
    rows = [(one.name, _place(point.x, axes), point.y, point.low, point.high) for one in series for point in one.points]
    across = [(one.name, None, one.value, None, None) for one in references]
    return Drawing(
        stem=stem,
        chart=line_chart(title, said, series, axes, references),
        lines=tuple((one.name, one.style) for one in series),
        remark=remark,
        table=_by_step(series, axes),
        columns=("series", along, "value", *ends),
        data=(*rows, *across),
        has_reference=bool(references),
    )


def _place(x: float, axes: Axes) -> Cell:
    return axes.x_names[int(x) - 1] if axes.x_names else x


def _by_step(series: Sequence[Series], axes: Axes) -> tuple[list[str], list[list[str]]]:
    steps = sorted({point.x for one in series for point in one.points})
    at = [{point.x: point for point in one.points} for one in series]

    def cell(point: Point | None) -> str:
        if point is None:
            return "–"
        spread = "" if point.low == point.high else f" ({significant(point.low)} … {significant(point.high)})"
        return significant(point.y) + spread

    places = [str(_place(step, axes)) if axes.x_names else count(step) for step in steps]
    rows = [[place, *(cell(one.get(step)) for one in at)] for place, step in zip(places, steps, strict=True)]
    return [axes.x.removesuffix(" (log)"), *(one.name for one in series)], rows
