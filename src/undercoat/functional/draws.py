"""Random numbers as a function: every draw is f(seed, epoch, image index, purpose).

A counter-based generator has no state, so resuming needs none, and an image's views do not depend on its place
in the batch, on the number of processes or on the device. The mixer is the 64-bit finaliser of SplitMix64
(Steele, Lea & Flood 2014), applied once for each part of the key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draws", "full_batches", "key_of", "permutation"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers so that neighbouring inputs give unrelated outputs."""
    with np.errstate(over="ignore"):
        state = state + _GOLDEN
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def key_of(purpose: str) -> int:
    """Hash a purpose such as ``"view 0 crop"`` to a 64-bit integer that is the same on every machine."""
    return int.from_bytes(blake2b(purpose.encode(), digest_size=8).digest(), "little")


def _unsigned(value: int) -> np.uint64:
    return np.uint64(value & 0xFFFFFFFFFFFFFFFF)


@lru_cache(maxsize=256)
def _chain(seed: int, purpose: str) -> NDArray[np.uint64]:
    """The part of a key that all steps share; a run has one seed and a dozen purposes."""
    chain = _mix(_mix(np.array([_unsigned(seed)])) ^ _unsigned(key_of(purpose)))
    chain.flags.writeable = False
    return chain


@lru_cache(maxsize=64)
def _columns(count: int) -> NDArray[np.uint64]:
    columns = _mix(np.arange(count, dtype=np.uint64))[None, :]
    columns.flags.writeable = False
    return columns


@dataclass(frozen=True)
class Draws:
    """The source of all random numbers for one batch.

    Args:
        seed: the run's seed.
        epoch: (B,) how often each image has been seen before; int64.
        index: (B,) which image of the data set each row is; int64.

    Example:
        >>> draws = Draws(seed=0, epoch=np.array([0, 0]), index=np.array([5, 9]))
        >>> draws.uniform("crop", 3).shape
        (2, 3)
        >>> swapped = Draws(seed=0, epoch=np.array([0, 0]), index=np.array([9, 5]))
        >>> bool((draws.uniform("crop", 3) == swapped.uniform("crop", 3)[::-1]).all())
        True
    """

    seed: int
    epoch: NDArray[np.int64]
    index: NDArray[np.int64]

    def _bits(self, purpose: str, count: int) -> NDArray[np.uint64]:
        rows = _mix(_chain(self.seed, purpose) ^ self.epoch.astype(np.uint64))
        rows = _mix(rows ^ self.index.astype(np.uint64))
        return _mix(rows[:, None] ^ _columns(count))

    def uniform(self, purpose: str, count: int) -> NDArray[np.float64]:
        """Draw (B, count) numbers, uniform in [0, 1), for one purpose."""
        return (self._bits(purpose, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, purpose: str, count: int) -> NDArray[np.float64]:
        """Draw (B, count) standard normal numbers (Box & Muller 1958) for one purpose."""
        pair = self.uniform(purpose, 2 * count)
        radius = np.sqrt(-2.0 * np.log1p(-pair[:, :count]))
        return radius * np.cos(2.0 * np.pi * pair[:, count:])


def permutation(count: int, *, seed: int, epoch: int, purpose: str = "order") -> NDArray[np.int64]:
    """Shuffle 0 … count-1 as a function of (seed, epoch, purpose).

    Example:
        >>> sorted(permutation(5, seed=0, epoch=1).tolist())
        [0, 1, 2, 3, 4]
    """
    rows = _mix(_chain(seed, purpose) ^ _unsigned(epoch))
    keys = _mix(rows ^ np.arange(count, dtype=np.uint64))
    return np.argsort(keys, kind="stable").astype(np.int64)


def full_batches(
    images: int, *, steps: int, batch: int, seed: int, purpose: str
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(B,) positions and epochs of every step; passes follow each other without a gap, so nothing is left out.

    Args:
        images: N.
        steps: how many batches.
        batch: B.
        seed: of the orders.
        purpose: what they are for.
    """
    order = lru_cache(maxsize=2)(partial(permutation, images, seed=seed, purpose=purpose))
    for step in range(steps):
        epoch, place = np.divmod(np.arange(step * batch, (step + 1) * batch), images)
        orders = {e: order(epoch=e) for e in np.unique(epoch).tolist()}
        yield np.array([orders[e][p] for e, p in zip(epoch.tolist(), place.tolist(), strict=True)]), epoch
