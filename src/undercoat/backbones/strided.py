"""A guard for strided convolutions on maps of one pixel in bfloat16 on a CPU.

There torch (2.13 with oneDNN) leaves most of the weight's gradient as it found the memory: numbers around 1e31, or
NaN. Small views and jigsaw tiles come down to such maps. These convolutions are computed in float32, which costs
nothing at that size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["StridedConv2d", "guard_strided_convolutions"]


class StridedConv2d(nn.Conv2d):
    """A convolution that leaves autocast for maps of one pixel; otherwise torch's own."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if input.shape[-2:] != (1, 1) or input.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super()._conv_forward(input, weight, bias)  # type: ignore[no-any-return]
        with torch.autocast("cpu", enabled=False):
            return super()._conv_forward(input.float(), weight, bias)  # type: ignore[no-any-return]


def guard_strided_convolutions(module: nn.Module) -> None:
    """Turn every plain strided convolution of ``module`` into a guarded one, with the same weights and names.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3))
        >>> guard_strided_convolutions(net)
        >>> [type(layer).__name__ for layer in net]
        ['StridedConv2d', 'Conv2d']
    """
    for part in module.modules():
        if type(part) is nn.Conv2d and max(part.stride) > 1 and max(part.kernel_size) > 1:
            part.__class__ = StridedConv2d
