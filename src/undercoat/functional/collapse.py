"""How much of the feature space is in use: meters for a method whose features all become the same."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["alignment", "effective_rank", "feature_std", "uniformity"]


def feature_std(features: Tensor) -> Tensor:
    """Spread of unit-length features over the sphere: 0 when collapsed to a point, about 1 when even.

    The standard deviation of each coordinate of the normalised rows, averaged over coordinates, times √D.

    Args:
        features: (N, D) floating, any length, N ≥ 2.

    Returns:
        (), in 0..1; 1 = as even as on the whole sphere.

    Example:
        >>> round(feature_std(torch.cat([torch.eye(4), -torch.eye(4)])).item(), 4)  # balanced
        1.0
        >>> feature_std(torch.ones(8, 4)).item()
        0.0

    Reference: Chen & He 2021 (SimSiam), section 4.1.
    """
    rows = normalize(features.float(), dim=1)
    spread: Tensor = rows.std(dim=0, correction=0).mean() * rows.shape[1] ** 0.5
    return spread


def effective_rank(features: Tensor) -> Tensor:
    """How many directions the features use: exp of the entropy of their singular values (RankMe).

    Args:
        features: (N, D) floating; not centred, as in the paper.

    Returns:
        (), in 1..min(N, D); 1 = all rows on one line.

    Example:
        >>> round(effective_rank(torch.eye(6)).item(), 4)
        6.0

    Reference: Garrido et al. 2023, eq. 1 and 2.
    """
    values = torch.linalg.svdvals(features.float())
    share = values / values.sum().clamp_min(torch.finfo(values.dtype).tiny)
    rank: Tensor = torch.special.entr(share).sum().exp()
    return rank


def alignment(first: Tensor, second: Tensor, *, power: float = 2.0) -> Tensor:
    """Mean distance between the features of two views of an image, to a power: 0 when they agree.

    Args:
        first: (N, D) floating, any length.
        second: (N, D); row i is another view of the image of row i.
        power: > 0.

    Returns:
        (), in 0..2**power; 2 in the mean for unrelated features and power 2.

    Example:
        >>> round(alignment(torch.eye(3), torch.eye(3).roll(1, 0)).item(), 4)  # orthogonal
        2.0

    Reference: Wang & Isola 2020, eq. 6.
    """
    distance = (normalize(first.float(), dim=1) - normalize(second.float(), dim=1)).norm(dim=1)
    mean: Tensor = distance.pow(power).mean()
    return mean


def uniformity(features: Tensor, *, sharpness: float = 2.0) -> Tensor:
    """Log of the mean Gaussian potential between all pairs: 0 when collapsed, lower when spread.

    Args:
        features: (N, D) floating, any length, N ≥ 2; memory is quadratic in N.
        sharpness: > 0; the paper's t.

    Returns:
        (), at most 0; near -2·sharpness for even features of many dimensions.

    Example:
        >>> round(uniformity(torch.eye(5)).item(), 4)  # all distances² are 2
        -4.0

    Reference: Wang & Isola 2020, eq. 7.
    """
    rows = normalize(features.float(), dim=1)
    squared = torch.pdist(rows).pow(2)
    return torch.logsumexp(-sharpness * squared, dim=0) - torch.log(torch.tensor(float(len(squared))))
