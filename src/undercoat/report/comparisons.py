"""Which arms were compared with which, and what each comparison asks: told from the coats of the two arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from undercoat.records import Record
from undercoat.report.arms import RANDOM, Arm
from undercoat.report.wording import listed

__all__ = ["Comparison", "compared_pairs", "comparisons"]

Coats = tuple[str, ...]

# What the usual arms are made of, for rows that say nothing about it.
USUAL: dict[str, Coats] = {
    "random": (),
    "base": ("base",),
    "base_refreshed": ("base", "target: batch statistics"),
    "target": ("target: coat",),
    "hpt": ("base", "target: coat"),
    "hpt_bn": ("base", "target: coat (norms)"),
}
# The questions, the most telling first.
COAT, NORMS, CHAIN, FROM_RANDOM, BASE, BELOW, INSTEAD, REFRESHED, SAME, OTHER = range(10)


@dataclass(frozen=True)
class Comparison:
    """One arm minus another: what was changed, as the subject of a sentence, and how telling that is (0 most)."""

    arm: str
    versus: str
    subject: str
    rank: int

    @property
    def pair(self) -> tuple[str, str]:
        """Both names."""
        return self.arm, self.versus


@dataclass(frozen=True)
class _Side:
    name: str
    coats: Coats

    @property
    def tag(self) -> str:
        """The point on the axes that the name ends with: ``steps=50`` of ``hpt[steps=50]``."""
        return self.name.partition("[")[2].rstrip("]")

    @property
    def plain(self) -> str:
        return self.name.partition("[")[0]

    @property
    def spoken(self) -> str:
        """As what a coat is laid on: the base, random weights, or the arm's name."""
        if not self.coats and self.plain in (RANDOM, ""):
            return "random weights"
        return "the base" if self.name == "base" else self.name


def _learnt(coat: str) -> bool:
    return ": " in coat  # "target: moco_v2"; weights that came ready-made have no such space


def _norms(coat: str) -> bool:
    return coat.endswith("(norms)")


def _stage(coat: str) -> str:
    return coat.partition(":")[0] if _learnt(coat) else coat


def _called(arm: _Side, usual: str) -> str:
    """The arm's name in brackets, unless the sentence has named it already."""
    return "" if arm.name == usual else f" ({arm.name})"


def _laid(arm: _Side, below: _Side) -> tuple[int, str]:
    """One coat was laid on top."""
    coat = arm.coats[-1]
    stage = _stage(coat)
    if not _learnt(coat):
        start = f"starting from {stage}{_called(arm, stage)}"
        return BASE, f"{start}, instead of random weights," if not below.coats else f"{start} after {below.spoken}"
    if coat.endswith("batch statistics"):
        return REFRESHED, f"refreshing the batch statistics of {below.spoken} on {stage}{_called(arm, stage)}"
    kind, rank = ("norms-only ", NORMS) if _norms(coat) else ("", COAT)
    rank = rank if below.coats else FROM_RANDOM
    return rank, f"the {kind}{stage} coat over {below.spoken}{_called(arm, stage)}"


def _slipped_in(arm: _Side, other: _Side) -> tuple[int, str] | None:
    """One coat lies below coats that both arms have."""
    for place in range(len(other.coats)):
        if arm.coats[:place] + arm.coats[place + 1 :] == other.coats:
            coat, above = arm.coats[place], [_stage(one) for one in arm.coats[place + 1 :]]
            over = f"the {listed(above)} coat{'s' if len(above) > 1 else ''}"
            against = f" ({arm.name} against {other.name})"
            if not _learnt(coat):
                return BELOW, f"laying {over} on {coat}, instead of random weights{against},"
            return BELOW, f"the {_stage(coat)} coat below {over}{against}"
    return None


