"""How much there is to see in an image: grey levels and edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_SIDE_PX", "Richness", "richness"]

LEAST_SIDE_PX = 3
"""Narrower images have no pixel with neighbours on both sides."""

EDGE = 0.05
"""Slope, in shares of the range of grey over one pixel, from which a pixel counts as part of an edge."""

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


class Richness(NamedTuple):
    """Two measures of one image.

    Attributes:
        entropy_bits: Shannon entropy of its 256 grey levels: 0 for one level, 8 where all are equally common.
        edge_density: share of pixels that lie on an edge, 0..1.
    """

    entropy_bits: float
    edge_density: float


def richness(image: NDArray[np.uint8]) -> Richness:
    """Measure how rich an image is: the entropy of its grey levels and the share of its pixels on edges.

    A crop of a rich image still shows something. Neither number knows what is shown: noise is rich in both.

    Args:
        image: (H, W) or (H, W, 3) uint8; both sides at least 3 pixels.

    Raises:
        ValueError: for another shape.

    Example:
        >>> flat = np.full((8, 8), 7, np.uint8)
        >>> richness(flat)
        Richness(entropy_bits=0.0, edge_density=0.0)
    """
    from skimage.filters import sobel

    if image.ndim not in (2, 3) or min(image.shape[:2]) < LEAST_SIDE_PX or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"an image of shape {image.shape} has no richness; give (H, W) or (H, W, 3), 3 px or more")
    grey = image.astype(np.float32) if image.ndim == 2 else image.astype(np.float32) @ _GREY
    shares = np.bincount(np.rint(grey).astype(np.int64).ravel(), minlength=256) / grey.size
    told = shares[shares > 0]
    edges = sobel(grey / 255.0) > EDGE  # type: ignore[no-untyped-call]
    return Richness(float(max(0.0, -(told * np.log2(told)).sum())), float(edges.mean()))
