"""Contrastive losses as pure functions: tensors in, a number out, no collectives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["cosine_regression", "info_nce", "nt_xent"]


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


def nt_xent(
    views: Tensor,
    *,
    temperature: float,
    everyone: Tensor | None = None,
    offset: int = 0,
    excluded: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of picking, for each view, the other view of its image out of all views.

    For each view i with partner j, −log( exp(z_i·z_j/τ) / Σ_{k≠i} exp(z_i·z_k/τ) ), averaged: the sum runs over
    both views of every image, without the view itself.

    Args:
        views: (2, b, P), unit length; views 0 and 1 of the same b images. Both carry a gradient.
        temperature: τ > 0; smaller is sharper.
        everyone: (2, B, P), what to pick from when ``views`` are a part of it, as on one of several processes; its
            gradient counts too. None: ``views``.
        offset: image i of ``views`` is image ``offset + i`` of ``everyone``.
        excluded: (b, B) bool, true where an image must not count as a negative (it is the same image again). What
            it says of a view and its own partner is ignored.

    Returns:
        (), mean over the 2b views, in nats; log(2B − 1) at chance.

    Example:
        >>> e = torch.eye(4)
        >>> round(nt_xent(torch.stack([e, e]), temperature=0.5).item(), 4)  # log(1 + 6 / e**2)
        0.5944

    Reference: Chen, Kornblith, Norouzi & Hinton 2020 (SimCLR), eq. 1 and algorithm 1.
    """
    everyone = views if everyone is None else everyone
    own, total = views.shape[1], everyone.shape[1]
    place = torch.arange(offset, offset + own, device=views.device)
    itself = place[:, None] == torch.arange(total, device=views.device)
    again = torch.zeros_like(itself) if excluded is None else excluded & ~itself
    without = torch.cat([torch.cat([again | itself, again], dim=1), torch.cat([again, again | itself], dim=1)])
    with torch.autocast(views.device.type, enabled=False):
        logits = views.float().flatten(0, 1) @ everyone.float().flatten(0, 1).T / temperature
    return F.cross_entropy(logits.masked_fill(without, -torch.inf), torch.cat([place + total, place]))


def cosine_regression(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared distance between directions: ‖p/‖p‖ − t/‖t‖‖² = 2 − 2 cos(p, t), averaged.

    Args:
        prediction: (B, P), any length; carries the gradient.
        target: (B, P), any length; never differentiated.

    Returns:
        (), mean over B, in 0..4; 2 for unrelated directions.

    Example:
        >>> e = torch.eye(3)
        >>> [cosine_regression(e, t).item() for t in (5 * e, e.roll(1, 0), -e)]
        [0.0, 2.0, 4.0]

    Reference: Grill et al. 2020 (BYOL), eq. 2.
    """
    return 2.0 - 2.0 * F.cosine_similarity(prediction.float(), target.detach().float(), dim=1).mean()
