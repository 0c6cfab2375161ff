"""Where a benchmark's numbers are kept."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from undercoat.runtime import device_name

__all__ = ["RESULTS", "circumstances", "keep"]

RESULTS = Path(__file__).parent / "results"


def circumstances() -> dict[str, Any]:
    """What a number was measured with."""
    processor = device_name(torch.device("cpu"))
    return {"machine": processor, "threads": torch.get_num_threads(), "torch": torch.__version__}


def keep(rows: Sequence[dict[str, Any]], name: str, *, key: str = "") -> Path:
    """Write the day's ``results/<date>-NAME.csv``, one line a row; an earlier one of the day is replaced.

    With ``key`` only its rows of the same ``key`` are: a method that is measured again leaves the others' rows.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{name}.csv"
    if key and path.exists():
        again = {str(row[key]) for row in rows}
        with path.open(newline="", encoding="utf-8") as earlier:
            rows = [*(row for row in csv.DictReader(earlier) if row[key] not in again), *rows]
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
