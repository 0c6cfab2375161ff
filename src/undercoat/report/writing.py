"""Files of the report: our own that lie beside the code, and those that are written."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from undercoat.files import atomic
from undercoat.report.markup import Markup, trusted

__all__ = ["own_file", "write"]


def own_file(name: str) -> Markup:
    """Read a style sheet or script of ours."""
    return trusted(files("undercoat.report").joinpath(name).read_text(encoding="utf-8"))


def write(path: Path, text: str, *, instead: str) -> None:
    """Write in one step, so that a full disk or a kill leaves an earlier file as it was.

    Raises:
        RunError: when that cannot be done; ``instead`` is what to give.
    """
    with atomic(path, instead=instead) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
