"""The table of arms for the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from undercoat.report.arms import NULL_ARM
from undercoat.report.estimates import Estimate
from undercoat.report.tables import ArmsTable, value_text
from undercoat.report.wording import count, signed

__all__ = ["summary_table"]

MARKS = {1: "▲", -1: "▼", 0: "≈", None: ""}


def summary_table(table: ArmsTable) -> Table:
    """Lay the table of arms out for `rich`; differences are to the base, else to random.

    ▲ and ▼ stand for a 95 % interval wholly above or below zero, ≈ for one that holds zero.
    """
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    out.add_column("arm", no_wrap=True)
    out.add_column("coats")
    for name in ("steps", "images seen"):
        out.add_column(name, justify="right", no_wrap=True)
    for name in table.names():
        out.add_column(escape(name), justify="right", no_wrap=True)
        if table.references:
            out.add_column(f"− {table.references[0]}", justify="right", no_wrap=True)
    values = [value for row in table.rows for value in row.values if value is not None]
    out.caption = "± 95 % half-interval" if any(value.half is not None for value in values) else None
    if any(value.half is None and value.std is not None for value in values):
        out.caption = "± standard deviation over seeds where seeds are named, else 95 % half-interval"
    out.caption_justify = "left"
    for row in table.rows:
        start = [
            escape(row.name),
            escape(" > ".join(row.coats)) or "–",
            count(row.steps),
            count(row.images_seen),
        ]
        cells = []
        for value, others in zip(row.values, row.differences, strict=True):
            cells += [value_text(value), *([_difference(others[0])] if others else [])]
        out.add_row(*start, *cells, style="dim" if row.name == NULL_ARM else None)
    return out


def _difference(found: Estimate | None) -> str:
    return "" if found is None else f"{signed(found.value)} {MARKS[found.direction]}"
