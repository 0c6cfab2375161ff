"""Networks that begin with the scattering transform, or are nothing else: early layers without any training.

The transform is fixed and has no weights; Oyallon et al. 2017 put a trained network on top of it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from undercoat.backbones.timm_models import Built
from undercoat.errors import SpecError, did_you_mean
from undercoat.functional.scattering import number_of_paths, scattering

__all__ = ["MODELS", "EarlyScattering", "ScatteringNetwork", "build"]

#: names to list → what they are
MODELS = {"scattering": "the fixed scattering transform (scales: 2 for about 32 px, 3 for 224)"}
_MOST_SCALES = 5
_EPS = 1e-8  # the usual 1e-5 is as large as the variance of faint paths, which would then stay faint


class ScatteringNetwork(nn.Module):
    """Images (B, C, H, W) → (B, C · paths): the scattering transform, averaged over the image.

    Its layer ``scattering1`` is the map up to the first order, (B, C (1 + 8 J), h, w); ``scattering2`` is the whole.

    Args:
        scales: J.
        channels: of the images.
    """

    LAYERS = ("scattering1", "scattering2")

    def __init__(self, scales: int, *, channels: int) -> None:
        super().__init__()
        self.register_buffer("scales", torch.tensor(scales))  # there would be nothing to save
        self.transform = _Transform(scales)
        self.scattering1 = _Paths(number_of_paths(scales, order=1))
        self.scattering2 = _Paths(number_of_paths(scales))
        self.dim = channels * number_of_paths(scales)

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean of each path."""
        paths = self.transform(images)
        self.scattering1(paths)
        maps: Tensor = self.scattering2(paths)
        return maps.mean(dim=(2, 3))


class _Transform(nn.Module):
    def __init__(self, scales: int) -> None:
        super().__init__()
        self.scales = scales

    def forward(self, images: Tensor) -> Tensor:
        return scattering(images, scales=self.scales)


class _Paths(nn.Module):
    """The first paths, as channels: colours of the image come first, then paths."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, paths: Tensor) -> Tensor:
        return paths[:, :, : self.count].flatten(1, 2)


class EarlyScattering(nn.Sequential):
    """Images (B, C, H, W) → (B, C · paths, H / 2^J, W / 2^J), each channel brought to mean 0 and variance 1.

    The norm has no scale and shift, as in Oyallon et al. 2017 (section 4.1): nothing here has a gradient, and its
    running statistics are all that training changes.

    Args:
        scales: J.
        channels: of the images.
    """

    def __init__(self, scales: int, *, channels: int) -> None:
        self.channels = channels * number_of_paths(scales)
        parts = {
            "transform": _Transform(scales),
            "paths": _Paths(number_of_paths(scales)),
            "norm": nn.BatchNorm2d(self.channels, affine=False, eps=_EPS),
        }
        super().__init__(OrderedDict(parts))


def build(model: str, *, channels: int, arguments: dict[str, Any], sobel: bool = False) -> Built:
    """Build ``undercoat/scattering``; it has no weights.

    Args:
        model: ``scattering``.
        channels: of the images.
        arguments: ``scales`` (1 … 5; 3 unless given).
        sobel: whether the trunk takes two maps of edges in place of the images.

    Raises:
        SpecError: for an argument or value that is not one of these.

    Example:
        >>> build("scattering", channels=3, arguments={"scales": 2}).dim
        243
    """
    for name in arguments:
        if name != "scales":
            hint = did_you_mean(name, ["scales"])
            raise SpecError(f"undercoat/scattering takes no argument {name!r}{hint} (known: scales)")
    scales = arguments.get("scales", 3)
    if type(scales) is not int or scales not in range(1, _MOST_SCALES + 1):
        raise SpecError(f"undercoat/scattering cannot have scales: {scales!r}; use one of 1 … {_MOST_SCALES}")
    trunk = ScatteringNetwork(scales, channels=2 if sobel else channels)
    return Built(trunk, trunk.dim, (0.5,), (0.5,))
