"""Batch statistics over groups of the batch, on one device, as if each group sat on a GPU of its own.

He et al. 2020 (MoCo, section 3.3) shuffle the keys over GPUs so that a query's batch statistics say nothing
about which key is its own. On one device the same needs statistics per group: while this is active, every
batch norm in training mode normalises each of ``groups`` equal parts of the batch by itself. Convolutions
still run on the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["GroupedBatchNorm"]


class GroupedBatchNorm(TorchFunctionMode):
    """Context in which training-mode batch norm works on ``groups`` equal parts of the batch.

    Running statistics take one update from each group, of 1/groups of the momentum each, so that a step moves
    them as far as an ungrouped one does. A batch that cannot be cut into equal groups of two or more is
    normalised whole.

    Example:
        >>> norm = torch.nn.BatchNorm1d(1, affine=False).train()
        >>> with GroupedBatchNorm(2):
        ...     norm(torch.tensor([[0.0], [2.0], [10.0], [12.0]])).round().flatten().tolist()
        [-1.0, 1.0, -1.0, 1.0]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def __torch_function__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Replace batch norm in training mode; let everything else through."""
        if function is F.batch_norm and self.groups > 1:
            return self._batch_norm(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        rest = (weight, bias, training, momentum, eps)
        if not training or len(input) % self.groups or len(input) < 2 * self.groups:
            return F.batch_norm(input, running_mean, running_var, *rest)
        share = momentum / self.groups
        parts = [
            F.batch_norm(part, running_mean, running_var, weight, bias, True, share, eps)
            for part in input.chunk(self.groups)
        ]
        return torch.cat(parts)
