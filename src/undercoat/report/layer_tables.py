"""What each arm reaches at each layer, as a table for the page and for documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from undercoat.records import Record
from undercoat.report.arms import NULL_ARM, Arm
from undercoat.report.blocks import numbers
from undercoat.report.depth import layer_order
from undercoat.report.folder import Found
from undercoat.report.markup import Markup, tag
from undercoat.report.wording import count, data_name, fraction, readout_name

__all__ = ["LayerTable", "layer_tables", "layers_text", "tables_block"]


@dataclass(frozen=True)
class LayerTable:
    """Arms × layers by one readout: every cell a mean over seeds with its standard deviation."""

    title: str
    layers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def layer_tables(rows: Sequence[Record], arms: Sequence[Arm]) -> list[LayerTable]:
    """One table for each readout that read several layers.

    Args:
        rows: of a study or an evaluation.
        arms: in display order.
    """
    layers = layer_order(rows)
    if len(layers) < 2:
        return []
    kept = [row for row in rows if row.split == "test" and not row.versus and row.seed >= 0]
    readings = dict.fromkeys((row.readout, row.metric, row.eval_data) for row in kept if row.layer in layers)
    return [_table(arms, layers, kept, reading) for reading in readings if _named(kept, reading)]


def _named(rows: Sequence[Record], reading: tuple[str, str, str]) -> bool:
    return any((row.readout, row.metric, row.eval_data) == reading and row.layer != "final" for row in rows)


def _table(arms: Sequence[Arm], layers: list[str], rows: Sequence[Record], reading: tuple[str, str, str]) -> LayerTable:
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if (row.readout, row.metric, row.eval_data) == reading and row.arm != NULL_ARM:
            values.setdefault((row.arm, row.layer), []).append(row.value)
    seeds = max(map(len, values.values()))
    sizes = {row.n for row in rows if (row.readout, row.metric, row.eval_data) == reading}
    title = f"{readout_name(*reading[:2])} on {data_name(reading[2])} by layer, n = {count(max(sizes))}"
    title += f", mean ± standard deviation over {seeds} seeds" if seeds > 1 else ""
    return LayerTable(
        title=title[:1].upper() + title[1:] if not title.startswith("k-NN") else title,
        layers=tuple("features" if layer == "final" else layer for layer in layers),
        rows=tuple((arm.name, tuple(_cell(values.get((arm.name, layer), [])) for layer in layers)) for arm in arms),
    )


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    spread = f" ±{fraction(stdev(values)).removeprefix('0')}" if len(values) > 1 else ""
    return fraction(fmean(values)) + spread


def layers_text(found: Found) -> list[str]:
    """The tables as lines of Markdown; nothing for a study of one layer."""
    lines: list[str] = []
    for table in layer_tables(found.rows, found.arms):
        lines += [f"{table.title}:", "", f"| arm | {' | '.join(table.layers)} |"]
        lines.append(f"| --- | {' | '.join(['---:'] * len(table.layers))} |")
        lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in table.rows]
        lines.append("")
    return lines


def tables_block(found: Found) -> list[Markup]:
    """The tables for the page."""
    return [
        tag("div", numbers(table.title, ("arm", *table.layers), [(name, *cells) for name, cells in table.rows]))
        for table in layer_tables(found.rows, found.arms)
    ]
