"""What an analysis found: one row a number, each beside what chance gives, as a table and as a CSV file."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.table import Table

from undercoat.errors import RunError, SpecError
from undercoat.files import atomic, refuse_unwritable
from undercoat.functional.intervals import percentile

__all__ = ["Finding", "by_chance", "findings_table", "picture_and_table", "refuse_existing", "write_findings"]


@dataclass(frozen=True)
class Finding:
    """One measured number of one network, or of a pair.

    Attributes:
        first: label of the network.
        second: of the other one, empty when there is none.
        layer: which.
        measure: what was measured.
        value: the number.
        low: lower bound of its 95 % interval over images; NaN where nothing was drawn.
        high: upper bound.
        null: mean of the same measure where there is nothing to find.
        null_low: lower bound of the central 95 % of these.
        null_high: upper bound.
        n: images or filters that were measured; 0 where nothing was counted.
    """

    first: str
    second: str
    layer: str
    measure: str
    value: float
    low: float = math.nan
    high: float = math.nan
    null: float = math.nan
    null_low: float = math.nan
    null_high: float = math.nan
    n: int = 0


def by_chance(values: Sequence[float]) -> dict[str, Any]:
    """The three fields of a finding that say what chance gives, from repeated draws of the null.

    Example:
        >>> by_chance([0.0, 0.5, 1.0])["null"]
        0.5
    """
    low, high = percentile(values)
    return {"null": sum(values) / len(values), "null_low": low, "null_high": high}


def findings_table(rows: Sequence[Finding]) -> Table:
    """Lay findings out for a terminal; columns that would say nothing are left out."""
    columns = {
        "network": [f"{row.first} ~ {row.second}" if row.second else row.first for row in rows],
        "layer": [row.layer for row in rows] if len({row.layer for row in rows}) > 1 else [],
        "measure": [row.measure for row in rows],
        "value": [_number(row.value) for row in rows],
        "95 % interval": [_range(row.low, row.high) for row in rows],
        "by chance": [_chance(row) for row in rows],
        "n": [str(row.n or "") for row in rows],
    }
    shown = {name: column for name, column in columns.items() if any(column)}
    table = Table(box=None)
    for name in shown:
        words = name in ("network", "layer", "measure")
        table.add_column(name, justify="left" if words else "right", no_wrap=True)
    for row in zip(*shown.values(), strict=True):
        table.add_row(*row)
    return table


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _range(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{low:.3f} … {high:.3f}"


def _chance(row: Finding) -> str:
    if math.isnan(row.null):
        return ""
    return f"{row.null:.3f} ({_range(row.null_low, row.null_high)})"


def write_findings(path: Path, rows: Sequence[Finding]) -> Path:
    """Write findings as CSV, a row each; what was not measured is left empty."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, [field.name for field in fields(Finding)])
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "" if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(row).items()})
    return path


def picture_and_table(out: Path | str) -> tuple[Path, Path]:
    """Name the two files of an analysis: a PNG, and a CSV beside it.

    Raises:
        SpecError: when ``out`` is no ``.png``.

    Example:
        >>> picture_and_table("sheets/filters.png")[1].name
        'filters.csv'
    """
    picture = Path(out)
    if picture.suffix.lower() != ".png":
        raise SpecError(f"{str(out)!r} is no picture that is written here; name a .png")
    return picture, picture.with_suffix(".csv")


def refuse_existing(*paths: Path, overwrite: bool) -> None:
    """Stop before anything is computed when a file would be lost, or cannot be written.

    Raises:
        RunError: naming the file and ``--overwrite``, or why it cannot be written.
    """
    for path in paths:
        refuse_unwritable(path)
        if path.exists() and not overwrite:
            raise RunError(f"{path} is there already; add --overwrite, or choose another --out")
