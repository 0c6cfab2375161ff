"""Say what was chosen for the user and why, before the work starts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["announce_chosen"]


def announce_chosen(console: Console, chosen: Iterable[tuple[str, Any, str]]) -> None:
    """Print values that were left ``auto``, one a line; those with the same reason share a line.

    Example:
        >>> announce_chosen(Console(width=60), [("lr", 0.1, "small data"), ("decay", 0, "small data")])
          lr, decay = 0.1, 0  small data
    """
    by_reason: dict[str, list[tuple[str, Any]]] = {}
    for name, value, reason in chosen:
        by_reason.setdefault(reason, []).append((name, value))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for reason, pairs in by_reason.items():
        names, values = ", ".join(name for name, _ in pairs), ", ".join(str(value) for _, value in pairs)
        table.add_row(f"  {names} = {values}", f"[dim]{reason}[/dim]")
    if by_reason:
        console.print(table, highlight=False)
