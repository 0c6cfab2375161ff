"""Nearest neighbours by cosine, in pieces, so that memory does not grow with the number of images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["knn_vote", "nearest"]


def nearest(queries: Tensor, bank: Tensor, *, k: int, chunk: int = 4096) -> tuple[Tensor, Tensor]:
    """Find each query's most similar rows of a bank.

    Args:
        queries: (Q, D) floating; need not be of unit length.
        bank: (N, D) floating; need not be of unit length.
        k: how many neighbours; at most N are returned.
        chunk: how many queries and how many bank rows are compared at a time; at most chunk² similarities
            are in memory at once.

    Returns:
        Cosines (Q, min(k, N)) in -1..1, falling along the row, and the rows of ``bank`` they belong to.

    Example:
        >>> cosine, index = nearest(torch.tensor([[2.0, 0.0]]), torch.eye(2), k=1)
        >>> cosine.tolist(), index.tolist()
        ([[1.0]], [[0]])
    """
    found = [_nearest_of(part, bank, k, chunk) for part in torch.split(queries, chunk)]
    return torch.cat([cosine for cosine, _ in found]), torch.cat([index for _, index in found])


def _nearest_of(queries: Tensor, bank: Tensor, k: int, chunk: int) -> tuple[Tensor, Tensor]:
    queries = normalize(queries.float(), dim=1)
    best = queries.new_zeros(len(queries), 0)
    index = best.long()
    for start in range(0, len(bank), chunk):
        part = normalize(bank[start : start + chunk].float(), dim=1)
        best = torch.cat([best, queries @ part.T], dim=1)
        rows = torch.arange(start, start + len(part), device=queries.device)
        index = torch.cat([index, rows.expand(len(queries), -1)], dim=1)
        best, order = best.topk(min(k, best.shape[1]), dim=1)
        index = index.gather(1, order)
    return best, index


def knn_vote(
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: int = 20,
    temperature: float = 0.07,
    classes: int,
    chunk: int = 4096,
) -> Tensor:
    """Let the k most similar rows of a labelled bank vote, each with weight exp(cosine / temperature).

    The votes of one query are divided by their sum. That leaves the winner as it was, keeps exp() from
    overflowing at low temperatures, and makes votes of different queries comparable (which AUROC needs).

    Args:
        queries: (Q, D) floating.
        bank: (N, D) floating.
        labels: (N,) class numbers 0 … classes-1; or (N, classes) of 0 and 1 when an image can have several.
        k: how many neighbours vote; all N when there are fewer.
        temperature: > 0; smaller listens more to the very nearest.
        classes: how many classes there are.
        chunk: see :func:`nearest`.

    Returns:
        (Q, classes) in 0..1: the share of the votes for each class. Rows sum to 1 for single labels.

    Example:
        >>> bank, labels = torch.eye(2), torch.tensor([0, 1])
        >>> votes = knn_vote(torch.tensor([[1.0, 0.0]]), bank, labels, k=2, temperature=0.5, classes=2)
        >>> [round(share, 4) for share in votes[0].tolist()]  # 1 / (1 + exp(-1 / 0.5))
        [0.8808, 0.1192]

    Reference: Wu et al. 2018 (non-parametric instance discrimination), section 3.4.
    """
    cosine, index = nearest(queries, bank, k=k, chunk=chunk)
    weights = torch.softmax(cosine / temperature, dim=1)
    if labels.ndim == 2:
        return torch.einsum("qk,qkc->qc", weights, labels[index].to(weights.dtype)).clamp_(max=1)
    votes = weights.new_zeros(len(queries), classes)
    return votes.scatter_add_(1, labels[index].long(), weights).clamp_(max=1)  # 1 + rounding is no share