def _top_changed(arm: _Side, other: _Side) -> tuple[int, str] | None:
    """Only the last coat differs."""
    top, before = arm.coats[-1], other.coats[-1]
    against = f" ({arm.name} against {other.name})"
    if before.endswith("batch statistics"):
        if top.endswith("batch statistics"):
            return INSTEAD, f"{top}, instead of {before}{against},"
        kind = "norms-only " if _norms(top) else ""
        return INSTEAD, f"the {kind}{_stage(top)} coat over refreshed batch statistics{against}"
    if _norms(top) and top.removesuffix("(norms)").strip() == before:
        return INSTEAD, f"training the norms alone, instead of every weight{against},"
    if _learnt(top) and not _learnt(before):  # the chain's own start; other coats are all learnt
        return INSTEAD, f"the {_stage(top)} coat alone, instead of {before}{against},"
    if _norms(before) or not _learnt(top) or top.endswith("batch statistics"):
        return None  # told the other way round
    return INSTEAD, f"{top}, instead of {before}{against},"


def _asked(arm: _Side, other: _Side) -> tuple[int, str] | None:
    """What the comparison of two arms asks, or None where they differ by more than one thing."""
    above, below = arm.coats, other.coats
    if above == below:
        if not arm.tag or arm.plain != other.plain:
            return None
        return SAME, f"arm {arm.plain} with {arm.tag}, instead of {other.tag or other.name},"
    if arm.tag and other.tag and arm.tag != other.tag:
        return None
    if len(above) == len(below) + 1:
        return _laid(arm, other) if above[:-1] == below else _slipped_in(arm, other)
    if len(above) == len(below) and above[:-1] == below[:-1]:
        return _top_changed(arm, other)
    added = above[len(below) :]
    if len(added) > 1 and above[: len(below)] == below and all(map(_learnt, added)):
        stages = [_stage(coat) + (" (norms)" if _norms(coat) else "") for coat in added]
        together = f"the coats {listed(stages)} together over {other.spoken}{_called(arm, '')}"
        return CHAIN if below else FROM_RANDOM, together
    return None


def compared_pairs(rows: Sequence[Record]) -> set[tuple[str, str]]:
    """Every pair (arm, arm subtracted) with difference rows, each pair in one direction only."""
    pairs = {(row.arm, row.versus) for row in rows if row.versus and row.metric.endswith("_difference")}
    return {pair for pair in pairs if pair[::-1] not in pairs or pair < pair[::-1]}


def _compared(pair: tuple[str, str], sides: Mapping[str, _Side]) -> Comparison:
    for arm, versus in (pair, pair[::-1]):
        if arm in sides and versus in sides:
            found = _asked(sides[arm], sides[versus])
            if found is not None:
                return Comparison(arm, versus, found[1], found[0])
    return Comparison(*pair, f"arm {pair[0]}, instead of {pair[1]},", OTHER)


def _sides(arms: Sequence[Arm]) -> dict[str, _Side]:
    if any(arm.coats for arm in arms if arm.name not in {RANDOM, "base"}):
        return {arm.name: _Side(arm.name, arm.coats) for arm in arms}
    named = {arm.name: arm.coats or USUAL.get(arm.name.partition("[")[0]) for arm in arms}
    return {name: _Side(name, coats) for name, coats in named.items() if coats is not None}


def comparisons(rows: Sequence[Record], arms: Sequence[Arm]) -> list[Comparison]:
    """List the comparisons that a verdict is about, the most telling first.

    Those are arms that differ by one thing; where a study has none of them beside its base, all its pairs.

    Example:
        >>> row = Record(arm="b+t", versus="b", metric="accuracy_difference", value=0.1, n=9)
        >>> [one.subject for one in comparisons([row], [Arm("b", ("net",)), Arm("b+t", ("net", "target: moco_v2"))])]
        ['the target coat over b (b+t)']
    """
    sides = _sides(arms)
    place = {arm.name: index for index, arm in enumerate(arms)}
    found = [_compared(pair, sides) for pair in compared_pairs(rows)]
    found.sort(key=lambda one: (one.rank, *(place.get(name, len(place)) for name in one.pair), one.pair))
    telling = [one for one in found if one.rank < OTHER]
    return telling if any(one.rank != BASE for one in telling) else found
