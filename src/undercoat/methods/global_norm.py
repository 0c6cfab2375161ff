"""Batch norm over the images of all processes."""

from __future__ import annotations

from torch import Tensor, nn

from undercoat.runtime import gather_rows_with_gradient, rank

__all__ = ["GlobalBatchNorm"]


class GlobalBatchNorm(nn.BatchNorm1d):
    """Batch norm of (B, D) rows whose statistics are those of every process's rows, on any device.

    Two processes thereby compute what one would, forwards and backwards, and keep equal running statistics. Meant
    for heads: rows are small, and gathering them costs little. In evaluation mode nothing is gathered.

    Example:
        >>> import torch
        >>> GlobalBatchNorm(1)(torch.tensor([[1.0], [3.0]])).round()
        tensor([[-1.],
                [ 1.]], grad_fn=<RoundBackward0>)
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each column."""
        if not self.training:
            return super().forward(input)
        start = rank() * len(input)
        return super().forward(gather_rows_with_gradient(input))[start : start + len(input)]
