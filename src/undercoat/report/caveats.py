"""What the numbers do not show, in words that stand beside every verdict."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from undercoat.records import Record
from undercoat.report.arms import NULL_ARM, Arm
from undercoat.report.comparisons import comparisons
from undercoat.report.differences import looks_text, paired_differences
from undercoat.report.estimates import difference, estimate, measures, null_estimate
from undercoat.report.wording import count, data_name, fraction, listed

__all__ = ["caveats"]

SMALL_TEST = 2000  # below this, a 95 % interval of an accuracy is wider than about ±2 points


def _seed_caveat(rows: Sequence[Record]) -> str:
    seeds = {row.seed for row in rows if row.seed >= 0 and row.split == "test" and row.arm != NULL_ARM}
    if len(seeds) >= 5:
        return ""
    if len(seeds) > 1:
        return f"{len(seeds)} seeds were run, which is few to judge the luck of training by."
    return (
        "One seed was run, so the intervals cover the choice of test images only, not the luck of training; "
        "more seeds would show that."
    )


def _few_seeds_caveat(rows: Sequence[Record], arms: Sequence[Arm]) -> str:
    """Name arms whose mean is over fewer seeds than planned, so that nobody takes them for finished."""
    few = {}
    for measure in measures(rows):
        for arm in arms:
            found = estimate(rows, arm.name, measure)
            if found and 0 < len(found.seeds) < arm.planned:
                few[arm.name] = f"{arm.name} ({len(found.seeds)} of {arm.planned} seeds)"
    return f"Not all seeds are there yet: {listed(list(few.values()))}." if few else ""


def _size_caveat(rows: Sequence[Record], arms: Sequence[Arm]) -> str:
    pairs = [one.pair for one in comparisons(rows, arms)]
    found = [one for pair in pairs for measure in measures(rows) if (one := difference(rows, *pair, measure))]
    halves = [one.half for one in found if one.half is not None]
    if not halves or min(one.n for one in found) >= SMALL_TEST:
        return ""
    n = count(min(one.n for one in found))
    return f"With {n} test images, differences smaller than about {fraction(median(halves))} cannot be told from none."


def _null_caveat(rows: Sequence[Record], arms: Sequence[Arm]) -> str:
    below: dict[str, list[str]] = {}
    for measure in measures(rows):
        null = null_estimate(rows, measure)
        for arm in arms:
            found = estimate(rows, arm.name, measure)
            if found and null and (found.value if found.low is None else found.low) <= null.value:
                below.setdefault(arm.name, []).append(measure.name)
    if not below:
        return ""
    names = [f"{arm} ({listed(readouts)})" for arm, readouts in below.items()]
    return f"Not beyond always answering the commonest class: {listed(names)}."


def caveats(rows: Sequence[Record], arms: Sequence[Arm]) -> list[str]:
    """Say what the numbers do not show: luck of training, small test sets, several looks, missing arms."""
    there = measures(rows)
    if not there:
        return []
    missing = [arm.name for arm in arms if not any(estimate(rows, arm.name, measure) for measure in there)]
    datasets = sorted({measure.eval_data for measure in there if measure.eval_data})
    said = [
        _null_caveat(rows, arms),
        f"Not measured yet: {listed(missing)}." if missing else "",
        _few_seeds_caveat(rows, arms),
        _seed_caveat(rows),
        _size_caveat(rows, arms),
        looks_text(paired_differences(rows, arms)),
        f"Only {data_name(datasets[0])} was tested; other images may answer otherwise." if len(datasets) == 1 else "",
    ]
    return [text for text in said if text]
