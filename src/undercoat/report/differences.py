"""All paired differences of a study, and what remains of them when the number of looks is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from undercoat.functional.multiple_comparisons import holm, p_of_interval
from undercoat.records import Record
from undercoat.report.arms import Arm
from undercoat.report.comparisons import compared_pairs
from undercoat.report.estimates import Estimate, Measure, difference, measures
from undercoat.report.wording import listed

__all__ = ["LEVEL", "Difference", "adjusted", "looks_text", "paired_differences"]

LEVEL = 0.05
_NAMED = 6  # differences that a sentence names; the tables have all


@dataclass(frozen=True)
class Difference:
    """One arm minus another by one measure.

    Attributes:
        arm: from which is subtracted.
        versus: what is.
        measure: of both.
        found: the difference with its interval.
        p: two-sided, from the interval; None without one.
        p_holm: the same, adjusted for all differences that were looked at together.
    """

    arm: str
    versus: str
    measure: Measure
    found: Estimate
    p: float | None
    p_holm: float | None = None

    @property
    def stands(self) -> bool:
        """Whether it is still beyond the noise with Holm's correction."""
        return self.p_holm is not None and self.p_holm < LEVEL

    @property
    def name(self) -> str:
        """In words: ``hpt − base (k-NN)``."""
        return f"{self.arm} − {self.versus} ({self.measure.name})"


def paired_differences(rows: Sequence[Record], arms: Sequence[Arm]) -> list[Difference]:
    """List every paired difference that was recorded on the test images, in the order of the arms, not yet adjusted."""
    place = {arm.name: index for index, arm in enumerate(arms)}
    pairs = sorted(compared_pairs(rows), key=lambda pair: (*(place.get(name, len(place)) for name in pair), pair))
    kept, looked_at = [row for row in rows if row.versus], measures(rows)
    there = []
    for arm, versus in pairs:
        own = [row for row in kept if {row.arm, row.versus} == {arm, versus}]
        for measure in looked_at:
            found = difference(own, arm, versus, measure)
            if found is not None:
                ends = None if found.low is None or found.high is None else (found.low, found.high)
                there.append(Difference(arm, versus, measure, found, ends and p_of_interval(found.value, *ends)))
    return there


def adjusted(differences: Sequence[Difference]) -> list[Difference]:
    """Give each difference its p value by Holm's correction for all of those that have one."""
    tested = [one.p for one in differences if one.p is not None]
    raised = iter(holm(tested).tolist())
    return [one if one.p is None else replace(one, p_holm=next(raised)) for one in differences]


def looks_text(differences: Sequence[Difference]) -> str:
    """Say how many differences there are, how many would look real by chance, and which stay with Holm's correction."""
    tested = [one for one in adjusted(differences) if one.p is not None]
    if len(tested) < 2:
        return ""
    real = [one for one in tested if one.found.direction]
    stay = [one for one in tested if one.stands]
    said = (
        f"{len(tested)} differences were measured: at 95 % about {LEVEL * len(tested):.2g} of so many would look real "
    )
    if not real:
        return f"{said}by chance. None does."
    said += f"by chance. {len(real)} {'do' if len(real) > 1 else 'does'}; "
    if not stay:
        return f"{said}with Holm's correction for all {len(tested)}, none stays."
    names = [one.name for one in stay[:_NAMED]]
    names += [f"{len(stay) - _NAMED} more"] if len(stay) > _NAMED else []
    stays = f"{len(stay)} {'stay' if len(stay) > 1 else 'stays'}"
    return f"{said}with Holm's correction for all {len(tested)}, {stays}: {listed(names)}."
