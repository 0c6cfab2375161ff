"""Noise-contrastive estimation as PIRL writes it: each candidate is a yes-or-no question."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["noise_contrastive"]

_LEAST_DOUBT = 1e-6


def noise_contrastive(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor,
    *,
    temperature: float,
    excluded: Tensor | None = None,
) -> Tensor:
    """Say yes to the positive and no to every negative.

    For each row, −log h(v⁺) − Σ_j log(1 − h(v⁻_j)), averaged, where h(v) = exp(q·v/τ) / Σ exp(q·v'/τ) with the sum
    over the positive and all negatives: one denominator for all candidates, so that the h of a row add up to 1.

    Args:
        query: (B, P), unit length; carries the gradient.
        positive: (B, P), unit length; row i is the positive of query i; never differentiated.
        negatives: (m, P), unit length; never differentiated.
        temperature: τ > 0 (0.07 in PIRL).
        excluded: (B, m) bool, true where a negative must not count for a query (it shows the same image).

    Returns:
        (), mean over B, in nats; log(1 + m) + m log(1 + 1/m) at chance.

    Example:
        >>> e = torch.eye(4)
        >>> round(noise_contrastive(e[:1], e[:1], e[1:], temperature=0.5).item(), 4)  # h = 0.711, 3 × 0.096
        0.6444

    Reference: Misra & van der Maaten 2020, eq. 4–5.
    """
    with torch.autocast(query.device.type, enabled=False):
        likeness = (query * positive.detach()).float().sum(dim=1, keepdim=True)
        others = query.float() @ negatives.detach().float().T
    if excluded is not None:
        others = others.masked_fill(excluded, -torch.inf)
    chosen = F.log_softmax(torch.cat([likeness, others], dim=1) / temperature, dim=1)
    refused = torch.log1p(-chosen[:, 1:].exp().clamp_max(1.0 - _LEAST_DOUBT))
    return -(chosen[:, 0] + refused.sum(dim=1)).mean()
