"""How many test images were seen before: twins of theirs among the images that something was learned from."""

from __future__ import annotations

import numpy as np

from undercoat.data.canvases import Canvases
from undercoat.data.duplicates import Prints, exact_clusters, fingerprint, near_clusters

__all__ = ["MOST_IMAGES", "seen_before"]

MOST_IMAGES = 100_000
"""Sets larger than this together are not searched: it would take longer than a reader wants to wait."""


def seen_before(test: Canvases, learned: Canvases) -> int | None:
    """Count test images that have an exact or near twin among the images that were learned from.

    Args:
        test: images that are measured.
        learned: images of a training split, or those that pretraining saw.

    Returns:
        The number, or None when the sets are too large or too different in channels to be compared.

    Example:
        >>> import tempfile
        >>> from undercoat.data.opening import open_data
        >>> digits = open_data("sample:digits", cache=tempfile.mkdtemp())
        >>> seen_before(digits.take(np.arange(5)), digits.take(np.arange(3, 9)))
        2
    """
    if len(test) + len(learned) > MOST_IMAGES or test.channels != learned.channels:
        return None
    both = _joined(fingerprint(test), fingerprint(learned))
    cluster, complete = near_clusters(both, exact_clusters(both))
    if not complete:
        return None
    return int(np.isin(cluster[: len(test)], cluster[len(test) :]).sum())


def _joined(first: Prints, second: Prints) -> Prints:
    names = ("exact", "perceptual", "thumbs", "flat")
    return Prints(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in names))
