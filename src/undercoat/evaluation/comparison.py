"""Several evaluations at once: what an arm reaches over its seeds, and whether it beat another beyond the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undercoat.errors import RunError
from undercoat.evaluation.evaluation import Evaluation
from undercoat.evaluation.measures import measure_named
from undercoat.functional.intervals import crossed_bootstrap
from undercoat.records import Record

__all__ = ["POOLED", "compare", "pooled"]

POOLED = -1  # the seed of a row that speaks for several seeds

Pairs = list[tuple[Evaluation, Evaluation]]

_OF_ONE: dict[str, Any] = {"readout_args": "{}", "seconds": 0.0}
_OF_SEVERAL: dict[str, Any] = {**_OF_ONE, "seed": POOLED, "stage": "", "parent": ""}


def pooled(evaluations: Sequence[Evaluation], *, seed: int = 0, resamples: int = 2000) -> list[Record]:
    """Measure what one arm reaches over its training seeds, with an interval for the mean.

    Seeds and test images are both drawn again (see :func:`~undercoat.functional.intervals.crossed_bootstrap`), so
    the interval covers the luck of training as well as the choice of test images. An interval drawn from what
    was seen has no width where every answer of every seed was right, or wrong; only more images tell more.

    Args:
        evaluations: of one arm, one a seed.
        seed: of the resamples.
        resamples: how many.

    Returns:
        One row for each readout, layer and measure: ``value`` is the mean over seeds, ``seed`` is -1, ``interval`` says
        how many images and seeds it is made from. Nothing for a single evaluation, whose own rows have intervals.

    Raises:
        RunError: when the seeds answered different test images.
    """
    if len(evaluations) < 2:
        return []
    _same_images(evaluations)
    return [_mean(evaluations, row, seed=seed, resamples=resamples) for row in evaluations[0].rows]


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
        One row for each readout, layer and measure that both have, such as ``"accuracy_difference"``: ``value`` is
        first minus second, ``versus`` the second arm, and ``seed`` -1 when several seeds are pooled.

    Raises:
        RunError: when the arms answered different test images, or share no seed.
    """
    pairs = _paired(first, second)
    named = {_kind(row): row for row in pairs[0][0].rows}
    shared = {_kind(row) for row in pairs[0][1].rows}
    return [_difference(pairs, named[kind], seed=seed, resamples=resamples) for kind in named if kind in shared]


def _kind(row: Record) -> tuple[str, str, str]:
    return row.readout, row.layer, row.metric


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
    _same_images((*first, *second))
    return pairs


def _same_images(evaluations: Sequence[Evaluation]) -> None:
    first = evaluations[0]
    for one in evaluations[1:]:
        if one.rows[0].eval != first.rows[0].eval or not np.array_equal(one.keys, first.keys):
            both = f"{one.arm!r} and {first.arm!r}"
            if one.arm == first.arm:
                both = f"seeds {first.seed} and {one.seed} of {one.arm!r}"
            raise RunError(
                f"{both} were evaluated differently, so they cannot be paired; "
                "evaluate both with one protocol on the same test images"
            )


def _mean(evaluations: Sequence[Evaluation], row: Record, *, seed: int, resamples: int) -> Record:
    measure = measure_named(row.metric)
    sides = [measure.resampled(one.predictions_of(row)) for one in evaluations]

    def values(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.stack([side(drawn) for side in sides], axis=1)

    low, high = crossed_bootstrap(values, images=row.n, seeds=len(sides), seed=seed, resamples=resamples)
    return replace(
        row,
        value=float(values(np.ones((1, row.n), dtype=np.int64)).mean()),
        ci_low=max(low, 0.0),  # seeds that lie far apart stretch the interval, but no share leaves 0..1
        ci_high=min(high, 1.0),
        interval=f"bootstrap over {row.n} test images and {len(sides)} seeds, {resamples} resamples",
        **_OF_SEVERAL,
    )


def _difference(pairs: Pairs, row: Record, *, seed: int, resamples: int) -> Record:
    measure = measure_named(row.metric)
    sides = [[measure.resampled(evaluation.predictions_of(row)) for evaluation in pair] for pair in pairs]

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
        **(_OF_SEVERAL if len(pairs) > 1 else _OF_ONE),
    )
