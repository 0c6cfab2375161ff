"""Did each coat help? The answer in words, the same at the end of a run and at the top of the report.

A coat "helped" or "hurt" only when the whole 95 % interval of its paired difference lies on one side of zero;
everything else is called within the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from undercoat.records import Record
from undercoat.report.arms import NULL_ARM, Arm
from undercoat.report.caveats import caveats
from undercoat.report.comparisons import Comparison, comparisons
from undercoat.report.estimates import Estimate, Measure, difference, measures
from undercoat.report.wording import METRICS, count, data_name, fraction, interval, listed, signed

__all__ = ["caveats", "findings", "verdict"]

WHAT_HELPED = {"knn": "k-NN", "linear": "linear probing"}


@dataclass(frozen=True)
class _Compared:
    measure: Measure
    found: Estimate

    @property
    def rank(self) -> int:
        """What is sure comes first: helped, hurt, without an interval, within the noise."""
        return {1: 0, -1: 1, None: 2, 0: 3}[self.found.direction]


def _what(measure: Measure) -> str:
    name = WHAT_HELPED.get(measure.readout, measure.readout.replace("_", " "))
    name += f" at {measure.layer}" if measure.layer else ""
    return name if measure.metric == "accuracy" else f"the {METRICS.get(measure.metric, measure.metric)} of {name}"


def _amount(found: Estimate, *, explain: bool) -> tuple[str, str]:
    """The size of a difference, and its ends; the first pair in a verdict is said to be an interval."""
    ends = interval(found.low, found.high)
    if not ends:
        spread = "" if found.std is None else f" ± {fraction(found.std)} over {len(found.seeds)} seeds"
        return f"{signed(found.value)}{spread}", ""
    return signed(found.value), f"95 % interval {ends}" if explain else ends


def _clause(direction: int | None, said: Sequence[tuple[str, tuple[str, str]]], *, first: bool) -> str:
    if direction is None:
        changes = [f"{what} by {size}" for what, (size, _) in said]
        return f"{'' if first else 'it '}changed {listed(changes)}, without an interval to judge it by"
    if direction == 0 and not first and len(said) == 1:
        what, (size, ends) = said[0]
        return f"{what} stayed within the noise ({size}, {ends})"
    if direction == 0:
        same = [f"{what} ({size}, {ends})" for what, (size, ends) in said]
        return f"{'' if first else 'it '}stayed within the noise for {listed(same)}"
    sure = [f"{what} by {size} ({ends})" for what, (size, ends) in said]
    return f"{'' if first else 'it '}{'helped' if direction > 0 else 'hurt'} {listed(sure)}"


def _sentence(asked: Comparison, rows: Sequence[Record], data: str, *, explain: bool) -> str:
    compared = [
        _Compared(measure, found)
        for measure in measures(rows)
        if measure.eval_data == data and (found := difference(rows, *asked.pair, measure)) is not None
    ]
    compared.sort(key=lambda one: one.rank)  # stable: readouts keep their order within
    clauses: list[str] = []
    for direction, group in groupby(compared, key=lambda one: one.found.direction):
        said = [(_what(one.measure), _amount(one.found, explain=explain and one is compared[0])) for one in group]
        clauses.append(_clause(direction, said, first=not clauses))
    return f"{asked.subject} {'; '.join(clauses)}." if clauses else ""


def _place(rows: Sequence[Record], data: str) -> str:
    """Where the numbers come from, said once: the data, how many images, and how many seeds if several."""
    there = [row for row in rows if row.split == "test" and row.eval_data == data and row.arm != NULL_ARM]
    images = {row.n for row in there if row.versus}
    seeds = {row.seed for row in there if row.seed >= 0 and not row.versus}
    told = [f"{count(max(images))} test images"] if len(images) == 1 else []
    told += [f"{len(seeds)} seeds"] if len(seeds) > 1 else []
    if not data:
        return f"on {listed(told)} " if told else ""
    return f"on {data_name(data)} ({', '.join(told)}) " if told else f"on {data_name(data)} "


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def findings(rows: Sequence[Record], arms: Sequence[Arm]) -> list[str]:
    """Say for each comparison whether it helped, hurt or stayed within the noise: one sentence each.

    Args:
        rows: every row of the study; only paired differences on the test images are read.
        arms: the arms in display order.

    Returns:
        Sentences, the most telling first; one sentence that says why when nothing can be said.
    """
    datasets = sorted({measure.eval_data for measure in measures(rows)})
    if not datasets:
        return [
            "Nothing was measured on test images yet, so whether a coat helped cannot be said; "
            "'undercoat evaluate' with a few labelled images tells."
        ]
    found: list[str] = []
    for data in datasets:
        place = _place(rows, data)
        for asked in comparisons(rows, arms):
            if text := _sentence(asked, rows, data, explain=not found):
                found.append(_capital(place + text))
                place = ""
    return found or ["No paired differences were recorded, so whether a coat helped cannot be said from these numbers."]


def verdict(rows: Sequence[Record], arms: Sequence[Arm]) -> list[str]:
    """The verdict in words: what each coat did, then what the numbers do not show.

    Args:
        rows: every row of the study, measurements and paired differences.
        arms: the arms in display order (see `arms_of`).

    Returns:
        Sentences of plain text, `findings` first and `caveats` after them.

    Example:
        >>> rows = [
        ...     Record(arm="hpt", readout="knn", metric="accuracy", value=0.72, n=382),
        ...     Record(arm="hpt", versus="base", readout="knn", metric="accuracy_difference",
        ...            value=0.04, n=382, ci_low=0.01, ci_high=0.07),
        ... ]
        >>> print(verdict(rows, [Arm("base"), Arm("hpt")])[0])
        On 382 test images the target coat over the base (hpt) helped k-NN by +0.040 (95 % interval +0.010 … +0.070).
    """
    return [*findings(rows, arms), *caveats(rows, arms)]
