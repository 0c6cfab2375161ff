"""Which part of a backbone a coat may change: all of it, its norms, its norms' statistics, or nothing.

Norm-only training is HPT-BN of Reed et al. 2021 (section 3.2): convolutions stay as they were, every norm's
scale and shift are trained and its running statistics follow the new data. Trainability is set before any
wrapping for several processes: a wrapper registers the parameters that need a gradient when it is made, and
would leave out those switched on later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from undercoat.backbones.backbone import Backbone
from undercoat.backbones.freezing import Frozen, frozen_parts
from undercoat.errors import SpecError

__all__ = ["TRAINABLE", "batch_norms", "new_statistics", "norm_modules", "set_mode", "set_trainable"]

TRAINABLE = ("all", "norm", "head", "statistics")


def norm_modules(module: nn.Module) -> list[nn.Module]:
    """Return every normalisation layer of ``module``: batch, group, layer, instance and RMS norms.

    timm's own norms are subclasses of torch's or carry "Norm" in their class name.
    """
    kinds = (_BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm1d, nn.InstanceNorm2d)
    return [
        part
        for part in module.modules()
        if isinstance(part, kinds) or ("Norm" in type(part).__name__ and any(True for _ in part.parameters(False)))
    ]


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """Return the layers of ``module`` that keep running batch statistics."""
    return [part for part in module.modules() if isinstance(part, _BatchNorm) and part.running_mean is not None]


@contextmanager
def new_statistics(module: nn.Module) -> Iterator[None]:
    """Forget the batch statistics of norms in training mode, and take those of the batches that are run meanwhile.

    Every batch counts the same (cumulative average), so that the old statistics leave no trace.
    """
    norms = [norm for norm in batch_norms(module) if norm.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()  # type: ignore[operator]
        norm.momentum = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def set_trainable(backbone: nn.Module, part: str, *, frozen: Sequence[str] = ()) -> None:
    """Set ``requires_grad`` of every parameter of ``backbone``.

    Args:
        backbone: changed in place.
        part: ``all``; ``norm`` (norms' scale and shift only); ``head`` or ``statistics`` (nothing).
        frozen: layers of a :class:`Backbone` that stay as they are all the same, with everything before them.

    Raises:
        SpecError: for an unknown part or layer, or when the backbone has no norms to train or refresh.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        >>> set_trainable(net, "norm")
        >>> [name for name, weight in net.named_parameters() if weight.requires_grad]
        ['1.weight', '1.bias']
    """
    if part not in TRAINABLE:
        raise SpecError(f"train: {part!r} is not one of {', '.join(TRAINABLE)}")
    if part == "statistics" and not batch_norms(backbone):
        raise SpecError(
            f"{_name(backbone)} keeps no batch statistics to refresh; use train: all or leave this coat out"
        )
    for parameter in backbone.parameters():
        parameter.requires_grad_(part == "all")
    if part == "norm":
        chosen = [weight for norm in norm_modules(backbone) for weight in norm.parameters()]
        if not chosen:
            raise SpecError(f"{_name(backbone)} has no normalisation layers to train; use train: all or train: head")
        for parameter in chosen:
            parameter.requires_grad_(True)
    for name in _frozen(backbone, frozen).parameters:
        backbone.get_parameter(f"trunk.{name}").requires_grad_(False)


def set_mode(backbone: nn.Module, part: str, *, frozen: Sequence[str] = ()) -> None:
    """Put ``backbone`` in the mode that training ``part`` needs.

    ``norm`` keeps dropout and the like on, as the published HPT-BN does; with ``head`` nothing in the backbone
    may move, so it is in evaluation mode; with ``statistics`` only the batch norms are in training mode. Layers that
    are ``frozen`` are in evaluation mode, with everything before them.
    """
    backbone.train(part in ("all", "norm"))
    if part == "statistics":
        for norm in batch_norms(backbone):
            norm.train()
    for path in _frozen(backbone, frozen).modules:
        backbone.get_submodule(f"trunk.{path}").training = False


def _frozen(backbone: nn.Module, layers: Sequence[str]) -> Frozen:
    return frozen_parts(backbone, layers) if isinstance(backbone, Backbone) else Frozen()


def _name(backbone: nn.Module) -> str:
    return getattr(backbone, "name", "") or type(backbone).__name__
