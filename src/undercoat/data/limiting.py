"""``?limit=5000``: a part of a data set that is small enough to try things on, chosen before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from undercoat.data.canvases import UNLABELLED
from undercoat.data.labelling import UNKNOWN_ROW
from undercoat.data.listing import ArrayRows, Encoded, Listing
from undercoat.functional.draws import permutation

__all__ = ["ChosenFiles", "limited"]


@dataclass(frozen=True)
class ChosenFiles:
    """Some of a source's files.

    Attributes:
        source: where all files lie.
        rows: (N,) positions there.
    """

    source: Encoded
    rows: NDArray[np.int64]

    def open(self, position: int) -> BinaryIO:
        """Open one file for reading."""
        return self.source.open(int(self.rows[position]))

    def read(self, position: int) -> bytes:
        """Read one file whole."""
        return self.source.read(int(self.rows[position]))


def limited(listing: Listing, limit: int, *, seed: int = 0) -> Listing:
    """Choose at most ``limit`` images of every split, each class with its share, in the set's own order.

    The images of a split stand in one fixed order of which the first ``limit`` are taken, so that a smaller choice
    is a part of every larger one. Image r of a class of n, counted from 0 in an order drawn with ``seed``, stands at
    (r + 1/2) / n; the classes' counts are then those of Sainte-Laguë's (Webster's) apportionment. An image
    with several labels counts for the rarest of them; images without a label count as one more class.

    Args:
        listing: a whole set; images in no split are treated as one split.
        limit: images of a split, at least 1; a smaller split is kept whole.
        seed: of the order.

    Example:
        >>> from undercoat.data import list_data
        >>> small = limited(list_data("sample:twemoji"), 90)
        >>> len(small), [int((small.splits == name).sum()) for name in ("train", "test")]
        (180, [90, 90])
    """
    drawn = permutation(len(listing), seed=seed, epoch=0, purpose="limit")
    stratum = _strata(listing)
    kept, whole = [], {}
    for split in np.unique(listing.splits):
        rows = drawn[listing.splits[drawn] == split]
        whole[str(split)] = len(rows)
        kept.append(rows[np.argsort(_places(stratum[rows]), kind="stable")][:limit])
    rows = np.sort(np.concatenate(kept))
    if len(rows) == len(listing):
        return listing
    counts = ", ".join(f"{count:,}{f' in {split}' if split else ''}" for split, count in whole.items())
    return replace(
        listing,
        keys=listing.keys.take(rows),
        source=_chosen(listing.source, rows),
        stamp=f"{listing.stamp} limit {limit} {seed}",
        labels=None if listing.labels is None else listing.labels[rows],
        splits=listing.splits[rows],
        groups=listing.groups[rows],
        masks=None if listing.masks is None else listing.masks.take(rows),
        notes=(*listing.notes, f"limited to {limit:,} images a split (there are {counts})"),
    )


def _strata(listing: Listing) -> NDArray[np.int64]:
    """(N,) the class that each image counts for."""
    labels = listing.labels
    if labels is None:
        return np.zeros(len(listing), np.int64)
    if labels.ndim == 1:
        return labels.astype(np.int64)
    marked = (labels != 0) & (labels != UNKNOWN_ROW)
    rarity = np.where(marked, marked.sum(axis=0), len(labels) + 1)
    return np.where(marked.any(axis=1), rarity.argmin(axis=1), UNLABELLED)


def _places(stratum: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) where each image stands in its class, in 0..1; images come in the order in which they were drawn."""
    _, number, sizes = np.unique(stratum, return_inverse=True, return_counts=True)
    order = np.argsort(number, kind="stable")  # class by class, as drawn
    before = np.cumsum(sizes) - sizes
    rank = np.empty(len(stratum), np.int64)
    rank[order] = np.arange(len(stratum)) - before[number[order]]
    return np.asarray((rank + 0.5) / sizes[number], np.float64)


def _chosen(source: Encoded | ArrayRows, rows: NDArray[np.int64]) -> Encoded | ArrayRows:
    if not isinstance(source, ArrayRows):
        return ChosenFiles(source, rows)
    whole, wanted = source.stream, frozenset(rows.tolist())

    def stream() -> Iterator[NDArray[np.generic]]:
        return (row for position, row in enumerate(whole()) if position in wanted)

    return ArrayRows((len(rows), *source.shape[1:]), source.dtype, stream)
