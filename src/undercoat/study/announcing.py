"""Say what was chosen for the user and why, before the work starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["announce_chosen"]


def announce_chosen(console: Console, chosen: Iterable[tuple[str, Any, str]]) -> None:
    """Print values that were left ``auto``, one a line, each reason once; groups of values are in ``auto.json``.

    Example:
        >>> rows = [("lr", 0.1, "small data"), ("decay", 0, "small data")]
        >>> announce_chosen(Console(width=60), rows)  # doctest: +NORMALIZE_WHITESPACE
          lr = 0.1   small data
          decay = 0
    """
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(style="dim")
    said = ""
    rows = [row for row in chosen if not isinstance(row[1], Mapping)]
    for name, value, reason in rows:
        table.add_row(f"  {name} = {value}", "" if reason == said else reason)
        said = reason
    if rows:
        console.print(table, highlight=False)
