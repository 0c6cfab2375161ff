"""What happens at which step, as pure functions of it, so that resuming needs no scheduler state."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["learning_rate", "watch_points"]


def learning_rate(
    step: int,
    *,
    peak: float,
    steps: int,
    warmup_steps: int = 0,
    schedule: str = "cosine",
    milestones: Sequence[float] = (),
) -> float:
    """Return the learning rate of one step: linear warm-up, then cosine to zero, constant, or falling in steps.

    Args:
        step: 0 … steps − 1.
        peak: highest value.
        steps: the whole budget.
        warmup_steps: steps of linear rise, counted in the budget.
        schedule: ``cosine``, ``constant`` or ``step``.
        milestones: of ``step``: fractions of the budget, after each of which the rate is a tenth of what it was.

    Example:
        >>> [round(learning_rate(s, peak=1.0, steps=4, warmup_steps=2), 2) for s in range(4)]
        [0.5, 1.0, 1.0, 0.5]

    Reference: Loshchilov & Hutter 2017, eq. 5.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if schedule == "constant":
        return peak
    if schedule == "step":
        return peak * 0.1 ** sum(step >= milestone * steps for milestone in milestones)
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * 0.5 * (1.0 + math.cos(math.pi * progress))


def watch_points(steps: int, count: int) -> frozenset[int]:
    """Choose at most ``count`` steps, evenly spaced on a logarithmic axis, the first and last included.

    Example:
        >>> sorted(watch_points(100, 4))
        [1, 5, 22, 100]
    """
    if steps < 1 or count < 1:
        return frozenset()
    return frozenset(round(float(point)) for point in np.geomspace(1, steps, count))
