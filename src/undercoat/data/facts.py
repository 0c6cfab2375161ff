"""What is known of each image's original: from the cache, or made up of one line where all are alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from undercoat.data.canvases import Canvases
from undercoat.data.patches import PatchImages
from undercoat.data.photos import Photos
from undercoat.data.storing import FACTS, Kind, StoredFacts, read_facts
from undercoat.data.virtual import alike
from undercoat.functional.richness import LEAST_SIDE_PX, Richness, richness

__all__ = ["MOST_PATCHES", "facts_of", "richness_of_photos", "within_reach"]

MOST_PATCHES = 5000
"""Patches that are looked at one by one; more of the same photos tell nothing new."""

RICHNESS_PX = 512
"""Longest side at which a photo's richness is measured, so that large and small ones compare; that of a narrow strip
is longer where its shorter side would vanish."""
_MOST_NAMED = 3


def richness_of_photos(canvases: Canvases, most: int = _MOST_NAMED) -> dict[str, Richness]:
    """How much there is to see in the photos that patches are cut from, by name; nothing for other images.

    Args:
        canvases: what ``open_data("patches:…")`` gives.
        most: how many photos are looked at.
    """
    images: object = canvases.images
    if not isinstance(images, PatchImages):
        return {}
    photos, found = images.photos, {}
    for place, name in enumerate(photos.keys[:most]):
        found[name] = richness(photos.pixels(place, _measured_level(photos, place)))
    return found


def _measured_level(photos: Photos, place: int) -> int:
    """The first level of a photo that is small enough, or the last on which edges can be seen."""
    levels = photos.levels
    for level in range(int(levels.count[place]) - 1):
        coarser = min(levels.width[place, level + 1], levels.height[place, level + 1])
        if max(photos.sizes[place]) >> level <= RICHNESS_PX or coarser < LEAST_SIDE_PX:
            return level
    return int(levels.count[place]) - 1


def facts_of(canvases: Canvases) -> tuple[NDArray[np.void], tuple[Kind, ...]]:
    """One record for each row of ``canvases.images`` (width, height, kind, content), and the kinds by number."""
    images: object = canvases.images
    if not isinstance(images, PatchImages):
        return read_facts(canvases.folder), StoredFacts.load(canvases.folder).kinds
    record = np.zeros((), FACTS)
    record["width"] = record["height"] = images.size_px
    return alike(record, len(images), FACTS), (("patch", "RGB", 3, "uint8"),)


def within_reach(canvases: Canvases) -> Canvases:
    """The canvases, or the first of very many patches, with a note that says so."""
    if not isinstance(canvases.images, PatchImages) or len(canvases) <= MOST_PATCHES:
        return canvases
    note = f"the first {MOST_PATCHES:,} of {len(canvases):,} patches were looked at"
    first = canvases.take(np.arange(MOST_PATCHES))
    return replace(first, notes=(*canvases.notes, note))
