"""What the rows say about one arm: a value with its interval, over seeds where there are several.

Nothing is measured again here: intervals are those of the rows, and over seeds only mean and standard
deviation are taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from undercoat.records import Record
from undercoat.report.arms import NULL_ARM
from undercoat.report.wording import count, fraction, number, readout_name, span

__all__ = ["POOLED", "Estimate", "Measure", "described", "difference", "estimate", "measures", "null_estimate"]

POOLED = -1  # the seed of a row that covers all seeds
METRICS = ("accuracy", "auroc", "dice", "iou")
READOUT_ORDER = ("knn", "linear")


@dataclass(frozen=True)
class Measure:
    """One column of numbers: a metric, how the features were read out, on which data, and where not from the end."""

    readout: str
    metric: str
    eval_data: str
    layer: str = ""

    @property
    def name(self) -> str:
        """What people call it, without the data."""
        return readout_name(self.readout, self.metric) + (f" at {self.layer}" if self.layer else "")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value, or a paired difference, with its 95 % interval.

    Args:
        value: mean over seeds; a fraction in 0..1, or a difference in -1..1.
        low: lower end of the interval of the rows, None when there is none for this value.
        high: upper end.
        n: test images behind it.
        std: standard deviation over seeds (n - 1), None with fewer than two.
        seeds: the value of each seed, by seed.
        interval: how the interval was made, as the rows say it.
        steps: optimiser steps of the arm.
        images_seen: images that the arm was trained on, repeats counted.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    std: float | None
    seeds: dict[int, Record]
    interval: str = ""
    steps: int = 0
    images_seen: int = 0

    @property
    def half(self) -> float | None:
        """The wider half of the interval: what stands after ±."""
        if self.low is None or self.high is None:
            return None
        return max(self.high - self.value, self.value - self.low)

    @property
    def direction(self) -> int | None:
        """+1 or -1 when the interval lies on one side of zero, 0 when it holds zero, None without one."""
        if self.low is None or self.high is None:
            return None
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    def reversed(self) -> Estimate:
        """The same difference, seen from the other arm."""
        low = None if self.high is None else -self.high
        high = None if self.low is None else -self.low
        return Estimate(value=-self.value, low=low, high=high, n=self.n, std=self.std, seeds={}, interval=self.interval)


def _headline(rows: Iterable[Record]) -> list[Record]:
    """Keep what the verdict is about: unshifted test images, the last layer that was read, all labels."""
    there = [
        row for row in rows if row.split == "test" and row.shift in {"", "clean"} and number(row.value) is not None
    ]
    read = list(dict.fromkeys(row.layer for row in there if row.arm != NULL_ARM))
    last = read[-1] if read and not {"", "final"} & set(read) else "final"
    clean = [row for row in there if row.layer in {"", last} or row.arm == NULL_ARM]
    kept = []
    for paired in (False, True):  # difference rows may state their labels otherwise than measurements do
        kind = [row for row in clean if bool(row.versus) == paired]
        labels = {row.labels for row in kind if row.arm != NULL_ARM}
        wanted = 0 if 0 in labels else max(labels, default=0)
        kept += [row for row in kind if row.arm == NULL_ARM or row.labels == wanted]
    return kept


def _measure(row: Record) -> Measure:
    return Measure(row.readout, row.metric, row.eval_data, "" if row.layer == "final" else row.layer)


def measures(rows: Sequence[Record]) -> list[Measure]:
    """List what was measured on the test images: k-NN first, then linear, then the rest by name."""
    found = {
        _measure(row) for row in _headline(rows) if row.metric in METRICS and not row.versus and row.arm != NULL_ARM
    }

    def order(measure: Measure) -> tuple[object, ...]:
        rank = READOUT_ORDER.index(measure.readout) if measure.readout in READOUT_ORDER else len(READOUT_ORDER)
        return (measure.eval_data, rank, measure.readout, measure.metric)

    return sorted(found, key=order)


def _combine(rows: Sequence[Record]) -> Estimate | None:
    if not rows:
        return None
    pooled = [row for row in rows if row.seed == POOLED]
    seeds = {row.seed: row for row in rows if row.seed != POOLED}
    alone = pooled[-1] if pooled else next(iter(seeds.values())) if len(seeds) == 1 else None
    values = [row.value for row in seeds.values()]
    first = alone or next(iter(seeds.values()))
    return Estimate(
        value=alone.value if alone else fmean(values),
        low=number(alone.ci_low) if alone else None,
        high=number(alone.ci_high) if alone else None,
        n=first.n,
        std=stdev(values) if len(values) > 1 else None,
        seeds=dict(sorted(seeds.items())),
        interval=first.interval,
        steps=max(row.steps for row in rows),
        images_seen=max(row.images_seen for row in rows),
    )


def described(name: str, measure: Measure, found: Estimate) -> str:
    """Say a value in one line, for a tip: what, how much, its interval, the test images and the seeds."""
    metric = "AUROC" if measure.metric == "auroc" else measure.metric
    parts = [f"{name}: {measure.readout.replace('knn', 'k-NN')} {metric} {fraction(found.value)}"]
    parts += [f"95 % interval {span(found.low, found.high)}"] if found.low is not None else []
    parts += [f"± {fraction(found.std)} over seeds"] if found.std is not None else []
    seeds = list(found.seeds)
    told = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds" if seeds else "all seeds"
    return ", ".join([*parts, f"n = {count(found.n)}", told])


def estimate(rows: Sequence[Record], arm: str, measure: Measure) -> Estimate | None:
    """Return what an arm reaches by one measure, or None where it was not measured.

    Example:
        >>> ends = {"ci_low": 0.6, "ci_high": 0.8}
        >>> row = Record(arm="hpt", readout="knn", metric="accuracy", value=0.7, n=99, **ends)
        >>> found = estimate([row], "hpt", Measure("knn", "accuracy", ""))
        >>> found.value, found.low, found.high, found.n
        (0.7, 0.6, 0.8, 99)
    """
    return _combine([row for row in _headline(rows) if row.arm == arm and not row.versus and _measure(row) == measure])


def null_estimate(rows: Sequence[Record], measure: Measure) -> Estimate | None:
    """Return the majority class by one measure; whether or not its rows name the readout."""
    null = [
        row
        for row in _headline(rows)
        if row.arm == NULL_ARM and row.metric == measure.metric and row.eval_data == measure.eval_data
    ]
    same = [row for row in null if row.readout == measure.readout]
    return _combine(same or [row for row in null if row.readout == null[0].readout])


def difference(rows: Sequence[Record], arm: str, versus: str, measure: Measure) -> Estimate | None:
    """Return the paired difference ``arm`` minus ``versus``, from its rows or those of the opposite pair."""
    wanted = [
        row
        for row in _headline(rows)
        if row.metric == f"{measure.metric}_difference"
        and (row.readout, row.eval_data) == (measure.readout, measure.eval_data)
    ]
    straight = _combine([row for row in wanted if (row.arm, row.versus) == (arm, versus)])
    if straight is not None:
        return straight
    opposite = _combine([row for row in wanted if (row.arm, row.versus) == (versus, arm)])
    return None if opposite is None else opposite.reversed()
