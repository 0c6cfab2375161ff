"""Why a trunk cannot take images of a size, in one sentence; worked out only after it failed."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["misfit"]

#: no network wants more than this for its size alone; from here on an error has other reasons
_ENOUGH_PX = 96
_LARGEST_PX = 256


def misfit(trunk: nn.Module, images: Tensor, *, name: str) -> str | None:
    """Explain a failed pass by the images' size, or return None when the size is not the reason.

    Args:
        trunk: which failed.
        images: on which, as the trunk takes them.
        name: of the backbone.
    """
    height, width = images.shape[-2:]
    patches: Any = getattr(trunk, "patch_embed", None)
    wanted = getattr(patches, "img_size", None) if getattr(patches, "strict_img_size", False) else None
    if wanted is not None and tuple(wanted) != (height, width):
        return (
            f"{name} takes images of {wanted[0]} × {wanted[1]} px, not {height} × {width}; use size_px: {wanted[0]}, "
            f"or build it with backbone_arguments: {{img_size: {height}}}"
        )
    side = min(height, width)
    if side >= _ENOUGH_PX:
        return None
    still = copy.deepcopy(trunk).eval()
    if _fits(still, images[:1]):
        if len(images) == 1 and trunk.training:
            return (
                f"one image of {height} × {width} px gives the batch norm of {name} one value per channel; use larger "
                "images or a larger batch"
            )
        return None
    smallest = _smallest(still, images, side)
    if smallest is None:
        return None
    return (
        f"images of {height} × {width} px are too small for {name}; the smallest it takes are {smallest} × {smallest}, "
        "so use a larger size_px or another backbone"
    )


@torch.no_grad()
def _fits(trunk: nn.Module, images: Tensor) -> bool:
    try:
        trunk(images)
    except (RuntimeError, ValueError, AssertionError):
        return False
    return True


def _smallest(trunk: nn.Module, images: Tensor, failed: int) -> int | None:
    """Halve the sizes between one that failed and one that fits."""

    def fits(side: int) -> bool:
        return _fits(trunk, images.new_zeros(1, images.shape[1], side, side))

    low, high = failed, _LARGEST_PX
    if not fits(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high
