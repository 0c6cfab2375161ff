"""Whether training is going well, in numbers and in plain words."""

from __future__ import annotations

import torch
from torch import Tensor

from undercoat.errors import RunError
from undercoat.functional.collapse import alignment, effective_rank, feature_std, uniformity

__all__ = ["alarm", "check_finite", "collapse_meter"]


def collapse_meter(embeddings: Tensor) -> dict[str, float]:
    """Measure the embeddings (V, B, P) of one batch: spread, effective rank, alignment and uniformity."""
    first, last = embeddings[0].float(), embeddings[-1].float()
    return {
        "feature_std": float(feature_std(first)),
        "effective_rank": float(effective_rank(first)),
        "alignment": float(alignment(first, last)),
        "uniformity": float(uniformity(first)),
    }


def alarm(meter: dict[str, float], *, progress: float, most: int) -> str:
    """Say in words when the embeddings have collapsed, to a point or to a few dimensions; empty when all is well.

    A fresh head maps everything close together, so the first quarter of a run is let pass.

    Args:
        meter: of :func:`collapse_meter`.
        progress: share of the budget that is spent, 0..1.
        most: the highest effective rank there could be: the smaller of batch and embedding size.

    Example:
        >>> alarm({"feature_std": 0.01, "effective_rank": 1.1}, progress=0.5, most=128)[:37]
        'collapse: the embeddings of different'
        >>> alarm({"feature_std": 0.23, "effective_rank": 2.7}, progress=0.5, most=128)[:43]
        'collapse: the embeddings fill about 2.7 of '
    """
    spread, rank = meter["feature_std"], meter["effective_rank"]
    advice = "lower the learning rate, raise the temperature, or train longer"
    if progress < 0.25:
        return ""
    if spread < 0.1:
        return (
            f"collapse: the embeddings of different images are nearly equal (spread {spread:.2f} where 1 is even, "
            f"effective rank {rank:.1f} of {most}); {advice}"
        )
    if most >= 64 and rank < 0.04 * most:
        return f"collapse: the embeddings fill about {rank:.1f} of {most} dimensions (spread {spread:.2f}); {advice}"
    return ""


def check_finite(losses: list[Tensor], *, last_step: int) -> float:
    """Return the mean of the last losses.

    Raises:
        RunError: naming the first step whose loss is not a finite number.
    """
    values = torch.stack(losses).float().cpu()
    bad = torch.nonzero(~torch.isfinite(values))
    if len(bad):
        step = last_step - len(losses) + 1 + int(bad[0])
        raise RunError(
            f"the loss of step {step} is {values[bad[0]].item()}; the last checkpoint before it is kept: lower the "
            "learning rate, set clip_norm: 1.0, or use --precision fp32"
        )
    return float(values.mean())
