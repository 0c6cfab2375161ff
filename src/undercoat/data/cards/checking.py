"""``card:NAME:FOLDER``: whether a folder holds the public set that a card describes, before anything is decoded."""

from __future__ import annotations

import os

from undercoat.data.cards import CARDS
from undercoat.data.listing import Listing
from undercoat.errors import DataError

__all__ = ["check_layout", "check_whole"]


def check_layout(name: str, source: str) -> str:
    """Refuse a folder in which a path is missing that the card says is needed.

    Args:
        name: of the card.
        source: the folder.

    Returns:
        the folder to read: ``source``, or the card's own folder in it.

    Raises:
        DataError: naming the path, what the set consists of, and where to get it.
    """
    card = CARDS[name]
    wanted = f"{card.title} wants {card.layout}, from {card.url}"
    if card.folder and os.path.basename(os.path.abspath(source)) != card.folder:
        source = os.path.join(source, card.folder)
        if not os.path.isdir(source):
            raise DataError(f"'{source}' is not there; {wanted}")
    for need in card.needs:
        ways = [os.path.join(source, way) for way in need.split("|")]
        if not any(os.path.exists(way) for way in ways):
            raise DataError(f"'{ways[0]}' is not there; {wanted}")
    return source


def check_whole(name: str, source: str, listing: Listing, *, other_labels: bool = False) -> None:
    """Refuse a set that lacks classes or images of the published one.

    Args:
        name: of the card.
        source: the folder.
        listing: what its reader found there.
        other_labels: whether labels were asked for that are not the card's, so that the classes do not compare.

    Raises:
        DataError: with both counts.
    """
    card = CARDS[name]
    part = f"unpack it again, or read the part that is there as {card.reader}:{source}"
    if not other_labels and 0 < len(listing.classes) < card.classes:
        raise DataError(
            f"'{source}' has {len(listing.classes):,} of the {card.classes:,} classes of {card.title}; {part}"
        )
    if len(listing) < card.whole:
        raise DataError(f"'{source}' has {len(listing):,} of the {card.whole:,} images of {card.title}; {part}")
