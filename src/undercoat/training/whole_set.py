"""Features of every image while training goes on: what a method that clusters asks for between passes."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from undercoat.augment import centre_view
from undercoat.data import Canvases
from undercoat.data.loader import images_on
from undercoat.runtime import Runtime, gather_rows, rank, world_size

__all__ = ["WholeSet"]


class WholeSet:
    """Runs a module over all images in evaluation mode, the work shared by all processes.

    Args:
        data: N images.
        size_px: side of the centre views that the module is given.
        batch: images at a time.
        runtime: devices and precision.
    """

    def __init__(self, data: Canvases, *, size_px: int, batch: int, runtime: Runtime) -> None:
        self.data, self.size_px, self.batch, self.runtime = data, size_px, batch, runtime

    @torch.no_grad()
    def __call__(self, module: nn.Module) -> Tensor:
        """Return (N, D) float32 on the CPU: row i is image i, the same on every process."""
        modes = [(part, part.training) for part in module.modules()]
        module.eval()
        share = -(-len(self.data) // world_size())
        mine = np.minimum(np.arange(rank() * share, (rank() + 1) * share), len(self.data) - 1)  # equal shares
        with self._autocast():
            parts = [
                module(self._views(mine[start : start + self.batch])).float() for start in range(0, share, self.batch)
            ]
        for part, mode in modes:
            part.training = mode
        return gather_rows(torch.cat(parts))[: len(self.data)].cpu()

    def _views(self, index: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Tensor:
        data, dtype = self.data, self.runtime.autocast_dtype
        return centre_view(
            images_on(data, index, self.runtime.device),
            data.aspect[index],
            size_px=self.size_px,
            crop_fraction=1.0,
            dtype=torch.bfloat16 if dtype is torch.bfloat16 else torch.float32,
            low=data.low,
            high=data.high,
        )

    def _autocast(self) -> torch.autocast | nullcontext[None]:
        dtype = self.runtime.autocast_dtype
        return nullcontext() if dtype is None else torch.autocast(self.runtime.device.type, dtype=dtype)
