"""Several sets as one: ``sample:noto+sample:openmoji``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from undercoat.data.labelling import class_order
from undercoat.data.listing import ArrayRows, Encoded, Labels, Listing, MaskFiles
from undercoat.data.names import Names
from undercoat.errors import DataError

__all__ = ["JoinedFiles", "join", "parts_of"]


def parts_of(spec: str, readers: Sequence[str]) -> list[str]:
    """Part a data spec at every ``+`` that is followed by a reader's name and a colon.

    Example:
        >>> parts_of("sample:noto+sample:openmoji", ("sample", "folder"))
        ['sample:noto', 'sample:openmoji']
        >>> parts_of("scans/a+b", ("sample", "folder"))
        ['scans/a+b']
    """
    return re.split(rf"\+(?=(?:{'|'.join(map(re.escape, readers))}):)", spec)


@dataclass(frozen=True)
class JoinedFiles:
    """Files of several sources, one after the other.

    Attributes:
        sources: where the files lie.
        part: (N,) which source each file is from.
        place: (N,) its position there.
    """

    sources: tuple[Encoded, ...]
    part: NDArray[np.int64]
    place: NDArray[np.int64]

    def open(self, position: int) -> BinaryIO:
        """Open one file for reading."""
        source, place = self._at(position)
        return source.open(place)

    def read(self, position: int) -> bytes:
        """Read one file whole."""
        source, place = self._at(position)
        return source.read(place)

    def _at(self, position: int) -> tuple[Encoded, int]:
        return self.sources[int(self.part[position])], int(self.place[position])


def join(name: str, listings: Sequence[Listing], splits: Sequence[tuple[str, ...]]) -> Listing:
    """Put the images of several sets into one; classes of the same name become one class.

    Args:
        name: the joined spec.
        listings: what each part holds.
        splits: for each part, the splits to keep; empty for all.

    Raises:
        DataError: for a part whose images are rows of an array, or one that can have several classes an image.
    """
    for listing in listings:
        if isinstance(listing.source, ArrayRows):
            raise DataError(
                f"{listing.name} in {name!r} is an array, and only image files can be joined; save it as files"
            )
        if listing.labels is not None and listing.labels.ndim == 2:
            raise DataError(f"{listing.name} in {name!r} has several classes an image, which cannot be joined")
    kept = [
        np.flatnonzero(np.isin(listing.splits, wanted)) if wanted else np.arange(len(listing))
        for listing, wanted in zip(listings, splits, strict=True)
    ]
    classes, labels = _labels(listings, kept)
    pairs = list(zip(listings, kept, strict=True))
    masks, unmasked = _masks(name, listings, kept)
    return Listing(
        name=name,
        reader="joined",
        keys=Names.of(
            f"{number}/{listing.keys[i]}" for number, (listing, rows) in enumerate(pairs) for i in rows.tolist()
        ),
        source=JoinedFiles(
            tuple(listing.source for listing in listings),  # type: ignore[misc]
            np.concatenate([np.full(len(rows), number) for number, rows in enumerate(kept)]),
            np.concatenate(kept),
        ),
        stamp=" + ".join(
            f"{listing.stamp} {','.join(wanted)}" for listing, wanted in zip(listings, splits, strict=True)
        ),
        classes=classes,
        labels=labels,
        splits=np.concatenate([listing.splits[rows] for listing, rows in pairs]),
        groups=np.concatenate([_groups(listing.groups[rows], number) for number, (listing, rows) in enumerate(pairs)]),
        skipped=tuple((f"{number}/{key}", why) for number, part in enumerate(listings) for key, why in part.skipped),
        notes=tuple(note for listing in listings for note in listing.notes) + unmasked,
        masks=masks,
    )


def _masks(
    name: str, listings: Sequence[Listing], kept: Sequence[NDArray[np.int64]]
) -> tuple[MaskFiles | None, tuple[str, ...]]:
    """Masks of the joined images, and a sentence where they are left out because not all images have one."""
    found = [listing.masks for listing in listings if listing.masks is not None]
    if len(found) < len(listings):
        bare = next(listing.name for listing in listings if listing.masks is None)
        return None, (f"masks are left out, for {bare} has none",) if found else ()
    if len({masks.classes for masks in found}) > 1:
        raise DataError(f"the masks of {name!r} have different classes in its parts; give all the same classes.txt")
    chosen = [masks.take(rows) for masks, rows in zip(found, kept, strict=True)]
    before = np.cumsum([0, *(len(masks.thresholds) for masks in found)])
    part = np.concatenate([np.full(len(masks), number) for number, masks in enumerate(chosen)])
    return MaskFiles(
        source=JoinedFiles(
            tuple(masks.source for masks in found), part, np.concatenate([masks.rows for masks in chosen])
        ),
        rows=np.arange(len(part)),
        stamp=" + ".join(masks.stamp for masks in found),
        classes=found[0].classes,
        thresholds=tuple(threshold for masks in found for threshold in masks.thresholds),
        part=np.concatenate([masks.part + start for masks, start in zip(chosen, before, strict=False)]),
    ), ()


def _labels(listings: Sequence[Listing], kept: Sequence[NDArray[np.int64]]) -> tuple[tuple[str, ...], Labels]:
    classes = class_order({name for listing in listings for name in listing.classes})
    if not classes:
        return (), None
    number_of = {name: number for number, name in enumerate(classes)}
    parts = []
    for listing, rows in zip(listings, kept, strict=True):
        numbers = np.array([*(number_of[name] for name in listing.classes), -1], np.int64)  # -1 stays unknown
        parts.append(
            np.full(len(rows), -1) if listing.labels is None else numbers[listing.labels[rows].astype(np.int64)]
        )
    return classes, np.concatenate(parts)


def _groups(groups: NDArray[np.str_], number: int) -> NDArray[np.str_]:
    """Groups of different parts are different, whatever they are called; "" stays alone."""
    return np.array([f"{number}/{group}" if group else "" for group in groups.tolist()], dtype=np.str_)
