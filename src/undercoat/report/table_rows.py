"""Every value and every paired difference of a study as plain rows, for tables and for further analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from undercoat.records import Record
from undercoat.report.arms import NULL_ARM, Arm
from undercoat.report.differences import Difference, adjusted, paired_differences
from undercoat.report.estimates import Estimate, Measure, estimate, measures, null_estimate
from undercoat.report.folder import Found, load
from undercoat.report.sweeps import axis_names

__all__ = ["TableRow", "judgings", "table_rows"]


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One line of the tables: a value of an arm, or a difference of two; fractions in 0..1.

    Attributes:
        kind: ``arm`` or ``difference``.
        arm: its name.
        family: the arm of the recipe that it is a point of.
        protocol: values of axes into the protocol, ``labels_limit=100``; empty with one protocol.
        coats: first to last, with `` > `` between.
        steps: optimiser steps.
        images_seen: repeats counted.
        readout: of the features.
        metric: of the scores.
        eval_data: that it was tested on.
        layer: empty for the features themselves.
        labels: labelled images that the readout was fitted on.
        versus: the arm that was subtracted.
        value: mean over seeds.
        std: over seeds, n - 1.
        ci_low: lower end of the 95 % interval.
        ci_high: upper end.
        n: test images.
        seeds: how many are in the mean; 0 for a number that was recorded for all seeds at once.
        planned: how many the study has for this arm; more than ``seeds`` = the arm is unfinished.
        p: of no difference, from the interval.
        p_holm: adjusted for all differences of the study.
    """

    kind: str
    arm: str
    family: str
    protocol: str
    coats: str
    steps: int | None
    images_seen: int | None
    readout: str
    metric: str
    eval_data: str
    layer: str
    labels: int | None
    versus: str
    value: float
    std: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    seeds: int
    planned: int
    p: float | None = None
    p_holm: float | None = None

    @property
    def unfinished(self) -> str:
        """How many seeds of how many, where some are missing."""
        return f"{self.seeds} of {self.planned}" if 0 < self.seeds < self.planned else ""

    @property
    def readout_name(self) -> str:
        """What people call the readout."""
        return Measure(self.readout, self.metric, self.eval_data, self.layer).name

    @classmethod
    def columns(cls) -> list[str]:
        """Names of the columns, in order."""
        return [one.name for one in fields(cls)]


def table_rows(folder: Path | str) -> list[TableRow]:
    """Every value and every paired difference of a study, by every protocol; arms first.

    Args:
        folder: of a study, unfinished ones too; or of a single run.

    Raises:
        RunError: when the folder holds nothing to report.

    Example:
        >>> import tempfile
        >>> from undercoat.records import append
        >>> folder = tempfile.mkdtemp()
        >>> _ = append(folder, [Record(arm="base", readout="knn", metric="accuracy", value=0.7, n=100)])
        >>> [(row.kind, row.arm, row.value, row.seeds) for row in table_rows(folder)]
        [('arm', 'base', 0.7, 1)]
    """
    found = load(Path(folder))
    judged = judgings(found)
    values = [row for protocol, rows in judged for row in _values(found, protocol, rows)]
    there = [(protocol, one) for protocol, rows in judged for one in paired_differences(rows, found.arms)]
    raised = adjusted([one for _, one in there])
    arms = {arm.name: arm for arm in found.arms}
    return values + [_compared(arms, protocol, one) for (protocol, _), one in zip(there, raised, strict=True)]


def judgings(found: Found) -> list[tuple[str, list[Record]]]:
    """The rows of each protocol, with the values that tell it from the others."""
    listed = found.study.get("protocols")
    entries = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    if len(entries) < 2:
        return [("", found.rows)]
    names = axis_names(found.study)
    there = []
    for entry in entries:
        labels = entry.get("labels") or entry.get("values") or {}
        name = ", ".join(f"{names.get(path, path.rpartition('.')[2])}={label}" for path, label in labels.items())
        there.append((name, [row for row in found.every_row if row.eval == entry.get("eval")]))
    return there


def _values(found: Found, protocol: str, rows: Sequence[Record]) -> list[TableRow]:
    there = []
    for arm in found.arms:
        own = [row for row in rows if row.arm == arm.name and not row.versus]
        for measure in measures(rows):
            value = estimate(own, arm.name, measure)
            if value is not None:
                there.append(_row("arm", arm, protocol, measure, value))
    nulls = [(measure, null_estimate(rows, measure)) for measure in measures(rows)]
    return there + [_row("arm", Arm(NULL_ARM), protocol, measure, null) for measure, null in nulls if null]


def _compared(arms: Mapping[str, Arm], protocol: str, one: Difference) -> TableRow:
    arm = arms.get(one.arm, Arm(one.arm))
    more = {"versus": one.versus, "p": one.p, "p_holm": one.p_holm}
    return _row("difference", arm, protocol, one.measure, one.found, **more)


def _row(kind: str, arm: Arm, protocol: str, measure: Measure, found: Estimate, **more: Any) -> TableRow:
    labels = {row.labels for row in found.seeds.values()}
    laid = kind == "arm" and arm.name != NULL_ARM
    about: dict[str, Any] = {
        "versus": "",
        "steps": found.steps if laid else None,
        "images_seen": found.images_seen if laid else None,
        "labels": (labels.pop() or None) if len(labels) == 1 else None,
    }
    return TableRow(
        kind=kind,
        arm=arm.name,
        family=arm.family or arm.name,
        protocol=protocol,
        coats=" > ".join(arm.coats),
        readout=measure.readout,
        metric=measure.metric,
        eval_data=measure.eval_data,
        layer=measure.layer,
        value=found.value,
        std=found.std,
        ci_low=found.low,
        ci_high=found.high,
        n=found.n,
        seeds=len(found.seeds),
        planned=arm.planned if kind == "arm" else 0,
        **about | more,
    )
