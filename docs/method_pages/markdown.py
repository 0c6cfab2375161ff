"""Pieces of Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

__all__ = ["code", "table", "wrapped"]

WIDEST = 60  # letters of a value in a table


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def code(value: object) -> str:
    """A value as it is written in a recipe, short enough for a table."""
    if isinstance(value, float):
        text = f"{value:.4g}"
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(code(one).strip('`') for one in value)}]"
    elif isinstance(value, Mapping):
        text = f"{{{', '.join(f'{key}: {code(one)}'.replace('`', '') for key, one in value.items())}}}"
    else:
        text = str(value)
    return f"`{text if len(text) <= WIDEST else text[: WIDEST - 1] + '…'}`"


def wrapped(text: str) -> str:
    """A paragraph in lines of the house's width."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
