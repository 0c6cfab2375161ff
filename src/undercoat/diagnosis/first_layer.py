"""What the first layer of a network does to an image: its filters with everything folded in that scales them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, pad

from undercoat.backbones import Backbone
from undercoat.errors import RunError, SpecError
from undercoat.evaluation.frozen import frozen
from undercoat.functional.draws import Draws

__all__ = ["FirstLayer", "alike", "first_filters", "first_layer"]

_SIZES_PX = (64, 224)  # of the image that shows which layer comes first; transformers insist on theirs


class FirstLayer(NamedTuple):
    """The first layer of a network: its weights, and what it looks through.

    Attributes:
        weights: (F, C, k, k) float32 with what scales them folded in; C is 3 or 1, or 2 with edges.
        edges: the two edge filters that a Sobel network looks through, (2, 1, 3, 3), or None.
    """

    weights: Tensor
    edges: Tensor | None = None

    @property
    def filters(self) -> Tensor:
        """What the layer does to an image: (F, C, k, k), with edges (F, 1, k + 2, k + 2)."""
        return _through(self.weights, self.edges)

    def by_chance(self, *, count: int | None = None, draw: int = 0, seed: int = 0) -> Tensor:
        """Filters that a layer of the same kind has by chance: normal weights, seen through the same edge filters.

        Args:
            count: how many; by default as many as the layer has.
            draw: which set of them.
            seed: with ``draw`` all that the numbers depend on.

        Returns:
            (count, …) like ``filters``.
        """
        number, *shape = self.weights.shape
        numbers = _draws(number if count is None else count, draw, seed).normal("random filters", prod(shape))
        return _through(torch.from_numpy(numbers).float().view(-1, *shape), self.edges)

    def shuffled(self, *, draw: int = 0, seed: int = 0) -> Tensor:
        """The layer's filters with the places of each one's weights in another random order, channels together.

        Colours and strengths stay; only the layout is lost.

        Example:
            >>> mixed = FirstLayer(torch.arange(8.0).view(1, 2, 2, 2)).shuffled()
            >>> (mixed[0, 1] - mixed[0, 0]).tolist()  # channels stay together
            [[4.0, 4.0], [4.0, 4.0]]
        """
        count, channels, height, width = self.weights.shape
        order = torch.from_numpy(_draws(count, draw, seed).uniform("layout of filters", height * width)).argsort(dim=1)
        places = self.weights.reshape(count, channels, -1)
        return _through(places.gather(2, order[:, None].expand(-1, channels, -1)).view_as(self.weights), self.edges)


def _draws(count: int, draw: int, seed: int) -> Draws:
    return Draws(seed=seed, epoch=np.full(count, draw, dtype=np.int64), index=np.arange(count))


def _through(weights: Tensor, edges: Tensor | None) -> Tensor:
    """Correlating with edge filters and then with weights is correlating once with their full convolution."""
    return weights if edges is None else conv_transpose2d(weights, edges)


def first_layer(backbone: Backbone) -> FirstLayer:
    """Return the filters of the first convolution, as what the whole first layer does.

    Batch norm that follows at once scales each filter by γ / √(σ² + ε), and so does this; a negative γ turns a
    filter into its opposite, a small one makes it faint. RotNet's authors draw their filters so. A network that
    sees two maps of edges (Sobel) is shown by what it does to the grey image: the two filters through the edge filters,
    added up.

    Args:
        backbone: any network that begins with a convolution; its state is left alone.

    Raises:
        SpecError: for a network without a convolution.
        RunError: when its numbers are not finite.

    Example:
        >>> from undercoat.backbones import build_backbone
        >>> first_layer(build_backbone("undercoat/alexnet")).filters.shape
        torch.Size([96, 3, 11, 11])
        >>> first_layer(build_backbone("undercoat/alexnet", arguments={"sobel": True})).filters.shape
        torch.Size([96, 1, 13, 13])
    """
    convolution, norm = _first_modules(backbone)
    weights = convolution.weight.detach().float().cpu()
    if norm is not None:
        assert norm.running_var is not None
        gain = torch.rsqrt(norm.running_var.detach().float().cpu() + norm.eps)
        if norm.weight is not None:
            gain = gain * norm.weight.detach().float().cpu()
        weights = weights * gain[:, None, None, None]
    if not bool(weights.isfinite().all()):
        raise RunError(
            f"the first layer of {backbone.name or 'this network'} has numbers that are not finite; look at its loss"
        )
    edges = None if backbone.sobel is None else backbone.sobel.kernels.detach().float().cpu()
    return FirstLayer(weights, edges)


def first_filters(backbone: Backbone) -> Tensor:
    """Return :func:`first_layer`'s filters alone, (F, C, k, k)."""
    return first_layer(backbone).filters


def _first_modules(backbone: Backbone) -> tuple[nn.Conv2d, nn.BatchNorm2d | None]:
    """The first convolution that runs, and the batch norm that takes its output as it is."""
    convolutions: list[nn.Conv2d] = []
    outputs: list[Tensor] = []
    norms: list[nn.BatchNorm2d] = []

    def see(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, nn.Conv2d) and not convolutions:
            convolutions.append(module)
            outputs.append(output)
        elif isinstance(module, nn.BatchNorm2d) and outputs and inputs[0] is outputs[0]:
            norms.append(module)

    handles = [part.register_forward_hook(see) for part in backbone.trunk.modules()]
    try:
        with frozen(backbone, torch.device("cpu")), torch.no_grad():
            _run(backbone, lambda: bool(convolutions))
    finally:
        for handle in handles:
            handle.remove()
    if not convolutions:
        raise SpecError(f"{backbone.name or 'this network'} has no convolution, so it has no filters to look at")
    running = bool(norms) and norms[0].running_var is not None
    return convolutions[0], norms[0] if running else None


def _run(backbone: Backbone, begun: Callable[[], bool]) -> None:
    """Show the network an image of a size that it takes; how it ends does not matter once it has begun."""
    for size_px in _SIZES_PX:
        try:
            backbone(torch.zeros(1, backbone.channels, size_px, size_px))
        except SpecError:
            if size_px == _SIZES_PX[-1] and not begun():
                raise
        else:
            return


def alike(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Bring two sets of filters to one shape, in which what they do to the same image can be compared.

    Smaller filters get a border of zeros. Where one set takes colour and the other grey, both are reduced to what they
    do to a grey image: the sum over channels.

    Args:
        first: (F, C, k, k).
        second: (G, D, l, l).

    Example:
        >>> one, other = alike(torch.ones(2, 3, 3, 3), torch.ones(4, 1, 5, 5))
        >>> one.shape, other.shape, one[0, 0, 2, 2].item()
        (torch.Size([2, 1, 5, 5]), torch.Size([4, 1, 5, 5]), 3.0)
    """
    if first.shape[1] != second.shape[1]:
        first, second = first.sum(dim=1, keepdim=True), second.sum(dim=1, keepdim=True)
    height, width = (max(first.shape[axis], second.shape[axis]) for axis in (2, 3))
    return _bordered(first, height, width), _bordered(second, height, width)


def _bordered(filters: Tensor, height: int, width: int) -> Tensor:
    down, across = height - filters.shape[2], width - filters.shape[3]
    return pad(filters, (across // 2, across - across // 2, down // 2, down - down // 2))
