"""The one view that evaluation uses: the centre of the image in its true proportions, nothing random."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.augment.parameters import ViewParameters
from undercoat.augment.rendering import Planes, render
from undercoat.errors import SpecError
from undercoat.functional.geometry import centre_boxes

__all__ = ["centre_view"]


def centre_view(
    images: Tensor,
    aspect: Tensor | NDArray[np.floating],
    *,
    size_px: int,
    crop_fraction: float = 0.875,
    dtype: torch.dtype = torch.float32,
    low: float = 0.0,
    high: float = 255.0,
) -> Tensor:
    """Resize so that the shorter side of the original is ``size_px / crop_fraction``, then crop the centre.

    Args:
        images: (B, S, S, C) whole images squeezed to squares, raw values.
        aspect: (B,) width / height of the originals.
        size_px: side of the view.
        crop_fraction: share of the shorter side that is kept, in (0, 1]; 0.875 is 224 out of 256.
        dtype: of the view and of the arithmetic.
        low: the raw value that becomes 0.0.
        high: the raw value that becomes 1.0.

    Returns:
        (B, C, size_px, size_px) in 0..1, channels-last in memory.

    Raises:
        SpecError: when ``crop_fraction`` is not in (0, 1].

    Example:
        >>> images = torch.full((1, 8, 8, 1), 51, dtype=torch.uint8)
        >>> round(centre_view(images, np.ones(1), size_px=4).mean().item(), 4)
        0.2
    """
    if not 0.0 < crop_fraction <= 1.0:
        raise SpecError(f"crop_fraction is {crop_fraction!r}, no share of an image: give above 0 and at most 1")
    shape = aspect.cpu().numpy() if isinstance(aspect, Tensor) else np.asarray(aspect)
    planes = Planes.of(images, dtype=dtype, low=low, high=high)
    parameters = ViewParameters.plain(centre_boxes(shape, fraction=crop_fraction))
    return render(planes, parameters, size_px=size_px, edge="image")[0]
