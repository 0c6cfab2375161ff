"""Parts that methods are built from: projection heads, the target encoder, the queue of keys, the memory bank."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["MemoryBank", "Queue", "ema_update", "frozen_copy", "mlp"]


def mlp(*dims: int, batch_norm: bool = False) -> nn.Sequential:
    """Linear layers with ReLU between them: ``mlp(512, 512, 128)`` is MoCo v2's head.

    Example:
        >>> [type(layer).__name__ for layer in mlp(8, 8, 4)]
        ['Linear', 'ReLU', 'Linear']
    """
    layers: list[nn.Module] = []
    for position, (inputs, outputs) in enumerate(pairwise(dims)):
        last = position == len(dims) - 2
        layers.append(nn.Linear(inputs, outputs, bias=last or not batch_norm))
        if not last:
            layers.extend([nn.BatchNorm1d(outputs), nn.ReLU()] if batch_norm else [nn.ReLU()])
    return nn.Sequential(*layers)


def frozen_copy(module: nn.Module) -> nn.Module:
    """Copy a module as a target encoder: same weights, no gradients."""
    return copy.deepcopy(module).requires_grad_(False)


def _moving_pairs(target: Iterable[Tensor], online: Iterable[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    pairs = [(t, o.detach()) for t, o in zip(target, online, strict=True) if o.requires_grad]
    return [t for t, _ in pairs], [o for _, o in pairs]


@torch.no_grad()
def ema_update(target: nn.Module, online: nn.Module, momentum: float) -> None:
    """Move the target encoder towards the online one: θ_t ← m θ_t + (1 − m) θ_o, over trainable parameters.

    Frozen parameters are equal in both and stay so. Buffers (batch statistics) are the target's own.

    Example:
        >>> online, target = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.ones_(online.weight), nn.init.zeros_(target.weight)
        >>> for _ in range(3):
        ...     ema_update(target, online, 0.5)
        >>> target.weight.item()  # 1 - 0.5 ** 3
        0.875
    """
    moving, towards = _moving_pairs(target.parameters(), online.parameters())
    if moving:
        torch._foreach_lerp_(moving, towards, 1.0 - momentum)


class Queue(nn.Module):
    """The last ``size`` keys, first in first out, each with the image it shows.

    Takes batches of any size: one longer than the queue leaves its last ``size`` rows. Rows start as random unit
    vectors that belong to no image (He et al. 2020).

    Args:
        size: K ≥ 1.
        dim: P.
        seed: of the first random rows.

    Example:
        >>> queue = Queue(3, 2, seed=0)
        >>> queue.push(torch.tensor([[1.0, 0.0]]), torch.tensor([7]))
        >>> queue.index.tolist()
        [7, -1, -1]
    """

    rows: Tensor
    index: Tensor
    head: Tensor

    def __init__(self, size: int, dim: int, *, seed: int = 0) -> None:
        super().__init__()
        first = torch.randn(size, dim, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("rows", nn.functional.normalize(first, dim=1))
        self.register_buffer("index", torch.full((size,), -1, dtype=torch.long))
        self.register_buffer("head", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def push(self, rows: Tensor, index: Tensor) -> None:
        """Replace the oldest keys by ``rows`` (B, P) of images ``index`` (B,)."""
        size = len(self.rows)
        rows, index = rows[-size:], index[-size:]
        places = (self.head + torch.arange(len(rows), device=self.rows.device)) % size
        self.rows[places] = rows.to(self.rows.dtype)
        self.index[places] = index
        self.head.copy_((self.head + len(rows)) % size)

    def shows(self, index: Tensor) -> Tensor:
        """Return (B, K) bool: which keys show the same image as each of ``index`` (B,)."""
        return index[:, None] == self.index[None, :]


class MemoryBank(nn.Module):
    """One unit vector for every image of the data set: a moving average of its embeddings.

    Rows start as random unit vectors (Wu et al. 2018), and ``seen`` tells which are more than that. An image's first
    embedding replaces its random row; each later one is averaged in and the row made unit length again.

    Args:
        images: N ≥ 1.
        dim: P.
        momentum: m of row ← m row + (1 − m) embedding, in 0..1.
        seed: of the first random rows.

    Example:
        >>> bank = MemoryBank(3, 2, momentum=0.5)
        >>> bank.update(torch.tensor([1]), torch.tensor([[1.0, 0.0]]))
        >>> bank.update(torch.tensor([1]), torch.tensor([[0.0, 1.0]]))
        >>> bank.rows[1], bank.seen.tolist()
        (tensor([0.7071, 0.7071]), [False, True, False])
    """

    rows: Tensor
    seen: Tensor

    def __init__(self, images: int, dim: int, *, momentum: float, seed: int = 0) -> None:
        super().__init__()
        first = torch.randn(images, dim, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("rows", nn.functional.normalize(first, dim=1))
        self.register_buffer("seen", torch.zeros(images, dtype=torch.bool))
        self.momentum = momentum

    @torch.no_grad()
    def update(self, index: Tensor, rows: Tensor) -> None:
        """Average unit ``rows`` (B, P) in for images ``index`` (B,); of an image that stands there twice, the last."""
        order = torch.arange(len(index), device=index.device)
        last = torch.where(index[:, None] == index[None, :], order[None, :], -1).amax(dim=1)
        rows = rows[last].to(self.rows.dtype)
        kept = self.momentum * self.seen[index].to(rows.dtype)[:, None]
        self.rows[index] = nn.functional.normalize(kept * self.rows[index] + (1.0 - kept) * rows, dim=1)
        self.seen[index] = True
