"""Clustering of features (Caron et al. 2018): PCA with whitening, k-means without empty clusters, and agreement."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor
from torch.nn.functional import normalize

from undercoat.errors import DataError, SpecError

__all__ = ["fill_empty_clusters", "k_means", "normalised_mutual_information", "pca_whiten"]

_AXES_ROWS = 16_384  # rows that the principal axes are found from; variances are always those of all rows
_SPARE_AXES = 64  # axes beyond those asked for, which make the randomised search exact enough
_POWER_ITERATIONS = 4
_LEAST_VARIANCE = 1e-6  # of the largest; whitening would blow rounding errors up to signals below
_ROUNDING = 1e-12  # of the mean squared length: a variance that float32 makes of equal features


def pca_whiten(features: Tensor, dims: int, *, seed: int = 0) -> Tensor:
    """Turn features to their principal axes, give each axis variance 1, then each row length 1.

    The axes come from a randomised search (Halko, Martinsson & Tropp 2011) in at most 16,384 evenly spread rows;
    the whitening itself is exact over all rows.

    Args:
        features: (N, D), on the CPU.
        dims: axes to keep, ≥ 1; fewer are kept when the features do not vary in so many directions.
        seed: of the randomised search.

    Returns:
        (N, at most dims) float32, unit rows.

    Raises:
        DataError: for features that are not finite, or equal for all images.

    Example:
        >>> pca_whiten(torch.tensor([[1.0, 1.0], [3.0, 1.0], [1.0, 9.0], [3.0, 9.0]]), 2).abs()
        tensor([[0.7071, 0.7071],
                [0.7071, 0.7071],
                [0.7071, 0.7071],
                [0.7071, 0.7071]])
    """
    features = features.float()
    if not torch.isfinite(features).all():
        raise DataError("features to be clustered are not finite: the training has diverged; lower the learning rate")
    turned = features @ _principal_axes(features[:: -(-len(features) // _AXES_ROWS)], dims + _SPARE_AXES, seed=seed)
    turned = (turned - turned.mean(0)).double()
    variance, turn = torch.linalg.eigh(turned.T @ turned / len(turned))
    scale = float(features.square().sum(1).mean())
    kept = variance > max(_LEAST_VARIANCE * float(variance[-1]), _ROUNDING * scale)
    if not kept.any():
        raise DataError(
            f"the features of all {len(features):,} images are equal, so there is nothing to cluster: the backbone "
            "has collapsed; lower the learning rate, or start from other weights"
        )
    white = turned @ (turn[:, kept] / variance[kept].sqrt())[:, -dims:]
    return normalize(white.float(), dim=1)


def _principal_axes(rows: Tensor, count: int, *, seed: int) -> Tensor:
    """(D, at most count) orthonormal columns that span nearly the directions of largest variance."""
    count = min(count, *rows.shape)
    centred = rows - rows.mean(0)
    axes = torch.randn(rows.shape[1], count, generator=torch.Generator().manual_seed(seed))
    for _ in range(_POWER_ITERATIONS):
        axes = torch.linalg.qr(centred.T @ (centred @ axes))[0]
    return axes


def k_means(rows: Tensor, clusters: int, *, iterations: int = 20, seed: int = 0) -> Tensor:
    """Cut rows into ``clusters`` groups, none of them empty, by Lloyd's iterations from random rows.

    Args:
        rows: (N, D) float32, on the CPU; all are used.
        clusters: k, 1 … N.
        iterations: of assigning and averaging.
        seed: of the rows that the first centres are.

    Returns:
        (N,) int64, the cluster of each row in 0 … k − 1; the same for the same rows and seed.

    Raises:
        SpecError: for more clusters than rows, or when faiss is not installed.

    Example:
        >>> labels = k_means(torch.tensor([[0.0], [9.0], [0.1], [9.1]]), 2)
        >>> bool(labels[0] == labels[2] != labels[1] == labels[3])
        True
    """
    if not 1 <= clusters <= len(rows):
        raise SpecError(f"{len(rows):,} images cannot be cut into {clusters:,} clusters; ask for fewer clusters")
    points = np.ascontiguousarray(rows.numpy(), dtype=np.float32)
    # faiss would drop rows beyond 256 for each centre, and warn of fewer than 39
    limits = {"max_points_per_centroid": len(points), "min_points_per_centroid": 1}
    search = _faiss().Kmeans(points.shape[1], clusters, niter=iterations, seed=1 + seed % 2**30, **limits)
    search.train(points)
    _, nearest = search.index.search(points, 1)
    return fill_empty_clusters(rows, torch.from_numpy(nearest[:, 0].astype(np.int64)), clusters)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise SpecError("clustering needs faiss, which is not installed; run: pip install faiss-cpu") from error
    return faiss


def fill_empty_clusters(rows: Tensor, labels: Tensor, clusters: int) -> Tensor:
    """Give every empty cluster half of the one that is largest at that moment.

    The largest is cut at the median along the direction from its centre to its farthest row, so that both
    halves have rows even where all rows are equal.

    Args:
        rows: (N, D), N ≥ clusters.
        labels: (N,) int64 in 0 … clusters − 1; not changed.
        clusters: how many there shall be.

    Returns:
        (N,) int64 in which every cluster has a row.

    Example:
        >>> fill_empty_clusters(torch.tensor([[0.0], [1.0], [5.0], [6.0]]), torch.tensor([1, 1, 1, 1]), 2).tolist()
        [0, 0, 1, 1]
    """
    labels = labels.clone()
    sizes = torch.bincount(labels, minlength=clusters)
    for empty in (sizes == 0).nonzero().flatten().tolist():
        largest = int(sizes.argmax())
        members = (labels == largest).nonzero().flatten()
        around = rows[members] - rows[members].mean(0)
        farthest = around[around.square().sum(1).argmax()]
        order = (around @ farthest).argsort(stable=True)
        moved = members[order[(len(members) + 1) // 2 :]]
        labels[moved] = empty
        sizes[empty], sizes[largest] = len(moved), len(members) - len(moved)
    return labels


def normalised_mutual_information(first: Tensor, second: Tensor) -> float:
    """How much two assignments of the same images say about each other: 2 I(a; b) / (H(a) + H(b)).

    Args:
        first: (N,) integers; only which are equal matters.
        second: (N,) likewise.

    Returns:
        0 for unrelated assignments, or one that puts everything together; 1 for equal ones up to names.

    Example:
        >>> normalised_mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([7, 7, 3, 3]))
        1.0
    """
    return float(normalized_mutual_info_score(first.cpu().numpy(), second.cpu().numpy()))
