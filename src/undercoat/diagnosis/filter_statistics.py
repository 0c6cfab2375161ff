"""First-layer filters in numbers: edges, colour, repetition; each beside what filters of pure chance give."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from undercoat.diagnosis.findings import Finding, by_chance
from undercoat.diagnosis.first_layer import FirstLayer

__all__ = ["coherence", "colour_share", "filter_statistics", "redundancy", "roughness"]

_MANY = 4096
"""Random filters that say what chance gives."""
_CHANCE = 0.05
"""Share of random filters that count as oriented, and as smooth."""
_APART = 1_000_000
"""The draw that these are, which no null uses."""
_DEAD = 0.01
"""A filter below this share of the layer's strongest does nothing that could be seen."""


def _slopes(filters: Tensor) -> tuple[Tensor, Tensor]:
    """Differences across and down at the (k - 1)² places between four neighbours; nothing is assumed outside."""
    top, bottom = filters[..., :-1, :], filters[..., 1:, :]
    across = (top[..., 1:] - top[..., :-1] + bottom[..., 1:] - bottom[..., :-1]) / 2
    down = (bottom[..., :-1] - top[..., :-1] + bottom[..., 1:] - top[..., 1:]) / 2
    return across, down


def coherence(filters: Tensor) -> Tensor:
    """How far a filter's slopes share one direction: (F,) in 0..1, 1 for an edge or a grating, 0 for a round spot.

    (λ₁ - λ₂) / (λ₁ + λ₂) of the structure tensor, the sum of products of slopes over places and channels (Di Zenzo
    1986; Bigün & Granlund 1987). A filter without any slope has 0.

    Args:
        filters: (F, C, k, k), k ≥ 2.

    Example:
        >>> edge = torch.tensor([[-1.0, 0.0, 1.0]]).expand(1, 1, 3, 3)
        >>> coherence(edge).tolist()
        [1.0]
    """
    across, down = _slopes(filters.double())
    xx, yy, xy = (
        (one * other).flatten(1).sum(dim=1) for one, other in ((across, across), (down, down), (across, down))
    )
    total = xx + yy
    difference = ((xx - yy) ** 2 + 4 * xy**2).sqrt()
    return torch.where(total > 0, difference / total.clamp(min=torch.finfo(total.dtype).tiny), 0.0)


def roughness(filters: Tensor) -> Tensor:
    """Squared slopes against squared deviations from the mean: (F,) ≥ 0, small for smooth filters, 2 for large noise.

    Example:
        >>> ramp = torch.arange(5.0).expand(1, 1, 5, 5)
        >>> round(roughness(ramp).item(), 3)
        0.5
    """
    exact = filters.double()
    slopes = sum((slope**2).mean(dim=(1, 2, 3)) for slope in _slopes(exact))
    spread = (exact - exact.mean(dim=(2, 3), keepdim=True)).square().mean(dim=(1, 2, 3))
    return torch.where(spread > 0, slopes / spread.clamp(min=torch.finfo(spread.dtype).tiny), 0.0)


def colour_share(filters: Tensor) -> Tensor:
    """Share of a filter's energy that grey images cannot reach: (F,) in 0..1; 2/3 by chance for three channels.

    Example:
        >>> colour_share(torch.tensor([1.0, 1.0, 1.0, 1.0, -1.0, 0.0]).view(2, 3, 1, 1)).tolist()
        [0.0, 1.0]
    """
    exact = filters.double()
    energy = exact.square().sum(dim=(1, 2, 3))
    colour = (exact - exact.mean(dim=1, keepdim=True)).square().sum(dim=(1, 2, 3))
    return torch.where(energy > 0, colour / energy.clamp(min=torch.finfo(energy.dtype).tiny), 0.0)


def redundancy(filters: Tensor) -> Tensor:
    """Each filter's largest |cosine| to another one of the same layer: (F,) in 0..1; 0 where it has no other.

    Example:
        >>> redundancy(torch.tensor([[1.0, 0.0], [-2.0, 0.0], [0.0, 1.0]])).tolist()
        [1.0, 1.0, 0.0]
    """
    rows = normalize(filters.flatten(1).double(), dim=1)
    cosine = (rows @ rows.T).abs().fill_diagonal_(0)
    return cosine.amax(dim=1)


class _Limits(NamedTuple):
    """Coherence above which, and roughness below which, one filter of chance in twenty lies."""

    coherence: float
    roughness: float


def _limits(layer: FirstLayer, seed: int) -> _Limits:
    chance = layer.by_chance(count=_MANY, draw=_APART, seed=seed)
    return _Limits(
        float(torch.quantile(coherence(chance), 1 - _CHANCE)),
        float(torch.quantile(roughness(chance), _CHANCE)),
    )


def _measures(layer: FirstLayer, seed: int) -> dict[str, Callable[[Tensor], float]]:
    measures: dict[str, Callable[[Tensor], Tensor]] = {"colour": colour_share, "redundancy": redundancy}
    if min(layer.filters.shape[2:]) < 2:
        return {name: _mean_of(measure) for name, measure in measures.items()}
    limits = _limits(layer, seed)

    def oriented(filters: Tensor) -> Tensor:
        return coherence(filters) > limits.coherence

    def smooth(filters: Tensor) -> Tensor:
        return roughness(filters) < limits.roughness

    sloped: dict[str, Callable[[Tensor], Tensor]] = {
        "oriented": oriented,
        "smooth": smooth,
        "edge-like": lambda filters: oriented(filters) & smooth(filters),
        "coherence": coherence,
    }
    return {name: _mean_of(measure) for name, measure in (sloped | measures).items()}


def _mean_of(measure: Callable[[Tensor], Tensor]) -> Callable[[Tensor], float]:
    return lambda filters: float(measure(filters).double().mean())


def filter_statistics(label: str, layer: FirstLayer, *, seed: int = 0, repeats: int = 20) -> list[Finding]:
    """Describe a layer's filters by six numbers, each beside its value for random filters of the same kind.

    ``oriented``: share of filters whose coherence is above that of 95 % of random filters of the shape, so that chance
    is 0.05 whatever the kernel's size. ``smooth``: share whose roughness is below that of 95 % of them. ``edge-like``:
    both. ``coherence``, ``colour`` (share of energy) and ``redundancy`` (largest |cosine| to another filter) are means.
    Filters fainter than 1 % of the strongest are left out, and counted as ``dead``.

    Args:
        label: of the network.
        layer: its filters; those of one pixel have no slopes, and nothing is said of these.
        seed: of the random filters.
        repeats: how many sets of random filters make the null's range.

    Returns:
        One finding a measure: n is the number of living filters.
    """
    filters = layer.filters
    size = filters.flatten(1).norm(dim=1)
    alive = filters[size > _DEAD * size.max()]
    rows = [Finding(label, "", "first", "dead", 1 - len(alive) / len(filters), n=len(filters))]
    if not len(alive):
        return rows
    chances = [layer.by_chance(count=len(alive), draw=draw, seed=seed) for draw in range(repeats)]
    for name, measure in _measures(layer, seed).items():
        null = [measure(chance) for chance in chances]
        rows.append(Finding(label, "", "first", name, measure(alive), **by_chance(null), n=len(alive)))
    return rows
