"""Numbers that a method gives of its own task (accuracy, agreement of clusters, …) beside what guessing would score."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from undercoat.report.charts import Axes, Reference
from undercoat.report.curves import Coat, coats_of, log_series
from undercoat.report.drawing import Drawing, curve_drawing
from undercoat.report.folder import Found, Stage
from undercoat.report.wording import listed

__all__ = ["Unlearned", "numbers_drawings", "unlearned", "unlearned_at"]

CHANCE = "_chance"
OURS = frozenset({
    "step", "images_seen", "loss", "lr", "images_per_second", "data_wait", "look_seconds", "knn", "knn_images",
    "feature_std", "effective_rank", "alignment", "uniformity",
})  # fmt: skip
WORDS = {"nmi": "agreement with the clusters before (NMI)"}
REMARKS = {
    "accuracy": "Of the method's own task on its training images. It says whether the task was learned, not whether "
    "the features are good.",
    "nmi": "1: the clusters are the same as the ones before; near 0: they have nothing to do with them. The first have "
    "none before them.",
}

JUDGED = "accuracy"  # other numbers may be at chance for good: a fair discriminator's is
LAST_SHARE = 0.1  # of the log lines: what a run "ended at"
NEAR = 0.1  # above chance by less than this share of it, or by less than three standard errors
SURE = 3.0


def numbers_drawings(found: Found) -> list[Drawing]:
    """One figure for each method and number, those with a chance level first."""
    methods: dict[str, list[Coat]] = {}
    for coat in coats_of(found):
        methods.setdefault(_method(coat), []).append(coat)
    drawn = [
        (bool(levels), one)
        for method, coats in methods.items()
        for key in _keys(coats)
        for levels in [_levels(coats, key)]
        if (one := _drawing(found, method, coats, key, levels))
    ]
    return [one for _, one in sorted(drawn, key=lambda pair: not pair[0])]


def _method(coat: Coat) -> str:
    return str(coat.stages[0][1].spec.get("method") or coat.name)


def _keys(coats: list[Coat]) -> list[str]:
    """Names of numbers that are in the logs and not the training loop's, in the order in which they came."""
    names = [name for coat in coats for _, stage in coat.stages for line in stage.log for name in line]
    there = dict.fromkeys(name for name in names if name not in OURS and not name.endswith(CHANCE))
    return [name for name in there if any(stage.series(name) for coat in coats for _, stage in coat.stages)]


def _levels(coats: list[Coat], key: str) -> list[float]:
    """What guessing would score: one level, or several where coats have tasks of different size."""
    ends = [stage.series(key + CHANCE)[-1:] for coat in coats for _, stage in coat.stages]
    return list(dict.fromkeys(level for end in ends for _, level in end))


def _drawing(found: Found, method: str, coats: list[Coat], key: str, levels: list[float]) -> Drawing | None:
    words = WORDS.get(key, key.replace("_", " "))
    series = log_series(found, key, words, coats)
    if not series:
        return None
    title = f"{method}: {words}"
    chances = [_apart(level, level)[1] for level in levels]
    references = [Reference(f"chance {said}", level) for said, level in zip(chances, levels, strict=True)]
    remark = f"Guessing scores {listed(chances)}. " if levels else ""
    remark = (remark + REMARKS.get(key, "")).strip()
    stem = re.sub(r"[^a-z0-9]+", "-", f"{method} {key}".lower()).strip("-")
    return curve_drawing(stem, title, series, Axes(x="step", y=words), references, remark)


@dataclass(frozen=True)
class Unlearned:
    """A coat whose method did not learn its own task.

    Attributes:
        coat: its name.
        value: the accuracy that it ended at, a mean over ``seeds``.
        chance: what guessing would score.
        seeds: that ended so; empty where all of several did, or there is one only.
    """

    coat: str
    value: float
    chance: float
    seeds: tuple[int, ...] = ()

    def __str__(self) -> str:
        """In a sentence."""
        which = f" with seed{'s' if len(self.seeds) > 1 else ''} {listed([str(seed) for seed in self.seeds])}"
        ended, chance = _apart(self.value, self.chance)
        return (
            f"{self.coat}'s accuracy ended at {ended}{which if self.seeds else ''}, chance is {chance}: "
            "it has not learned its task."
        )


def _apart(value: float, chance: float) -> tuple[str, str]:
    """Two decimals, or as many as chance needs for two digits of its own.

    Example:
        >>> _apart(0.2704, 0.25), _apart(0.0113, 1 / 81), _apart(0.0009, 0.001)
        (('0.27', '0.25'), ('0.011', '0.012'), ('0.0009', '0.0010'))
    """
    decimals = min(8, max(2, 1 - math.floor(math.log10(chance)))) if chance > 0 else 2
    return f"{value:.{decimals}f}", f"{chance:.{decimals}f}"


def unlearned_at(stage: Stage) -> tuple[float, float] | None:
    """Return the accuracy that a finished stage ended at and its chance, when the two cannot be told apart."""
    curve, levels = stage.series(JUDGED), stage.series(JUDGED + CHANCE)
    if stage.done is None or not curve or not levels:
        return None
    last = curve[-max(1, math.ceil(LAST_SHARE * len(curve))) :]
    value, chance = fmean(one for _, one in last), levels[-1][1]
    images = _images_until(stage, last[-1][0]) - _images_until(stage, curve[-len(last) - 1][0] if last != curve else 0)
    error = math.sqrt(max(0.0, chance * (1 - chance)) / max(1.0, images))
    return (value, chance) if value - chance <= max(NEAR * chance, SURE * error) else None


def _images_until(stage: Stage, step: int) -> float:
    return max((seen for at, seen in stage.series("images_seen") if at <= step), default=0.0)


def unlearned(found: Found) -> Iterator[Unlearned]:
    """Name every coat, once for all its seeds, that ended near chance on its own task."""
    for coat in coats_of(found):
        ends = {seed: end for seed, stage in coat.stages if (end := unlearned_at(stage))}
        if ends:
            value, chance = (fmean(column) for column in zip(*ends.values(), strict=True))
            yield Unlearned(coat.name, value, chance, tuple(ends) if len(ends) < len(coat.stages) else ())
