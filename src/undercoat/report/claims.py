"""Claims of a study judged by the rows: holds, fails or cannot tell, with the numbers of every part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from undercoat.records import Record
from undercoat.report.blocks import numbers, section
from undercoat.report.folder import Found
from undercoat.report.markup import Markup, tag
from undercoat.report.wording import interval, number, readout_name, signed

__all__ = ["JudgedClaim", "Part", "claims_section", "claims_text", "judge_claims"]

HOLDS, FAILS, UNTOLD = "holds", "fails", "cannot tell"
_POOLED = -1


@dataclass(frozen=True, kw_only=True)
class Part:
    """One paired difference that a claim is about; ``row`` is None where it was not measured."""

    arm: str
    versus: str
    layer: str
    readout: str
    row: Record | None
    outcome: str


@dataclass(frozen=True, kw_only=True)
class JudgedClaim:
    """A claim with its verdict."""

    says: str
    expect: str
    margin: float
    verdict: str
    parts: tuple[Part, ...]

    @property
    def why(self) -> str:
        """The verdict in a clause: how many parts decided it."""
        told = [part.outcome for part in self.parts]
        if all(part.row is None for part in self.parts):
            return "nothing was measured for it"
        counts = [f"{told.count(outcome)} {outcome}" for outcome in (HOLDS, FAILS, UNTOLD) if outcome in told]
        return f"of {len(told)} comparisons {', '.join(counts)}" if len(told) > 1 else "one comparison"


def judge_claims(claims: Sequence[Mapping[str, Any]], rows: Sequence[Record]) -> list[JudgedClaim]:
    """Judge claims by the paired differences on the test images.

    Args:
        claims: as they lie in ``study.json``.
        rows: of the study.

    Example:
        >>> row = Record(arm="a", versus="b", readout="knn", metric="accuracy_difference", value=0.1, n=9,
        ...              ci_low=0.05, ci_high=0.15)
        >>> judge_claims([{"says": "a is better", "expect": "higher", "pairs": [["a", "b"]]}], [row])[0].verdict
        'holds'
    """
    differences: dict[tuple[str, str], dict[tuple[str, str, str], Record]] = {}
    for row in rows:
        if row.versus and row.split == "test" and row.shift in {"", "clean"}:
            kept = differences.setdefault((row.arm, row.versus), {})
            if row.seed == _POOLED or (row.readout, row.layer, row.metric) not in kept:
                kept[row.readout, row.layer, row.metric] = row
    return [_judged(claim, differences) for claim in claims]


def _judged(
    claim: Mapping[str, Any], differences: Mapping[tuple[str, str], Mapping[tuple[str, str, str], Record]]
) -> JudgedClaim:
    expect, margin = str(claim.get("expect")), float(claim.get("margin") or 0.0)
    parts: list[Part] = []
    for arm, versus in claim.get("pairs") or ():
        found = differences.get((arm, versus), {})
        layers = claim.get("layers") or dict.fromkeys(layer for _, layer, _ in found)
        readouts = claim.get("readouts") or dict.fromkeys(readout for readout, _, _ in found)
        metrics = dict.fromkeys(metric for _, _, metric in found)
        for readout, layer, metric in list(product(readouts, layers, metrics)) or [("", "", "")]:
            row = found.get((readout, layer, metric))
            outcome = UNTOLD if row is None else _outcome(row, expect, margin)
            parts.append(Part(arm=arm, versus=versus, layer=layer, readout=readout, row=row, outcome=outcome))
    told = {part.outcome for part in parts}
    verdict = FAILS if FAILS in told else HOLDS if told == {HOLDS} else UNTOLD
    return JudgedClaim(says=str(claim.get("says")), expect=expect, margin=margin, verdict=verdict, parts=tuple(parts))


def _outcome(row: Record, expect: str, margin: float) -> str:
    low, high = number(row.ci_low), number(row.ci_high)
    if low is None or high is None:
        return UNTOLD
    if expect == "lower":
        low, high = -high, -low
    if expect == "alike":
        inside, outside = low > -margin and high < margin, low > margin or high < -margin
    else:
        inside, outside = low > margin, high < margin
    return HOLDS if inside else FAILS if outside else UNTOLD


def _expected(claim: JudgedClaim) -> str:
    if claim.expect == "alike":
        return f"within ±{claim.margin:g}"
    return f"{claim.expect} by more than {claim.margin:g}" if claim.margin else claim.expect


def _cells(part: Part) -> list[str]:
    row = part.row
    ends = "not measured" if row is None else interval(row.ci_low, row.ci_high)
    value = "–" if row is None else signed(row.value)
    layer = "" if part.layer in {"", "final"} else part.layer
    metric = "accuracy" if row is None else row.metric.removesuffix("_difference")
    return [f"{part.arm} − {part.versus}", layer, readout_name(part.readout, metric), value, ends, part.outcome]


_HEAD = ("difference", "layer", "readout", "value", "95 % interval", "outcome")


def claims_text(found: Found) -> list[str]:
    """The claims as lines of Markdown; nothing for a study without any."""
    lines: list[str] = []
    for claim in judge_claims(found.study.get("claims") or [], found.rows):
        lines += [f"### {claim.says}", "", f"**{claim.verdict}** ({claim.why}; expected: {_expected(claim)})", ""]
        lines += [f"| {' | '.join(_HEAD)} |", "| --- | --- | --- | ---: | ---: | --- |"]
        lines += [f"| {' | '.join(_cells(part))} |" for part in claim.parts]
        lines.append("")
    return lines


def claims_section(found: Found) -> Markup | None:
    """The claims on the page; None for a study without any."""
    judged = judge_claims(found.study.get("claims") or [], found.rows)
    if not judged:
        return None
    said = (
        "Each claim was written into the recipe before the study ran. It holds when the 95 % intervals of all its "
        "paired differences say so, and fails when one says the opposite; of many intervals one in twenty misses by "
        "chance."
    )
    marks = {HOLDS: "▲", FAILS: "▼", UNTOLD: "≈"}
    items = []
    for claim in judged:
        head = [tag("span", marks[claim.verdict], aria_hidden="true"), " ", tag("b", claim.verdict), ": ", claim.says]
        detail = tag("p", f"{claim.why}; expected: {_expected(claim)}".capitalize(), class_="small")
        table = numbers(claim.says, _HEAD, [_cells(part) for part in claim.parts], text_columns=3)
        items.append(tag("details", tag("summary", head), detail, table, class_="claim"))
    return section("claims", "Claims", tag("p", said, class_="small"), items)
