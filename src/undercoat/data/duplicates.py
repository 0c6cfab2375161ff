"""Which images of a set are the same, or the same but for compression and size.

Exact twins have equal canvases and equal original sizes. Near twins have perceptual hashes (signs of the 8 × 8
lowest cosine coefficients against their median, Zauner 2010) that differ in at most ``NEAR_BITS`` bits, and
thumbnails that differ by at most ``NEAR_DIFFERENCE`` of their own contrast. The second test is what keeps two
round yellow faces, or two nearly blank pages, apart: their hashes agree, their thumbnails do not. Both bounds
were set on the bundled samples and copies of them that were halved in size or saved as JPEG of quality 40.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from undercoat.data.canvases import Canvases
from undercoat.data.facts import facts_of

__all__ = ["NEAR_BITS", "NEAR_DIFFERENCE", "Prints", "exact_clusters", "fingerprint", "near_clusters"]

NEAR_BITS = 6
NEAR_DIFFERENCE = 0.12
FLAT_CONTRAST = 0.01  # of the range 0..1
PAIR_LIMIT = 5_000_000  # candidates to compare before the search stops and says so
_THUMB_PX, _GRID_PX, _LOW = 16, 32, 8
_BATCH = 256


@dataclass(frozen=True)
class Prints:
    """Fingerprints of N images.

    Attributes:
        exact: (N, 16) uint8, hash of the canvas and the original's size.
        perceptual: (N,) uint64.
        thumbs: (N, 16, 16, c) uint8 with c ≤ 3.
        flat: (N,) bool, images of a single colour, for which a perceptual hash means nothing.
    """

    exact: NDArray[np.uint8]
    perceptual: NDArray[np.uint64]
    thumbs: NDArray[np.uint8]
    flat: NDArray[np.bool_]


def _area(size: int, cells: int) -> NDArray[np.float64]:
    """(cells, size) weights that average a row of pixels over equal cells."""
    edges = np.linspace(0, size, cells + 1)
    pixels = np.arange(size)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: NDArray[np.float64] = np.clip(covered, 0.0, None) * (cells / size)
    return weights


def fingerprint(canvases: Canvases) -> Prints:
    """Read every canvas once and take its fingerprints."""
    count, side = len(canvases), canvases.size_px
    shown = sorted({0, canvases.channels // 2, canvases.channels - 1})
    exact = np.zeros((count, 16), np.uint8)
    perceptual = np.zeros(count, np.uint64)
    thumbs = np.zeros((count, _THUMB_PX, _THUMB_PX, len(shown)), np.uint8)
    flat = np.zeros(count, bool)
    small = _area(side, _THUMB_PX)
    waves = dct(np.eye(_GRID_PX), axis=0, norm="ortho")[:_LOW] @ _area(side, _GRID_PX)
    facts, _ = facts_of(canvases)
    for start in range(0, count, _BATCH):
        index = np.arange(start, min(start + _BATCH, count))
        raw = canvases.batch(index)
        sizes = facts[canvases.rows[index]]
        for place, pixels, fact in zip(index, raw, sizes, strict=True):
            content = blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=16)
            content.update(f"{fact['width']}x{fact['height']}".encode())
            exact[place] = np.frombuffer(content.digest(), np.uint8)
        unit = (raw.astype(np.float32) - canvases.low) / (canvases.high - canvases.low)
        flat[index] = np.ptp(unit, axis=(1, 2)).max(axis=1) <= FLAT_CONTRAST
        perceptual[index] = _hashes(unit.mean(axis=3), waves)
        cells = np.einsum("is,nstc,jt->nijc", small, unit[..., shown], small, optimize=True)
        thumbs[index] = np.clip(np.rint(cells * 255.0), 0, 255)
    return Prints(exact, perceptual, thumbs, flat)


def _hashes(grey: NDArray[np.floating], waves: NDArray[np.float64]) -> NDArray[np.uint64]:
    low = (waves @ grey @ waves.T).reshape(len(grey), -1)
    signs = low > np.median(low[:, 1:], axis=1, keepdims=True)
    signs[:, 0] = False  # the mean brightness says nothing about the picture
    return np.packbits(signs, axis=1, bitorder="little").view("<u8")[:, 0].astype(np.uint64)


def exact_clusters(prints: Prints) -> NDArray[np.int64]:
    """(N,) the first image with the same canvas and size, which is the image itself when there is none."""
    keys = np.ascontiguousarray(prints.exact).view("V16")[:, 0]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def near_clusters(prints: Prints, exact: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
    """(N,) cluster numbers, and whether the search was complete; exact twins and near twins share a number."""
    count = len(exact)
    heads = np.flatnonzero((exact == np.arange(count)) & ~prints.flat)
    left, right = [np.arange(count)], [exact]
    looked_at = 0
    for first, second in _candidates(prints.perceptual[heads]):
        looked_at += len(first)
        a, b = heads[first], heads[second]
        close = _difference(prints.thumbs[a], prints.thumbs[b]) <= NEAR_DIFFERENCE
        left.append(a[close])
        right.append(b[close])
        if looked_at > PAIR_LIMIT:
            break
    a, b = np.concatenate(left), np.concatenate(right)
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64), looked_at <= PAIR_LIMIT


def _difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Root mean square difference of thumbnails over the mean of their contrasts."""
    one, two = a.astype(np.float32), b.astype(np.float32)
    axes = (1, 2, 3)
    distance = np.sqrt(((one - two) ** 2).mean(axis=axes))
    spread = np.sqrt(0.5 * (one.var(axis=(1, 2)).mean(axis=1) + two.var(axis=(1, 2)).mean(axis=1)))
    ratio: NDArray[np.float32] = distance / np.maximum(spread, 1.0)
    return ratio


def _candidates(hashes: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs within ``NEAR_BITS``.

    Cut into ``NEAR_BITS`` + 1 bands, two such hashes agree in at least one band, so only those that share a
    band are compared: all pairs are found, and few are tried.
    """
    edges = np.linspace(0, 64, NEAR_BITS + 2).astype(np.int64)
    masks = [np.uint64((1 << high) - (1 << low)) for low, high in pairwise(edges.tolist())]
    for number, mask in enumerate(masks):
        band = hashes & mask
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(band[order]) != 0, True])
        for start, stop in pairwise(starts.tolist()):
            yield from _within(hashes, order[start:stop], masks[:number])


def _within(
    hashes: NDArray[np.uint64], bucket: NDArray[np.int64], earlier: list[np.uint64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The near pairs of a bucket, without those that an earlier band has in common, too."""
    for start in range(0, len(bucket), _BATCH):
        rows = bucket[start : start + _BATCH]
        near = np.bitwise_count(hashes[rows, None] ^ hashes[None, bucket]) <= NEAR_BITS
        near &= np.arange(len(bucket))[None, :] > (start + np.arange(len(rows)))[:, None]
        first, second = np.nonzero(near)
        left, right = rows[first], bucket[second]
        fresh = np.ones(len(left), bool)
        for mask in earlier:
            fresh &= ((hashes[left] ^ hashes[right]) & mask) != 0
        if fresh.any():
            yield left[fresh], right[fresh]
