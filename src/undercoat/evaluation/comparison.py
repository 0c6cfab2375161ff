"""Paired differences: did this arm beat that one on the same test images, beyond the noise?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from undercoat.errors import RunError
from undercoat.evaluation.evaluation import Evaluation
from undercoat.evaluation.measures import measure_named
from undercoat.functional.intervals import crossed_bootstrap
from undercoat.records import Record

__all__ = ["POOLED", "compare"]

POOLED = -1  # the seed of a row that speaks for several seeds

Pairs = list[tuple[Evaluation, Evaluation]]


def compare(
    first: Sequence[Evaluation], second: Sequence[Evaluation], *, seed: int = 0, resamples: int = 2000
) -> list[Record]:
    """Measure by how much one arm is better than another, with an interval for the difference itself.

    Both arms answered the same test images, so what makes an image hard cancels: images are drawn again in
    pairs. With several training seeds, arms are paired by seed and seeds are drawn again as well (see
    :func:`~undercoat.functional.intervals.crossed_bootstrap`). An arm with one evaluation, such as a base
    that is not trained, is paired with every seed of the other.

    Args:
        first: evaluations of one arm, one a seed.
        second: evaluations of the arm that is subtracted.
        seed: of the resamples.
        resamples: how many.

    Returns:
        One row for each readout and measure that both have, such as ``"accuracy_difference"``: ``value`` is
        first minus second, ``versus`` the second arm, and ``seed`` -1 when several seeds are pooled.

    Raises:
        RunError: when the arms answered different test images, or share no seed.
    """
    pairs = _paired(first, second)
    named = {(row.readout, row.metric): row for row in pairs[0][0].rows}
    shared = {(row.readout, row.metric) for row in pairs[0][1].rows}
    return [_difference(pairs, named[kind], seed=seed, resamples=resamples) for kind in named if kind in shared]


def _paired(first: Sequence[Evaluation], second: Sequence[Evaluation]) -> Pairs:
    if not first or not second:
        raise RunError("an arm has no finished evaluation, so there is nothing to compare; evaluate both arms first")
    if len(second) == 1:
        pairs = [(one, second[0]) for one in first]
    elif len(first) == 1:
        pairs = [(first[0], other) for other in second]
    else:
        others = {other.seed: other for other in second}
        pairs = [(one, others[one.seed]) for one in first if one.seed in others]
    if not pairs:
        raise RunError(f"{first[0].arm!r} and {second[0].arm!r} have no seed in common; run both with the same seeds")
    for one in (*first, *second):
        if one.rows[0].eval != first[0].rows[0].eval or not np.array_equal(one.keys, first[0].keys):
            raise RunError(
                f"{one.arm!r} and {first[0].arm!r} were evaluated differently, so they cannot be paired; "
                "evaluate both with one protocol on the same test images"
            )
    return pairs


def _difference(pairs: Pairs, row: Record, *, seed: int, resamples: int) -> Record:
    measure = measure_named(row.metric)
    sides = [[measure.resampled(evaluation.predictions[row.readout]) for evaluation in pair] for pair in pairs]

    def differences(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.stack([one(drawn) - other(drawn) for one, other in sides], axis=1)

    low, high = crossed_bootstrap(differences, images=row.n, seeds=len(pairs), seed=seed, resamples=resamples)
    over = f"{row.n} test images" + (f" and {len(pairs)} seeds" if len(pairs) > 1 else "")
    return replace(
        row,
        metric=f"{row.metric}_difference",
        value=float(differences(np.ones((1, row.n), dtype=np.int64)).mean()),
        ci_low=low,
        ci_high=high,
        interval=f"paired bootstrap over {over}, {resamples} resamples",
        versus=pairs[0][1].arm,
        stage=row.stage if len(pairs) == 1 else "",
        parent=row.parent if len(pairs) == 1 else "",
        seed=row.seed if len(pairs) == 1 else POOLED,
        readout_args="{}",
        seconds=0.0,
    )
