"""How much sooner one arm reaches an accuracy than another: sentences and a table beside the figure over steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from undercoat.functional.convergence import Reached, SpeedUp, speed_up
from undercoat.report.blocks import numbers
from undercoat.report.estimates import Measure, measures
from undercoat.report.folder import Found
from undercoat.report.markup import Markup, tag
from undercoat.report.sweeps import Line, Sweep, sweeps
from undercoat.report.wording import count, data_name, fraction, listed, readout_name

__all__ = ["Convergence", "convergences", "convergences_block", "convergences_text"]

SLOW = "target"  # the arm that others are compared with, where a study has it: pretraining from random weights


@dataclass(frozen=True)
class Convergence:
    """One arm against a slower one: which steps both need to reach the slower one's best value.

    Attributes:
        slow: name of the arm that sets the level.
        fast: name of the arm that has to reach it.
        unit: steps or epochs.
        measure: of both.
        found: what `speed_up` says.
        above: arms without any step of this axis that lie at the level or above it.
        absent: arms of the two that are not measured yet, without which both may come out otherwise.
        seeds: how many the study has; more than ``found`` rests on where some budgets are not measured with all.
    """

    slow: str
    fast: str
    unit: str
    measure: Measure
    found: SpeedUp
    above: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    seeds: int = 1

    @property
    def factor(self) -> str:
        """The speed-up as a short text: ``80×``, ``at least 80×``, ``never reached``."""
        found = self.found
        if found.ratio is None:
            return "never reached"
        if found.fast.outcome == "at once":
            return f"at least {_times(found.ratio)}" if found.slow.outcome == "reached" else "cannot be told"
        return f"{'at most ' if found.slow.outcome == 'at once' else ''}{_times(found.ratio)}"

    @property
    def ends(self) -> str:
        """The interval over seeds, or nothing."""
        low, high = self.found.low, self.found.high
        if low is None or high is None:
            return ""
        least = "never" if low == 0 else ("≤ " if self.found.low_is_bound else "") + _times(low)
        most = "never" if high in {0, math.inf} else ("≥ " if self.found.high_is_bound else "") + _times(high)
        return f"{least} … {most}"

    def __str__(self) -> str:
        """One sentence."""
        beside = f"; {listed(list(self.above))} {'lie' if len(self.above) > 1 else 'lies'} above it without any"
        without = (
            f"; provisional, for {listed(list(self.absent))} {'are' if len(self.absent) > 1 else 'is'} not there yet"
        )
        return f"{self._reached()} ({self._interval()}){beside if self.above else ''}{without if self.absent else ''}."

    def _reached(self) -> str:
        fast, unit = self.found.fast, self.unit
        best = f"the best {readout_name(self.measure.readout, self.measure.metric)} value of {self.slow}"
        best += f" on {data_name(self.measure.eval_data)}" if self.measure.eval_data else ""
        best += f", {fraction(self.found.level)} at {_spent(self.found.slow.steps, unit)}"
        if fast.outcome == "never":
            return f"{self.fast} never reached {best}, within its {_spent(fast.steps, unit)}"
        if fast.outcome == "at once":
            smallest = f"its smallest budget, {_spent(fast.steps, unit)}"
            return f"{self.fast} was at or beyond {best}, at {smallest} already: speed-up {self.factor}"
        return f"{self.fast} reached {best}, after about {_spent(fast.steps, unit)}: speed-up {self.factor}"

    def _interval(self) -> str:
        never, seeds = self.found.never, self.found.seeds
        of = f" of {self.seeds}" if seeds < self.seeds else ""
        if not self.ends:
            return f"{'only ' if of else ''}one seed{of}{' has all budgets' if of else ''}, so no interval"
        if self.found.fast.outcome == "never":
            return f"nor in {100 * never:.0f} % of the resamples of {seeds}{of} seeds"
        missed = f", never reached in {100 * never:.0f} % of the resamples" if never else ""
        return f"95 % interval over {seeds}{of} seeds {self.ends}{missed}"


def _spent(steps: float, unit: str) -> str:
    return f"{count(steps)} {unit.removesuffix('s') if count(steps) == '1' else unit}"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}×" if ratio >= 10 else f"{ratio:.2g}×"


def convergences(found: Found) -> list[Convergence]:
    """Every arm of an axis of steps against the slow one, by every measure; seeds that both have at all budgets."""
    there = []
    for sweep in (one for one in sweeps(found) if one.counts_steps and one.budgets()):
        pairs = _pairs(sweep)
        for measure in measures(found.rows):
            for slow, fast in pairs:
                compared = _compared(sweep, slow, fast, measure)
                there += [compared] if compared else []
    return there


def _pairs(sweep: Sweep) -> list[tuple[Line, Line]]:
    """Each line after the slow one that has the same place on all other axes; where none has one, after the first."""
    lines = sweep.budgets()
    slow = [(_slow(fast, lines, sweep.paths), fast) for fast in lines]
    return [pair for pair in slow if pair[0] is not pair[1]] or [(lines[0], fast) for fast in lines[1:]]


def _slow(fast: Line, lines: Sequence[Line], paths: Sequence[str]) -> Line:
    alike = [line for line in lines if _others(line, paths) == _others(fast, paths)]
    named = [line for line in alike if line.spots[0].arm.family == SLOW] or [
        line for line in lines if line.name == SLOW
    ]
    return (named or alike)[0]


def _others(line: Line, paths: Sequence[str]) -> dict[str, str]:
    """Its place on the other axes."""
    return {path: label for path, label in line.spots[0].arm.labels.items() if path not in paths}


def _curve(sweep: Sweep, line: Line, measure: Measure) -> dict[float, dict[int, float]]:
    """Budget → seed → value, rising, without budgets of no steps."""
    curve = {}
    for spot in line.spots:
        found = spot.estimate(measure)
        if found is not None and sweep.numbers[spot.place] > 0 and found.seeds:
            curve[sweep.numbers[spot.place]] = {seed: row.value for seed, row in found.seeds.items()}
    return dict(sorted(curve.items()))


def _compared(sweep: Sweep, slow: Line, fast: Line, measure: Measure) -> Convergence | None:
    curves = [_curve(sweep, line, measure) for line in (slow, fast)]
    seeds = [set.intersection(*(set(at) for at in curve.values())) for curve in curves if curve]
    shared = sorted(set.intersection(*seeds)) if len(seeds) == len(curves) else []
    if not shared:
        return None
    values = [[[at[seed] for at in curve.values()] for seed in shared] for curve in curves]
    result = speed_up(list(curves[0]), values[0], list(curves[1]), values[1])
    levels = [(line.name, line.spots[0].estimate(measure)) for line in sweep.levels]
    above = tuple(name for name, one in levels if one is not None and one.value >= result.level)
    planned = max(spot.arm.planned for line in (slow, fast) for spot in line.spots)
    spots = (*slow.spots, *fast.spots)
    absent = tuple(spot.arm.name for spot in spots if spot.estimate(measure) is None)
    return Convergence(slow.name, fast.name, sweep.name, measure, result, above, absent, planned)


_HEAD = ("arm", "compared with", "readout", "level", "its steps", "steps of the other", "speed-up", "95 % interval")


def _steps(one: Reached) -> str:
    sign = {"reached": "", "at once": "≤ ", "never": "> "}[one.outcome]
    return sign + count(one.steps)


def _cells(one: Convergence) -> list[str]:
    readout = readout_name(one.measure.readout, one.measure.metric)
    steps = [_steps(one.found.fast), _steps(one.found.slow)]
    return [one.fast, one.slow, readout, fraction(one.found.level), *steps, one.factor, one.ends or "–"]


def convergences_block(found: Found) -> Markup | None:
    """The sentences and the table on the page; None for a study without an axis of steps."""
    there = convergences(found)
    if not there:
        return None
    said = (
        "Steps to the other arm's best value, log-linear between measured budgets. Intervals come from drawing seeds "
        "again, the same for both arms; ≥ and ≤ stand where an arm was there at its smallest budget already."
    )
    return tag(
        "figure",
        tag("figcaption", "How much sooner?"),
        tag("ul", [tag("li", str(one)) for one in there], class_="findings"),
        numbers("Steps to the same value", _HEAD, [_cells(one) for one in there], text_columns=3),
        tag("p", said, class_="small"),
    )


def convergences_text(found: Found) -> list[str]:
    """The same as lines of Markdown; nothing for a study without an axis of steps."""
    there = convergences(found)
    if not there:
        return []
    rows = [f"| {' | '.join(_cells(one))} |" for one in there]
    rule = ["---"] * 3 + ["---:"] * (len(_HEAD) - 3)
    return [*(f"- {one}" for one in there), "", f"| {' | '.join(_HEAD)} |", f"| {' | '.join(rule)} |", *rows, ""]
