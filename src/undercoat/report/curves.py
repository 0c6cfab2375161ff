"""Curves over steps: k-NN, loss and collapse meter of each trained coat, with a band over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from undercoat.report.charts import Point, Series
from undercoat.report.folder import Found, Stage
from undercoat.report.wording import significant

__all__ = ["Coat", "coats_of", "knn_series", "log_series"]

MOST_POINTS = 120  # of one line; longer logs are averaged over neighbouring lines, and the tip says so

Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class Coat:
    """One trained coat of one arm (or of several that share it), over its seeds."""

    name: str
    style: int
    stages: tuple[tuple[int, Stage], ...]


def _name(found: Found, digests: Sequence[str], arm_index: int, trained: int) -> str:
    users = [arm.name for arm in found.arms if any(set(digests) & set(chain) for chain in arm.stages.values())]
    stage = found.stages[digests[0]]
    if len(users) > 1:
        return f"{stage.name} ({', '.join(users)})"
    name = found.arms[arm_index].name
    return name if trained == 1 else f"{name}: {stage.name}"


def coats_of(found: Found) -> list[Coat]:
    """List the trained coats in the order of the arms; a coat shared by arms or seeds comes once."""
    seen: set[str] = set()
    coats: list[Coat] = []
    for index, arm in enumerate(found.arms):
        chains = {
            seed: [digest for digest in chain if found.stages[digest].learns] for seed, chain in arm.stages.items()
        }
        depth = max((len(chain) for chain in chains.values()), default=0)
        for place in range(depth):
            here = {seed: chain[place] for seed, chain in sorted(chains.items()) if place < len(chain)}
            new = {seed: digest for seed, digest in here.items() if digest not in seen}
            if new:
                name = _name(found, list(new.values()), index, depth)
                coats.append(Coat(name, index, tuple((seed, found.stages[digest]) for seed, digest in new.items())))
            seen |= set(here.values())
    used = {digest for arm in found.arms for chain in arm.stages.values() for digest in chain}
    alone = [stage for digest, stage in found.stages.items() if digest not in used and stage.learns]
    coats += [Coat(stage.name, len(found.arms) + index, ((_seed(stage), stage),)) for index, stage in enumerate(alone)]
    return coats


def _seed(stage: Stage) -> int:
    seed = stage.spec.get("seed")
    return seed if isinstance(seed, int) else 0


def _thinned(curve: Curve) -> tuple[Curve, int]:
    """Average neighbouring points until there are few enough; returns how many went into each."""
    every = -(-len(curve) // MOST_POINTS)
    if every <= 1:
        return curve, 1
    parts = [curve[start : start + every] for start in range(0, len(curve), every)]
    return [(part[-1][0], fmean(value for _, value in part)) for part in parts], every


def _series(coat: Coat, curves: dict[int, Curve], what: str, n: dict[int, int]) -> Series:
    thinned = {seed: _thinned(sorted(dict(curve).items())) for seed, curve in curves.items() if curve}
    every = max((count for _, count in thinned.values()), default=1)
    at: dict[int, dict[int, float]] = {}
    for seed, (curve, _) in thinned.items():
        for step, value in curve:
            at.setdefault(step, {})[seed] = value
    points = []
    for step, values in sorted(at.items()):
        if len(values) < len(thinned):
            continue  # a mean over other seeds than next door would draw steps that nobody measured
        mean, low, high = fmean(values.values()), min(values.values()), max(values.values())
        tip = f"{coat.name}, step {step:,}: {what} {significant(mean)}"
        tip += f", seed {next(iter(values))}" if len(values) == 1 else f", mean of {len(values)} seeds"
        tip += f" ({significant(low)} … {significant(high)})" if len(values) > 1 else ""
        tip += f", n = {n[step]:,}" if n.get(step) else ""
        tip += f", mean of {every} log lines" if every > 1 else ""
        points.append(Point(step, mean, low, high, tip))
    return Series(coat.name, coat.style, tuple(points))


def log_series(found: Found, key: str, what: str, coats: Sequence[Coat] | None = None) -> list[Series]:
    """One line per coat, of all or of some, from a column of the logs; coats without it are left out."""
    series = [
        _series(coat, {seed: stage.series(key) for seed, stage in coat.stages}, what, {})
        for coat in (coats_of(found) if coats is None else coats)
    ]
    return [one for one in series if one.points]


def knn_series(found: Found) -> list[Series]:
    """One line per coat of the k-NN accuracy during training: monitor rows, else the log's own column."""
    series = []
    for coat in coats_of(found):
        curves: dict[int, Curve] = {}
        n: dict[int, int] = {}
        for seed, stage in coat.stages:
            rows = [
                row
                for row in found.rows
                if row.readout == "knn" and row.split == "monitor" and row.stage == stage.digest
            ]
            curves[seed] = [(row.steps, row.value) for row in rows] or stage.series("knn")
            n |= {row.steps: row.n for row in rows} or {s: int(v) for s, v in stage.series("knn_images")}
        series.append(_series(coat, curves, "k-NN accuracy", n))
    return [one for one in series if one.points]
