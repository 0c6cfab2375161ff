"""Ten crops of an image: its corners and centre, and all five mirrored, as tables of ten-crop accuracy are made."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.augment import Planes, ViewParameters, render
from undercoat.functional.geometry import centre_boxes

__all__ = ["ten_crop_boxes", "ten_crops"]


def ten_crop_boxes(aspect: NDArray[np.floating], *, fraction: float) -> NDArray[np.float64]:
    """Return the squares whose side is ``fraction`` of each original's shorter side, in its corners and its centre.

    Args:
        aspect: (B,) width / height of the originals.
        fraction: in (0, 1]; 0.875 is 224 out of 256.

    Returns:
        (B, 5, 4) left, top, width, height as fractions of the image's width and height: top left, top right, bottom
        left, bottom right, centre.

    Example:
        >>> ten_crop_boxes(np.array([2.0]), fraction=0.5)[0, 1]
        array([0.75, 0.  , 0.25, 0.5 ])
    """
    centre = centre_boxes(aspect, fraction=fraction)
    places = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5]])
    sides = np.repeat(centre[:, None, 2:], 5, axis=1)
    return np.concatenate([places * (1.0 - sides), sides], axis=2)


def ten_crops(
    images: Tensor,
    aspect: NDArray[np.floating],
    *,
    size_px: int,
    crop_fraction: float = 0.875,
    low: float = 0.0,
    high: float = 255.0,
) -> Tensor:
    """Resize the shorter side to ``size_px / crop_fraction``, then crop corners and centre, plain and mirrored.

    The order is torchvision's ``TenCrop``: the five of :func:`ten_crop_boxes`, then those of the mirrored image, whose
    top left is the original's top right.

    Args:
        images: (B, S, S, C) whole images squeezed to squares, raw values.
        aspect: (B,) width / height of the originals.
        size_px: side of the crops.
        crop_fraction: share of the shorter side that a crop covers, in (0, 1].
        low: the raw value that becomes 0.0.
        high: the raw value that becomes 1.0.

    Returns:
        (B, 10, C, size_px, size_px) in 0..1.

    Example:
        >>> ten_crops(torch.zeros(2, 8, 8, 3, dtype=torch.uint8), np.ones(2), size_px=4).shape
        torch.Size([2, 10, 3, 4, 4])
    """
    boxes = ten_crop_boxes(np.asarray(aspect), fraction=crop_fraction).transpose(1, 0, 2)
    plain = ViewParameters.plain(np.concatenate([boxes, boxes[[1, 0, 3, 2, 4]]]).reshape(-1, 4))
    plain.flipped[len(plain) // 2 :, 0] = 1.0
    planes = Planes.of(images, dtype=torch.float32, low=low, high=high)
    return torch.stack(render(planes, plain, size_px=size_px, edge="image"), dim=1)
