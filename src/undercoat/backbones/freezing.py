"""Early layers that stay as they are while the rest of a network is trained, from its weights or from new ones.

Yosinski et al. 2014 ask so how general a layer is; Asano et al. 2020 keep conv1 and conv2 of a network trained on one
image. A layer is frozen together with all that its output depends on. What that is, is found by running the network
once rather than from the order in which its modules were written down, so that it holds for any of timm's networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from undercoat.backbones.backbone import Backbone
from undercoat.backbones.layers import path_of
from undercoat.errors import SpecError

__all__ = ["Frozen", "draw_rest_anew", "evaluation_mode", "frozen_parts", "frozen_text"]

#: sides of the images that are tried, in px; some networks take one size only
_TRIED_PX = (96, 224, 32, 256)


class Frozen(NamedTuple):
    """What of a trunk stays as it is.

    Attributes:
        parameters: names in the trunk.
        modules: paths of the modules that stay in evaluation mode, so that their batch statistics stay too.
    """

    parameters: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()

    def holds(self, key: str) -> bool:
        """Whether an entry of the trunk's state is a frozen parameter, or a buffer of a frozen module."""
        return key in self.parameters or key.rpartition(".")[0] in self.modules


def frozen_parts(backbone: Backbone, layers: Sequence[str]) -> Frozen:
    """Find what the outputs of ``layers`` depend on: these layers and everything before them.

    Weights are those that the outputs have a gradient for; modules are those that are done when the last of the
    layers is.

    Args:
        backbone: left as it was.
        layers: some of its ``layer_names``, or dotted paths of modules in its trunk; none freezes nothing.

    Raises:
        SpecError: for a layer that it does not have, or never uses.

    Example:
        >>> from undercoat.backbones import build_backbone
        >>> network = build_backbone("undercoat/alexnet", arguments={"stem": "small", "norm": "none"})
        >>> [name for name in sorted(frozen_parts(network, ["conv2"]).parameters) if name.endswith("weight")]
        ['conv1.weights.weight', 'conv2.weights.weight']
    """
    if not layers:
        return Frozen()
    trunk, owner = backbone.trunk, backbone.name or type(backbone.trunk).__name__
    paths = [path_of(trunk, layer, owner=owner) for layer in layers]
    weights = {key: value.detach().requires_grad_() for key, value in trunk.named_parameters()}
    for images in _images(backbone):
        late = suppress(RuntimeError, ValueError, AssertionError)  # what comes after the last of the layers may fail
        with evaluation_mode(trunk), torch.enable_grad(), _traced(trunk, paths) as (called, outputs), late:
            functional_call(trunk, weights, (images,))
        if len(outputs) == len(set(paths)):
            return Frozen(_upstream(list(outputs.values()), weights), _done(trunk, called, paths))
    unused = ", ".join(layer for layer, path in zip(layers, paths, strict=True) if path not in outputs)
    raise SpecError(f"{owner} makes no use of {unused} of its own, so it cannot be frozen; name the module around it")


def draw_rest_anew(backbone: Backbone, layers: Sequence[str], fresh: Backbone) -> None:
    """Give all but the frozen layers the weights and statistics of ``fresh``.

    Args:
        backbone: changed in place; its mean and std stay, for the frozen layers were trained with them.
        layers: that keep what they have, with everything before them.
        fresh: the same network, as it is built from a seed.

    Raises:
        SpecError: for an unknown layer.
    """
    frozen, own = frozen_parts(backbone, layers), backbone.trunk.state_dict()
    new = fresh.trunk.state_dict()
    backbone.trunk.load_state_dict({key: value if frozen.holds(key) else new[key] for key, value in own.items()})


def frozen_text(layers: Sequence[str]) -> str:
    """Say what is frozen.

    Example:
        >>> frozen_text(["conv1", "conv2"]), frozen_text(["layer1"])
        ('conv1–conv2 frozen', 'up to layer1 frozen')
    """
    return f"{layers[0]}–{layers[-1]} frozen" if len(layers) > 1 else f"up to {layers[0]} frozen"


def _images(backbone: Backbone) -> Iterator[Tensor]:
    """One black image at each size that the trunk may take."""
    parts = getattr(backbone.trunk, "patch_embed", None)
    wanted: Any = getattr(parts, "img_size", None) or ()
    weight = next(backbone.trunk.parameters(), torch.empty(0))
    for side in dict.fromkeys((*wanted[:1], *_TRIED_PX)):
        yield torch.zeros(1, 2 if backbone.sobel is not None else backbone.channels, side, side, device=weight.device)


@contextmanager
def evaluation_mode(trunk: nn.Module) -> Iterator[None]:
    """Have a network in evaluation mode for a while; each of its modules has its own mode back afterwards."""
    modes = [(part, part.training) for part in trunk.modules()]
    trunk.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def _traced(trunk: nn.Module, paths: list[str]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Modules' paths in the order in which they are done, and what those at ``paths`` give, in passes made here."""
    order: list[str] = []
    outputs: dict[str, Any] = {}

    def note(path: str, module: nn.Module, inputs: Any, output: Any) -> None:
        order.append(path)
        if path in paths:  # a copy, for the next module may write over it
            outputs[path] = output.clone() if isinstance(output, Tensor) else output

    handles = [part.register_forward_hook(partial(note, path)) for path, part in trunk.named_modules()]
    try:
        yield order, outputs
    finally:
        for handle in handles:
            handle.remove()


def _upstream(outputs: list[Any], weights: dict[str, Tensor]) -> frozenset[str]:
    """Names of the weights that tensors depend on."""
    parts = [part for output in outputs for part in (output if isinstance(output, tuple | list) else [output])]
    total = sum(part.float().sum() for part in parts if isinstance(part, Tensor))
    if not isinstance(total, Tensor) or not total.requires_grad:
        return frozenset()
    gradients = torch.autograd.grad(total, list(weights.values()), allow_unused=True)
    return frozenset(key for key, gradient in zip(weights, gradients, strict=True) if gradient is not None)


def _done(trunk: nn.Module, called: list[str], paths: list[str]) -> frozenset[str]:
    """Modules that are done with the last of ``paths``, with all that they hold."""
    last = max(place for place, path in enumerate(called) if path in paths)
    parts = {path: trunk.get_submodule(path) for path in called[: last + 1]}
    return frozenset(f"{path}.{inner}".rstrip(".") for path, part in parts.items() for inner, _ in part.named_modules())
