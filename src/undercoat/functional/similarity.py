"""How alike two networks are: filters matched one to one, and centred kernel alignment of their maps."""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["Alignment", "Matching", "gram", "linear_cka", "linear_cka_of_grams", "matched_cosine", "unbiased_hsic"]

_LEAST_IMAGES = 5  # leaving one out has to leave the four that the estimator needs


class Matching(NamedTuple):
    """Filters of two networks, paired one to one so that their mean cosine is as large as it can be.

    Attributes:
        value: mean over the pairs, in 0..1 (in -1..1 when signs count).
        first: (P,) positions in the first network, rising; P is the smaller number of filters.
        second: (P,) their partners in the second network.
        cosine: (P,) of each pair.
    """

    value: float
    first: Tensor
    second: Tensor
    cosine: Tensor


def matched_cosine(first: Tensor, second: Tensor, *, signed: bool = False) -> Matching:
    """Pair the filters of two layers one to one, with the largest mean cosine (the Hungarian method, Kuhn 1955).

    A network's filters come in no order, so that comparing number 7 with number 7 means nothing. Scaling a filter
    changes nothing either. The number is only to be read beside that of random filters: with many filters there is
    always one that fits somewhat.

    Args:
        first: (F, …) filters, any number of further axes.
        second: (G, …) filters with as many numbers each.
        signed: count opposite filters as unlike; by default only the size of the cosine matters, because filters are
            often learned in pairs of opposite sign.

    Raises:
        ValueError: when filters of the two differ in size.

    Example:
        >>> edges = torch.eye(3)
        >>> matched_cosine(edges, -2 * edges.flip(0)).value
        1.0
    """
    rows, columns = first.flatten(1).double(), second.flatten(1).double()
    if rows.shape[1] != columns.shape[1]:
        raise ValueError(f"filters of {rows.shape[1]} and of {columns.shape[1]} numbers cannot be compared")
    cosine = normalize(rows, dim=1) @ normalize(columns, dim=1).T
    if not signed:
        cosine = cosine.abs()
    pairs = [torch.as_tensor(side) for side in linear_sum_assignment(cosine.cpu().numpy(), maximize=True)]
    found = cosine.cpu()[pairs[0], pairs[1]]
    return Matching(float(found.mean()), pairs[0], pairs[1], found)


def gram(features: Tensor) -> Tensor:
    """Inner products (N, N), float64, of features (N, …) after the mean over images has been taken away.

    Example:
        >>> gram(torch.tensor([[1.0], [3.0]])).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    rows = features.flatten(1).double()
    rows = rows - rows.mean(dim=0)
    return rows @ rows.T


class _Sums(NamedTuple):
    """What the estimator needs of a pair of Gram matrices without their diagonals."""

    product: Tensor
    first: Tensor
    second: Tensor
    crossed: Tensor

    def hsic(self, n: int) -> Tensor:
        """Song et al. 2012, eq. 5."""
        between = self.first * self.second / ((n - 1) * (n - 2)) - 2 * self.crossed / (n - 2)
        return (self.product + between) / (n * (n - 3))


def _sums(first: Tensor, second: Tensor) -> tuple[_Sums, _Sums]:
    """Sums over all images, and (N,) sums with each image left out in turn."""
    product, a, b = (first * second).sum(dim=1), first.sum(dim=1), second.sum(dim=1)
    whole = _Sums(product.sum(), a.sum(), b.sum(), a @ b)
    without = _Sums(
        whole.product - 2 * product,
        whole.first - 2 * a,
        whole.second - 2 * b,
        whole.crossed - a * b - first @ b - second @ a + product,
    )
    return whole, without


def unbiased_hsic(first: Tensor, second: Tensor) -> float:
    """Hilbert–Schmidt independence criterion of two Gram matrices, whose mean is 0 for independent features.

    The usual estimator is biased: with more features than images it calls unrelated networks alike. This one sums over
    different images only, and may come out negative.

    Args:
        first: (N, N) Gram matrix, N ≥ 4; its diagonal is not looked at.
        second: (N, N) of the same images in the same order.

    Raises:
        ValueError: for fewer than 4 images.

    Example:
        >>> values = gram(torch.arange(6.0)[:, None])
        >>> unbiased_hsic(values, values) > 0
        True

    Reference: Song et al. 2012, eq. 5; used for networks by Nguyen, Raghu & Kornblith 2021, eq. 3.
    """
    if len(first) < 4:
        raise ValueError(f"the unbiased estimator needs 4 images, not {len(first)}")
    return float(_sums(*(_hollow(matrix) for matrix in (first, second)))[0].hsic(len(first)))


def _hollow(matrix: Tensor) -> Tensor:
    return matrix - torch.diag(matrix.diagonal())


class Alignment(NamedTuple):
    """Centred kernel alignment and what each image does to it.

    Attributes:
        value: 1 for the same features up to turning and one scale, about 0 for unrelated ones; may be negative.
        pseudo_values: (N,) jackknife pseudo-values, whose mean is the value with its bias of order 1/N removed. Drawing
            them again gives an interval; drawing *images* again would not, for an image that is drawn twice
            looks like two images that agree perfectly.
    """

    value: float
    pseudo_values: Tensor


def linear_cka_of_grams(first: Tensor, second: Tensor) -> Alignment:
    """Linear CKA from two Gram matrices (N, N) of the same N ≥ 5 images, by the unbiased estimator.

    NaN when the features of one side are the same for all images.

    Raises:
        ValueError: for fewer than 5 images.

    Reference: Kornblith et al. 2019, eq. 2, with Nguyen et al. 2021, eq. 3; Efron & Tibshirani 1993, eq. 11.
    """
    n = len(first)
    if n < _LEAST_IMAGES:
        raise ValueError(f"alignment needs {_LEAST_IMAGES} images, not {n}")
    one, other = _hollow(first), _hollow(second)
    found = [_sums(one, other), _sums(one, one), _sums(other, other)]
    value = _ratio(*(whole.hsic(n) for whole, _ in found))
    without = _ratio(*(left.hsic(n - 1) for _, left in found))
    return Alignment(float(value), n * value - (n - 1) * without)


def _ratio(across: Tensor, first: Tensor, second: Tensor) -> Tensor:
    spread = first.clamp(min=0) * second.clamp(min=0)
    return torch.where(spread > 0, across / spread.clamp(min=torch.finfo(spread.dtype).tiny).sqrt(), torch.nan)


def linear_cka(first: Tensor, second: Tensor) -> float:
    """Linear CKA of features (N, …) and (N, …) of the same images; their widths may differ.

    Example:
        >>> features = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
        >>> turn = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        >>> round(linear_cka(features, 5 * features @ turn + 2), 6)
        1.0
    """
    return linear_cka_of_grams(gram(first), gram(second)).value
