"""What was measured of each method: rows of ``summary.csv``, as a study with one arm for each method leaves it."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from undercoat.methods import METHODS
from undercoat.report.wording import count, data_name, fraction, interval, readout_name, signed, span

__all__ = ["Measured", "measured"]

UNTRAINED = "random"
WHAT = ("readout", "metric", "eval_data")  # two rows may be compared when they agree in these


@dataclass(frozen=True)
class Measured:
    """One arm by one readout, beside the untrained backbone."""

    arm: str
    steps: str
    readout: str
    value: str
    untrained: str
    difference: str
    words: str
    n: str
    seeds: str


def measured(path: Path) -> dict[str, list[Measured]]:
    """Method → what its arms measured; empty without the file.

    Args:
        path: a CSV file with the columns ``arm, coats, steps, readout, metric, eval_data, versus, value, ci_low,
            ci_high, n, seeds`` (others are passed over): a line for a value, where ``versus`` is empty, and one for
            its paired difference to the arm ``random``. An arm belongs to the method of its last coat.
    """
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as text:
        lines = list(csv.DictReader(text))
    by_key = {(line["arm"], *(line[name] for name in WHAT), line["versus"]): line for line in lines}
    found: dict[str, list[Measured]] = {}
    for line in lines:
        method = re.sub(r" \(.*\)$", "", line["coats"].split(" > ")[-1]).split(": ")[-1]
        if line["versus"] or method not in METHODS:
            continue
        what = [line[name] for name in WHAT]
        untrained, against = by_key.get((UNTRAINED, *what, "")), by_key.get((line["arm"], *what, UNTRAINED))
        found.setdefault(method, []).append(_row(line, untrained, against))
    return found


def _row(line: dict[str, str], untrained: dict[str, str] | None, against: dict[str, str] | None) -> Measured:
    data = data_name(line["eval_data"])
    low, high = (_number(against, end) for end in ("ci_low", "ci_high"))
    words = "" if low is None or high is None else "better" if low > 0 else "worse" if high < 0 else "within the noise"
    ends = interval(low, high)
    return Measured(
        arm=line["arm"],
        steps=count(_number(line, "steps")),
        readout=readout_name(line["readout"], line["metric"]) + (f", {data}" if data else ""),
        value=_with_ends(fraction(_number(line, "value")), span(_number(line, "ci_low"), _number(line, "ci_high"))),
        untrained=fraction(_number(untrained, "value")),
        difference=_with_ends(signed(_number(against, "value")), ends) if against else "–",
        words=words,
        n=count(_number(line, "n")),
        seeds=count(_number(line, "seeds")),
    )


def _number(line: Mapping[str, str] | None, name: str) -> float | None:
    return float(line[name]) if line and line.get(name) else None


def _with_ends(value: str, ends: str) -> str:
    return f"{value} ({ends})" if ends else value
