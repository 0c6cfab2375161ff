"""Splits that a publisher has not named, drawn once and for all and called Undercoat's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from undercoat.data.listing import Labels, Listing
from undercoat.data.splits import split_rows

__all__ = ["with_drawn_splits"]

_SEED = 0  # fixed, so that everybody's split of a set is the same


@dataclass(frozen=True)
class _Rows:
    """Some rows of a listing, with what a split heeds."""

    classes: tuple[str, ...]
    labels: Labels
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.groups)


def with_drawn_splits(listing: Listing, shares: Mapping[str, float], *, of: str = "") -> Listing:
    """Cut one split of a set into others, each with its share of every class and no group on two sides.

    The draw is fixed (seed 0) and depends on the images' order in the listing alone, so the same set is cut the same
    way everywhere. A note says that the split is not the publisher's.

    Args:
        listing: a whole set, its images in an order that the set itself gives.
        shares: from the name of a new split to its share of ``of``, in (0, 1]; what they leave stays in ``of``.
        of: name of the split to cut, "" for images in none.

    Example:
        >>> from undercoat.data import list_data
        >>> cut = with_drawn_splits(list_data("sample:twemoji"), {"val": 0.25}, of="train")
        >>> [int((cut.splits == name).sum()) for name in ("train", "val", "test")]
        [973, 324, 609]
    """
    rows = np.flatnonzero(listing.splits == of)
    labels = None if listing.labels is None else listing.labels[rows]
    parts = split_rows(_Rows(listing.classes, labels, listing.groups[rows]), tuple(shares.values()), seed=_SEED)
    splits = listing.splits.copy()
    for name, part in zip(shares, parts, strict=True):
        splits[rows[part]] = name
    kept = {"train": max(0.0, 1 - sum(shares.values()))} if of == "train" else {}
    said = ", ".join(f"{share:.0%} {name}" for name, share in {**kept, **shares}.items())
    together = ", no group on two sides" if (listing.groups[rows] != "").any() else ""
    source = f"the published {of}" if of else "the whole set"
    drawn = "drawn" if labels is None else "drawn class by class"
    note = f"the split is Undercoat's own ({said} of {source}, {drawn}{together}, seed {_SEED})"
    return replace(listing, splits=splits, notes=(*listing.notes, note))
