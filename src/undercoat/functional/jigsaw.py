"""The orders that the tiles of a jigsaw puzzle are laid in (Noroozi & Favaro 2016)."""

from __future__ import annotations

from functools import cache, lru_cache
from math import factorial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undercoat.errors import SpecError
from undercoat.functional.draws import permutation

__all__ = ["TILES", "HammingDistances", "hamming_distances", "load_permutations", "permutation_set"]

TILES = 9


class HammingDistances(NamedTuple):
    """Between all pairs of a permutation set, in tiles that lie elsewhere: 2 … 9; 0 for a set of one.

    Attributes:
        mean: the larger, the less alike two orders are on average.
        minimum: of the two orders that are most alike: 2 when they differ by one swap.
    """

    mean: float
    minimum: int


@cache
def _all_orders() -> NDArray[np.int8]:
    """(9, 9!): every order of nine tiles as a column, in lexicographic order."""
    orders = np.zeros((1, 1), np.int8)
    for size in range(2, TILES + 1):
        first = np.repeat(np.arange(size, dtype=np.int8), orders.shape[1])
        rest = np.tile(orders, (1, size))
        orders = np.vstack([first, rest + (rest >= first)])
    orders.flags.writeable = False
    return orders


@lru_cache(maxsize=8)
def permutation_set(count: int, seed: int = 0, choose: str = "mean") -> NDArray[np.int64]:
    """Choose orders that are unlike each other, greedily out of all 9! = 362,880.

    The first is random; each further one has the largest distance to those chosen so far, where the distance of
    two orders is the number of tiles that lie elsewhere (Hamming) and ties are broken at random. It takes about
    2 ms an order.

    Args:
        count: orders wanted, 1 … 9!.
        seed: of the first order and of ties.
        choose: ``mean`` maximises the mean distance to those chosen, ``minimum`` the distance to the nearest.

    Returns:
        (count, 9) int64, read-only: ``row[k]`` is the cell that the tile at place k comes from.

    Raises:
        SpecError: for a count or a way to choose that does not exist.

    Example:
        >>> permutation_set(3, seed=0).shape
        (3, 9)
        >>> hamming_distances(permutation_set(9, seed=0))  # no two orders agree on any tile
        HammingDistances(mean=9.0, minimum=9)

    Reference: Noroozi & Favaro 2016, algorithm 1.
    """
    if not 1 <= count <= factorial(TILES):
        raise SpecError(f"{count:,} permutations cannot be had of 9 tiles; give 1 to {factorial(TILES):,}")
    if choose not in ("mean", "minimum"):
        raise SpecError(f"choose: {choose!r} is no way to choose permutations; give mean or minimum")
    orders = _all_orders()[:, permutation(factorial(TILES), seed=seed, epoch=0, purpose="permutation set")]
    chosen = np.zeros(count, np.int64)
    score = np.zeros(orders.shape[1], np.int32)
    for number in range(1, count):
        last = chosen[number - 1]
        distance = np.zeros(orders.shape[1], np.int8)
        for tiles, tile in zip(orders, orders[:, last], strict=True):
            distance += tiles != tile
        if choose == "mean":
            score += distance
        else:
            score = np.minimum(score, distance) if number > 1 else distance.astype(np.int32)
        score[last] = np.iinfo(np.int32).min // 2  # never again
        chosen[number] = np.argmax(score)
    found = orders[:, chosen].T.astype(np.int64)
    found.flags.writeable = False
    return found


def hamming_distances(permutations: NDArray[np.integer]) -> HammingDistances:
    """Return the mean and the smallest distance between any two of (P, 9) permutations.

    Example:
        >>> hamming_distances(np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8], [1, 0, 2, 3, 4, 5, 6, 7, 8]]))
        HammingDistances(mean=2.0, minimum=2)
    """
    total, least = 0, TILES
    for row in range(1, len(permutations)):
        distance = (permutations[:row] != permutations[row]).sum(axis=1)
        total, least = total + int(distance.sum()), min(least, int(distance.min()))
    pairs = len(permutations) * (len(permutations) - 1) // 2
    return HammingDistances(total / pairs, least) if pairs else HammingDistances(0.0, 0)


def load_permutations(path: Path | str) -> NDArray[np.int64]:
    """Read a published permutation set.

    Args:
        path: a ``.npy`` file of (P, 9) integers that count cells from 0 or from 1.

    Returns:
        (P, 9) int64 that count from 0.

    Raises:
        SpecError: when the file cannot be read, or a row is no order of nine tiles or stands there twice.
    """
    try:
        read = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SpecError(
            f"{path} cannot be read as a NumPy array ({error}); give a .npy file of P × 9 integers"
        ) from None
    if not isinstance(read, np.ndarray) or read.ndim != 2 or read.shape[1] != TILES or read.dtype.kind not in "iu":
        what = f"{read.dtype} of shape {read.shape}" if isinstance(read, np.ndarray) else "several arrays"
        raise SpecError(f"{path} holds {what}, not a permutation set; give a .npy file of P × 9 integers")
    found = read.astype(np.int64) - (1 if read.size and read.min() == 1 else 0)
    wrong = np.flatnonzero((np.sort(found, axis=1) != np.arange(TILES)).any(axis=1))
    if len(wrong):
        raise SpecError(f"row {wrong[0]} of {path} is {read[wrong[0]].tolist()}, no order of 9 tiles; correct the file")
    if len(found) < 2 or len(np.unique(found, axis=0)) < len(found):
        raise SpecError(f"{path} holds {len(found)} permutations, too few or some of them twice; give different ones")
    return found
