"""Any part of a shuffle without the whole of it: which image stands at a place of a random order."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from undercoat.functional.draws import key_of, permutation

__all__ = ["STATELESS_ABOVE", "shuffled"]

STATELESS_ABOVE = 1 << 20
"""Sets up to this size are sorted by random keys, larger ones are never held as a whole."""
_ROUNDS = 8

Bits = NDArray[np.uint64]


def shuffled(
    place: NDArray[np.int64], count: int, *, seed: int, epoch: int, purpose: str = "order"
) -> NDArray[np.int64]:
    """Return what stands at some places of a random order of 0 … count-1.

    Up to :data:`STATELESS_ABOVE` it is :func:`undercoat.functional.draws.permutation`; above, an order of the same
    kind without its memory: a Feistel network (Luby & Rackoff 1988) on the next even number of bits, walked along its
    cycles until it is below ``count`` (Black & Rogaway 2002), which keeps it a permutation.

    Args:
        place: (B,) of 0 … count-1.
        count: N.
        seed: of the order.
        epoch: number of the order.
        purpose: keeps orders for different ends apart.

    Returns:
        (B,) int64 of 0 … count-1.

    Example:
        >>> sorted(shuffled(np.arange(5), 5, seed=0, epoch=1).tolist())
        [0, 1, 2, 3, 4]
    """
    place = np.asarray(place, np.int64)
    if count <= STATELESS_ABOVE:
        return _whole(count, seed, epoch, purpose)[place]
    keys = _keys(seed, epoch, purpose)
    half = np.uint64((int(count - 1).bit_length() + 1) // 2)
    value = _network(place.astype(np.uint64), keys, half)
    outside = np.flatnonzero(value >= count)
    while len(outside):
        value[outside] = _network(value[outside], keys, half)
        outside = outside[value[outside] >= count]
    return value.astype(np.int64)


@lru_cache(maxsize=4)
def _whole(count: int, seed: int, epoch: int, purpose: str) -> NDArray[np.int64]:
    return permutation(count, seed=seed, epoch=epoch, purpose=purpose)


def _keys(seed: int, epoch: int, purpose: str) -> Bits:
    """One key a round."""
    return np.array([key_of(f"{purpose} {seed} {epoch} {number}") for number in range(_ROUNDS)], np.uint64)


def _network(value: Bits, keys: Bits, half: np.uint64) -> Bits:
    """A permutation of the numbers of 2 · ``half`` bits."""
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = value >> half, value & mask
    for key in keys:
        left, right = right, left ^ (_scrambled(right ^ key) & mask)
    return (left << half) | right


def _scrambled(value: Bits) -> Bits:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
