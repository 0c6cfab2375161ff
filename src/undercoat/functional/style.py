"""Losses of style transfer (Gatys, Ecker & Bethge 2016): what a picture shows, how it looks, how smooth it is."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["content_loss", "gram_matrix", "style_loss", "total_variation"]


def gram_matrix(maps: Tensor) -> Tensor:
    """Which channels are strong together, wherever that is: mean products over places, (B, C, C).

    Gatys et al. take sums over the M = h · w places, here divided by M, so that pictures of different sizes can be
    compared.

    Args:
        maps: (B, C, h, w).

    Example:
        >>> gram_matrix(torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]])).tolist()
        [[[5.0, 1.0], [1.0, 2.0]]]
    """
    rows = maps.flatten(2)
    return rows @ rows.transpose(1, 2) / rows.shape[2]


def style_loss(maps: Tensor, target: Tensor, *, relative: bool = True) -> Tensor:
    """Squared distance between the Gram matrix of maps and that of a style.

    Args:
        maps: (B, C, h, w) of the picture.
        target: (B, C, C) or (1, C, C), Gram matrix of the style in the same layer.
        relative: divide by the loss of a picture whose maps are all zero, so that layers and networks whose maps
            differ in strength count alike: 0 for the style itself, 1 for nothing. Otherwise as published.

    Returns:
        A scalar ≥ 0.

    Example:
        >>> maps = torch.rand(1, 4, 5, 5)
        >>> style_loss(maps, gram_matrix(maps)).item(), style_loss(0 * maps, gram_matrix(maps)).item()
        (0.0, 1.0)

    Reference: Gatys et al. 2016, eq. 4 (Σ (G - A)² / (4 N² M²), with N channels).
    """
    scale = 1.0 if relative else 1 / (2 * maps.shape[1] ** 2)
    return scale * _distance(gram_matrix(maps), target, relative)


def _distance(found: Tensor, target: Tensor, relative: bool) -> Tensor:
    total = (found - target).square().flatten(1).sum(dim=1)
    size = target.square().flatten(1).sum(dim=1).clamp(min=torch.finfo(target.dtype).tiny)
    return (total / size).mean() if relative else total.mean() / 2


def content_loss(maps: Tensor, target: Tensor, *, relative: bool = True) -> Tensor:
    """Squared distance between maps, place by place.

    Args:
        maps: (B, C, h, w) of the picture.
        target: (B, C, h, w) or (1, C, h, w) of the content in the same layer.
        relative: divide by the target's own squared size: 0 for the content itself, 1 for nothing. Otherwise half the
            sum of squares, as published.

    Returns:
        A scalar ≥ 0.

    Example:
        >>> content_loss(torch.full((1, 1, 1, 2), 3.0), torch.ones(1, 1, 1, 2), relative=False).item()
        4.0

    Reference: Gatys et al. 2016, eq. 1.
    """
    return _distance(maps, target, relative)


def total_variation(images: Tensor) -> Tensor:
    """Mean size of the steps between neighbouring pixels, across and down: a scalar ≥ 0, 0 for flat images.

    Args:
        images: (B, C, H, W); of one row or column only the other direction counts.

    Example:
        >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])).item()
        1.0

    Reference: Rudin, Osher & Fatemi 1992, in its anisotropic form.
    """
    across = (images[..., 1:] - images[..., :-1]).abs()
    down = (images[..., 1:, :] - images[..., :-1, :]).abs()
    steps = [part.mean() for part in (across, down) if part.numel()]
    return torch.stack(steps).sum() if steps else images.sum() * 0
