"""The generator and the joint discriminator of adversarial feature learning."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu
from torch.nn.utils.parametrizations import spectral_norm

from undercoat.errors import SpecError

__all__ = ["Generator", "JointDiscriminator", "Norm"]

Norm = Literal["batch", "spectral", "none"]


def _widths(size_px: int, width: int, norm: Norm) -> list[int]:
    """Channels at 4, 8, … size_px / 2 pixels: ``width`` at the finest, doubled with every halving."""
    if norm not in get_args(Norm):
        raise SpecError(f"norm {norm!r} of bigan's networks is not one of {', '.join(get_args(Norm))}")
    stages = size_px.bit_length() - 3
    if size_px < 8 or size_px != 4 << stages:
        raise SpecError(f"size_px {size_px} of bigan's small images is not 8, 16, 32, 64 or another power of two")
    if width < 1 or width % 8:
        raise SpecError(f"width {width} of bigan's networks is not a multiple of 8; take 32 or 64")
    return [width << stage for stage in reversed(range(stages))]


def _shift(codes: Tensor, layer: nn.Module) -> Tensor:
    """What a code adds to each channel of a map."""
    added: Tensor = layer(codes)[:, :, None, None]
    return added


class Generator(nn.Module):
    """Codes (B, latent) → images (B, channels, size_px, size_px) in 0..1.

    A linear layer to 4 × 4 pixels, then 5 × 5 transposed convolutions of stride 2; the code is also added, through a
    linear layer, to every map but the last.

    Args:
        latent: numbers in a code.
        channels: of the images.
        size_px: their side, a power of two.
        width: channels before the last layer, a multiple of 8; doubled with every halving of the side.
        norm: of the maps: ``batch``; groups of 8 channels for ``spectral``; ``none``.

    Raises:
        SpecError: for a side, width or norm that the layers cannot have.
    """

    def __init__(self, *, latent: int, channels: int, size_px: int, width: int, norm: Norm) -> None:
        super().__init__()
        widths = _widths(size_px, width, norm)
        self.first = nn.Linear(latent, widths[0] * 16, bias=False)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 5, stride=2, padding=2, output_padding=1, bias=False)
            for a, b in pairwise([*widths, channels])
        )
        self.codes = nn.ModuleList(nn.Linear(latent, w, bias=False) for w in widths[1:])
        self.norms = nn.ModuleList(_norm(w, norm) for w in widths)
        _start(self)

    def forward(self, codes: Tensor) -> Tensor:
        """Draw an image for each code."""
        maps = relu(self.norms[0](self.first(codes).view(len(codes), -1, 4, 4)))
        for up, code, norm in zip(self.ups[:-1], self.codes, self.norms[1:], strict=True):
            maps = relu(norm(up(maps) + _shift(codes, code)))
        return torch.sigmoid(self.ups[-1](maps).float())


class JointDiscriminator(nn.Module):
    """Images (B, channels, size_px, size_px) in 0..1 with codes (B, latent) → logits (B,), high for real pairs.

    5 × 5 convolutions of stride 2 down to 4 × 4 pixels; the code is added, through a linear layer, to every map but
    the first. The logit starts at 0 for everything, but for ``spectral``.

    Args:
        latent: numbers in a code.
        channels: of the images.
        size_px: their side, a power of two.
        width: channels after the first layer, a multiple of 8; doubled with every halving of the side.
        norm: ``batch`` of every map but the first; ``spectral`` of all weights; ``none``.

    Raises:
        SpecError: for a side, width or norm that the layers cannot have.
    """

    def __init__(self, *, latent: int, channels: int, size_px: int, width: int, norm: Norm) -> None:
        super().__init__()
        widths = _widths(size_px, width, norm)[::-1]
        self.downs = nn.ModuleList(
            nn.Conv2d(a, b, 5, stride=2, padding=2, bias=False) for a, b in pairwise([channels, *widths])
        )
        self.codes = nn.ModuleList(nn.Linear(latent, w, bias=norm != "batch") for w in widths[1:])
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) if norm == "batch" else nn.Identity() for w in widths[1:])
        self.logit = nn.Linear(widths[-1] * 16, 1, bias=False)
        _start(self)
        for code in self.codes.parameters():
            if code.ndim == 2:
                nn.init.normal_(code, std=0.5)  # 25 times the others', as published
        if norm == "spectral":  # normalised weights cannot start at 0
            for layer in [*self.downs, *self.codes, self.logit]:
                spectral_norm(layer)
        else:
            nn.init.zeros_(self.logit.weight)

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        """Tell (x, E(x)) from (G(z), z)."""
        maps = leaky_relu(self.downs[0](2 * images - 1), 0.2)
        for down, code, norm in zip(self.downs[1:], self.codes, self.norms, strict=True):
            maps = leaky_relu(norm(down(maps) + _shift(codes, code)), 0.2)
        logits: Tensor = self.logit(maps.flatten(1)).squeeze(1)
        return logits.float()


def _norm(width: int, norm: Norm) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(width)
    return nn.GroupNorm(width // 8, width) if norm == "spectral" else nn.Identity()


def _start(network: nn.Module) -> None:
    """Weights from N(0, 0.02²), as published."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, std=0.02)
