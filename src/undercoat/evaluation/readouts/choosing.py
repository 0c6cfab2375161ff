"""Which candidate of a probe is best on the held-out images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from undercoat.errors import SpecError
from undercoat.evaluation.measures.ranking import area_under_curve

__all__ = ["best_of", "score"]


def score(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Score (N, G, C) logits: accuracy and cross-entropy, or mean AUROC and its loss; each (G,)."""
    columns = logits.unbind(dim=1)
    if labels.ndim == 1:
        scores = (logits.argmax(dim=2) == labels[:, None]).double().mean(dim=0)
        return scores, torch.stack([cross_entropy(column, labels) for column in columns])
    truth = labels.numpy().astype(bool)
    areas = [np.nanmean(area_under_curve(column.nan_to_num().numpy(), truth)) for column in columns]
    losses = [binary_cross_entropy_with_logits(column, labels.float()) for column in columns]
    return torch.tensor(areas, dtype=torch.float64), torch.stack(losses)


def best_of(scores: Tensor, losses: Tensor) -> int:
    """Highest score, then lowest loss, then first; what diverged is never chosen."""
    alive = torch.isfinite(losses) & torch.isfinite(scores)
    if not alive.any():
        raise SpecError("every learning rate of the linear probe diverged; give smaller lrs")
    order = zip(scores.tolist(), (-losses).tolist(), alive.tolist(), strict=True)
    ranked = [(score, gain) if fit else (-np.inf, -np.inf) for score, gain, fit in order]
    return ranked.index(max(ranked))
