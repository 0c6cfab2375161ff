"""Contrastive losses as pure functions: tensors in, a number out, no collectives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["info_nce"]


def info_nce(
    query: Tensor,
    key: Tensor,
    negatives: Tensor,
    *,
    temperature: float,
    excluded: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of picking each query's own key out of the negatives.

    For each row, −log( exp(q·k⁺/τ) / (exp(q·k⁺/τ) + Σ_j exp(q·k⁻_j/τ)) ), averaged.

    Args:
        query: (B, P), unit length; carries the gradient.
        key: (B, P), unit length; row i is the positive of query i.
        negatives: (K, P), unit length; never differentiated.
        temperature: τ > 0; smaller is sharper (0.07 in MoCo v1, 0.2 in v2).
        excluded: (B, K) bool, true where a negative must not count for a query (it shows the same image).

    Returns:
        (), mean over B, in nats; log(1 + K) at chance.

    Example:
        >>> e = torch.eye(4)
        >>> round(info_nce(e[:1], e[:1], e[1:], temperature=0.5).item(), 4)  # log(1 + 3 / e**2)
        0.3408

    Reference: van den Oord et al. 2018, eq. 4; He et al. 2020, eq. 1.
    """
    positive = (query * key.detach()).sum(dim=1, keepdim=True)
    others = query @ negatives.detach().T
    if excluded is not None:
        others = others.masked_fill(excluded, -torch.inf)
    logits = torch.cat([positive, others], dim=1).float() / temperature
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
