"""The one interface every image network is used through: images in 0..1 → features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from undercoat.backbones.layers import as_map, caught_outputs, named_layers
from undercoat.backbones.misfit import misfit
from undercoat.backbones.sobel import Sobel
from undercoat.backbones.strided import guard_strided_convolutions
from undercoat.errors import SpecError

__all__ = ["Backbone"]


class Backbone(nn.Module):
    """A trunk with its normalisation: images (B, C, H, W) in 0..1 → features (B, D).

    Keeping mean and std beside the trunk means that nobody can feed it wrongly: the loader, the evaluators and
    the user's own code all hand over plain 0..1 images. A grey image (C = 1) is repeated for a trunk that
    takes three channels.

    Args:
        trunk: maps normalised images (B, channels, H, W) to features (B, dim).
        name: how to build the trunk again, such as ``"timm/resnet18"``; empty for a module of your own.
        dim: D, the number of features.
        channels: of the images.
        mean: per channel, in 0..1.
        std: per channel, in 0..1; each > 0.
        sobel: give the trunk two maps of edges in place of the normalised images.
        arguments: with ``name`` all that is needed to build this again.

    Example:
        >>> trunk = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> backbone = Backbone(trunk, name="", dim=3, channels=3, mean=[0.5] * 3, std=[0.5] * 3)
        >>> backbone(torch.ones(2, 3, 8, 8)).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        *,
        name: str,
        dim: int,
        channels: int,
        mean: Sequence[float],
        std: Sequence[float],
        sobel: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        guard_strided_convolutions(trunk)
        self.sobel = Sobel() if sobel else None
        self.name, self.dim, self.channels = name, dim, channels
        self.arguments: dict[str, Any] = dict(arguments or {})
        self.register_buffer("mean", torch.empty(1, channels, 1, 1), persistent=False)
        self.register_buffer("std", torch.empty(1, channels, 1, 1), persistent=False)
        self.set_normalisation(mean, std)

    def set_normalisation(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Use another mean and std (one number, or one per channel)."""
        for buffer, values in ((self.mean, mean), (self.std, std)):
            given = torch.as_tensor(list(values), dtype=torch.float32)
            buffer.copy_(given.expand(self.channels).reshape(1, -1, 1, 1))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names for :meth:`maps`, from input to output: ``conv1``, ``layer1`` …, in AlexNet ``conv1`` … ``conv5``."""
        return tuple(named_layers(self.trunk))

    def forward(self, images: Tensor) -> Tensor:
        """Return features (B, D) of images (B, C, H, W) in 0..1.

        Raises:
            SpecError: for a wrong number of channels, or images of a size that the trunk cannot take.
        """
        if images.shape[1] == 1 and self.channels > 1:
            images = images.expand(-1, self.channels, -1, -1)
        if images.shape[1] != self.channels:
            raise SpecError(
                f"{self._label} takes images of {self.channels} channels, not {images.shape[1]}; build it with "
                f"channels: {images.shape[1]}, or convert the images"
            )
        inputs = (images - self.mean) / self.std
        if self.sobel is not None:
            inputs = self.sobel(inputs)
        try:
            features: Tensor = self.trunk(inputs)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = misfit(self.trunk, inputs, name=self._label)
            if reason is None:
                raise
            raise SpecError(reason) from error
        return features

    def maps(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return the maps (B, c, h, w) that layers give, in one pass, differentiable.

        Maps are what the next layer sees: after the activation, where a layer ends with one (the stages of
        EfficientNet, ConvNeXt and transformers do not). A transformer's patches are put back in their places.

        Args:
            images: (B, C, H, W) in 0..1.
            layers: some of ``layer_names``, or dotted paths of modules in the trunk.

        Raises:
            SpecError: for an unknown layer, or one that gives no map.

        Example:
            >>> from undercoat.backbones import build_backbone
            >>> backbone = build_backbone("undercoat/alexnet", arguments={"stem": "small"})
            >>> backbone.maps(torch.rand(2, 3, 32, 32), ["conv1", "conv5"])["conv5"].shape
            torch.Size([2, 256, 7, 7])
        """
        with caught_outputs(self.trunk, layers, owner=self._label) as outputs:
            self(images)
        height, width = images.shape[-2:]
        maps = {}
        for layer in layers:
            found = as_map(outputs.get(layer), self.trunk, (height, width))
            if found is None:
                raise SpecError(
                    f"{layer!r} of {self._label} gives no map (B, C, H, W); use one of {', '.join(self.layer_names)}"
                )
            maps[layer] = found
        return maps

    @property
    def _label(self) -> str:
        return self.name or type(self.trunk).__name__
