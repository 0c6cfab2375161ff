"""First weights from a few hundred unlabelled images: filters are centres of clusters of patches.

Krähenbühl et al. 2016 ("Data-dependent Initializations of Convolutional Neural Networks") go through the layers from
the input: k-means of whitened patches gives a layer's filters, then its outputs are brought to mean 0 and variance 1
over the images. So it is here. Left out is what they call between-layer normalisation, which evens out how fast layers
learn and asks for a loss: it changes no ratio between the filters of a layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from undercoat.backbones.backbone import Backbone
from undercoat.backbones.freezing import evaluation_mode
from undercoat.backbones.strided import StridedConv2d
from undercoat.errors import SpecError
from undercoat.functional.clustering import k_means
from undercoat.functional.draws import Draws

__all__ = ["refuse_special_convolutions", "set_k_means_weights"]

_PATCHES = 10_000  # of each layer's input maps
_BATCH = 32
_AXES = 256  # principal axes of the patches that are kept
_ITERATIONS = 20
_RIDGE = 0.1  # added to variances of patches, whose numbers have variance 1 each, before they are divided by


class _Layer(NamedTuple):
    """A convolution and the batch norm that comes right after it, if one does."""

    convolution: nn.Conv2d
    norm: _BatchNorm | None


def set_k_means_weights(backbone: Backbone, images: Tensor, *, seed: int = 0) -> None:
    """Set every convolution of a network from images, layer by layer from the input.

    For each layer up to 10,000 patches are drawn from its input maps, evenly over the images and at random places.
    Each is brought to mean 0 and variance 1; they are turned to their 256 largest principal axes, divided by the root
    of the variance along each plus 0.1, scaled to length 1, and clustered (20 iterations); a cluster's mean direction,
    turned back, is a filter. In a convolution with groups, each has patches and clusters of its own. Filter and bias
    are then scaled so that the outputs over all images have mean 0 and variance 1 in every channel; without a bias,
    the running mean of the batch norm takes its place. Batch norms begin with scale 1 and shift 0. Linear layers stay
    as they are.

    Args:
        backbone: changed in place, on the CPU; its mean and std are used as they are.
        images: (N, C, H, W) in 0..1, of the size that it will be used at; 160 in the paper.
        seed: of the patches' places and the clusters.

    Raises:
        SpecError: for a network with depthwise or special convolutions, or with fewer than two, and for too few images.
    """
    refuse_special_convolutions(backbone)
    with torch.no_grad(), evaluation_mode(backbone):
        for number, layer in enumerate(_layers(backbone, images[:1])):
            _set_filters(backbone, layer, images, number=number, seed=seed)
            _normalise(backbone, layer, images)


def _layers(backbone: Backbone, image: Tensor) -> list[_Layer]:
    """The convolutions in the order in which they are used."""
    order: list[nn.Module] = []
    leaves = [part for part in backbone.trunk.modules() if isinstance(part, nn.Conv2d | _BatchNorm)]
    handles = [part.register_forward_hook(lambda module, inputs, output: order.append(module)) for part in leaves]
    try:
        backbone(image)
    finally:
        for handle in handles:
            handle.remove()
    return [
        _Layer(part, after if isinstance(after, _BatchNorm) and after.num_features == part.out_channels else None)
        for part, after in zip(order, [*order[1:], None], strict=True)
        if isinstance(part, nn.Conv2d)
    ]


def refuse_special_convolutions(backbone: Backbone) -> None:
    """Stop at a network that is no chain of plain convolutions.

    Raises:
        SpecError: for depthwise and other special convolutions, and where there are fewer than two.
    """
    found = [part for part in backbone.trunk.modules() if isinstance(part, nn.Conv2d)]
    if len(found) < 2 or not all(_plain(conv) for conv in found):
        raise SpecError(
            "k-means first weights are for networks of plain convolutions, such as undercoat/alexnet and ResNets, "
            f"and {backbone.name or type(backbone.trunk).__name__} is none; use init: random"
        )


def _plain(conv: nn.Conv2d) -> bool:
    kind = type(conv) in (nn.Conv2d, StridedConv2d)
    return kind and conv.out_channels > conv.groups and not isinstance(conv.padding, str)


def _set_filters(backbone: Backbone, layer: _Layer, images: Tensor, *, number: int, seed: int) -> None:
    conv = layer.convolution
    assert not isinstance(conv.padding, str)
    each = -(-_PATCHES // len(images))
    zero = np.zeros(len(images), dtype=np.int64)
    draws = Draws(seed=seed, epoch=zero, index=np.arange(len(images))).uniform(f"k-means patches {number}", each)
    drawn, done = [], 0
    for maps in _inputs(backbone, conv, images):
        columns = F.unfold(maps, conv.kernel_size, conv.dilation, conv.padding, conv.stride)  # (b, C k k, places)
        places = torch.as_tensor(draws[done : done + len(maps)] * columns.shape[2]).long()[:, None, :]
        places = places[..., : min(each, columns.shape[2])].expand(-1, columns.shape[1], -1)
        drawn.append(columns.gather(2, places).transpose(1, 2).flatten(0, 1))
        done += len(maps)
    groups = torch.cat(drawn).chunk(conv.groups, dim=1)
    share = conv.out_channels // conv.groups
    filters = [_centres(patches, share, seed=seed + number) for patches in groups]
    conv.weight.copy_(torch.cat(filters).reshape_as(conv.weight))
    if conv.bias is not None:
        conv.bias.zero_()
    if layer.norm is not None:
        layer.norm.reset_parameters()  # also its running statistics: 0 and 1


def _centres(patches: Tensor, clusters: int, *, seed: int) -> Tensor:
    """Directions of clusters of whitened patches, as filters (clusters, D) for patches that are not whitened.

    Raises:
        SpecError: for fewer patches than clusters.
    """
    spread, mean = torch.std_mean(patches, dim=1, keepdim=True, correction=0)
    kept = spread[:, 0] > 1e-3 * spread.mean()  # flat patches have no direction
    if int(kept.sum()) < clusters:
        raise SpecError(
            f"the images give {int(kept.sum()):,} patches for a layer of {clusters:,} filters; give k-means first "
            "weights more or larger images"
        )
    patches = ((patches - mean) / spread)[kept]
    centred = patches - patches.mean(dim=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of the randomised search for the axes
        _, lengths, axes = torch.pca_lowrank(centred, q=min(_AXES, *centred.shape), center=False, niter=2)
    scale = (lengths.square() / len(centred) + _RIDGE).rsqrt()
    directions = F.normalize(centred @ axes * scale, dim=1)
    labels = k_means(directions, clusters, iterations=_ITERATIONS, seed=seed)
    centres = F.normalize(torch.zeros(clusters, axes.shape[1]).index_add_(0, labels, directions), dim=1)
    return (centres * scale) @ axes.T


def _normalise(backbone: Backbone, layer: _Layer, images: Tensor) -> None:
    """Bring each channel's output, before the norm and the activation, to mean 0 and variance 1 over the images."""
    conv, count = layer.convolution, 0
    total = torch.zeros(conv.out_channels, dtype=torch.float64)
    squares = torch.zeros_like(total)
    for maps in _inputs(backbone, conv, images):
        output = conv(maps).double()
        count += output.numel() // conv.out_channels
        total += output.sum(dim=(0, 2, 3))
        squares += output.square().sum(dim=(0, 2, 3))
    mean = total / count
    spread = (squares / count - mean.square()).clamp(min=0).sqrt()
    scale = torch.where(spread > 1e-6 * spread.max(), 1 / spread, 1.0)  # a channel that never changes stays as it is
    conv.weight.mul_(scale.float()[:, None, None, None])
    if conv.bias is not None:
        conv.bias.copy_(-mean * scale)
    elif layer.norm is not None and layer.norm.running_mean is not None:
        layer.norm.running_mean.copy_(mean * scale)


class _Reached(Exception):  # noqa: N818 - it ends a pass early and is no error
    """The layer of interest has its input."""


def _inputs(backbone: Backbone, conv: nn.Conv2d, images: Tensor) -> Iterator[Tensor]:
    """What a convolution is given for the images, a batch at a time; the pass ends there."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any) -> None:
        seen.append(inputs[0])
        raise _Reached

    handle = conv.register_forward_pre_hook(keep)
    try:
        for batch in torch.split(images, _BATCH):
            with suppress(_Reached):
                backbone(batch)
    finally:
        handle.remove()
    yield from seen
