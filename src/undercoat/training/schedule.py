"""Learning rate as a pure function of the step, so that resuming needs no scheduler state."""

from __future__ import annotations

import math

__all__ = ["learning_rate"]


def learning_rate(step: int, *, peak: float, steps: int, warmup_steps: int = 0, schedule: str = "cosine") -> float:
    """Return the learning rate of one step: linear warm-up, then cosine to zero (or constant).

    Args:
        step: 0 … steps − 1.
        peak: highest value.
        steps: the whole budget.
        warmup_steps: steps of linear rise, counted in the budget.
        schedule: ``cosine`` or ``constant``.

    Example:
        >>> [round(learning_rate(s, peak=1.0, steps=4, warmup_steps=2), 2) for s in range(4)]
        [0.5, 1.0, 1.0, 0.5]

    Reference: Loshchilov & Hutter 2017, eq. 5.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if schedule == "constant":
        return peak
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * 0.5 * (1.0 + math.cos(math.pi * progress))
