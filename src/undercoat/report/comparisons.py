"""Which arms were compared with which, and what each comparison asks."""

from __future__ import annotations

from collections.abc import Sequence

from undercoat.records import Record
from undercoat.report.arms import Arm

__all__ = ["compared_pairs", "comparisons", "subject"]

# What each comparison of the usual arms asks, the most telling first.
QUESTIONS = {
    ("hpt", "base"): "the target coat over the base",
    ("hpt", "base_refreshed"): "the target coat over the base with refreshed statistics",
    ("target", "random"): "the target coat over random weights",
    ("hpt", "target"): "the base under the target coat, instead of random weights,",
    ("hpt_bn", "base"): "the norms-only coat over the base",
    ("hpt_bn", "hpt"): "training the norms alone, instead of every weight,",
    ("base_refreshed", "base"): "refreshing the base's batch statistics on the target",
}
FOUNDATION = ("base", "random")  # told last: it says how good the base is, not what a coat did


def compared_pairs(rows: Sequence[Record]) -> set[tuple[str, str]]:
    """Every pair (arm, arm subtracted) with difference rows, each pair in one direction only."""
    pairs = {(row.arm, row.versus) for row in rows if row.versus and row.metric.endswith("_difference")}
    asked = {*QUESTIONS, FOUNDATION}
    turned = {pair[::-1] if pair[::-1] in asked else pair for pair in pairs}
    return {pair for pair in turned if pair[::-1] not in turned or pair in asked or pair < pair[::-1]}


def comparisons(rows: Sequence[Record], arms: Sequence[Arm]) -> list[tuple[str, str]]:
    """List the pairs that a verdict is about, the most telling first.

    Those are the questions of the usual arms and any two arms that differ by one coat; where a study has
    neither, all its pairs.
    """
    there = compared_pairs(rows)
    coats = {arm.name: arm.coats for arm in arms}
    place = {arm.name: index for index, arm in enumerate(arms)}

    def order(pair: tuple[str, str]) -> tuple[int, int, tuple[str, str]]:
        return (place.get(pair[0], len(place)), place.get(pair[1], len(place)), pair)

    known = [pair for pair in QUESTIONS if pair in there]
    rest = sorted(there - set(known) - {FOUNDATION}, key=order)
    one_coat = [pair for pair in rest if _adds_one_coat(coats.get(pair[0]), coats.get(pair[1]))]
    return [*([*known, *one_coat] or rest), *([FOUNDATION] if FOUNDATION in there else [])]


def _adds_one_coat(coats: tuple[str, ...] | None, under: tuple[str, ...] | None) -> bool:
    if coats is None or under is None:
        return False
    below = under if under != ("random",) else ()
    above = coats if coats[:1] != ("random",) else coats[1:]
    return len(above) == len(below) + 1 and above[:-1] == below


def subject(pair: tuple[str, str], arms: Sequence[Arm]) -> str:
    """What was changed between the two arms, as the subject of a sentence."""
    if pair in QUESTIONS:
        return QUESTIONS[pair]
    if pair == FOUNDATION:
        return "the base itself, instead of random weights,"
    coats = {arm.name: arm.coats for arm in arms}
    arm, versus = pair
    if _adds_one_coat(coats.get(arm), coats.get(versus)):
        return f"arm {arm}, which is the coat '{coats[arm][-1]}' over {versus},"
    return f"arm {arm}, instead of {versus},"
