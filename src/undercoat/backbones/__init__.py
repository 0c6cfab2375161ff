"""Backbones by name: ``library/model``, such as ``timm/resnet18`` or ``undercoat/alexnet``.

The library may be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from undercoat.backbones import alexnet, scattering, timm_models
from undercoat.backbones.backbone import Backbone
from undercoat.backbones.freezing import draw_rest_anew, frozen_parts, frozen_text
from undercoat.backbones.k_means_weights import refuse_special_convolutions, set_k_means_weights
from undercoat.backbones.trainable import TRAINABLE, norm_modules, set_mode, set_trainable
from undercoat.errors import SpecError, did_you_mean

__all__ = [
    "BACKBONES",
    "TRAINABLE",
    "Backbone",
    "build_backbone",
    "canonical_name",
    "draw_rest_anew",
    "frozen_parts",
    "frozen_text",
    "known_backbones",
    "norm_modules",
    "refuse_special_convolutions",
    "set_k_means_weights",
    "set_mode",
    "set_trainable",
]

#: our own networks → the module that has them
_OURS: dict[str, Any] = {name: module for module in (alexnet, scattering) for name in module.MODELS}


def _build_ours(model: str, **settings: Any) -> timm_models.Built:
    if model not in _OURS:
        hint = did_you_mean(model, _OURS)
        raise SpecError(f"'undercoat/{model}' is no model of ours{hint} (known: {', '.join(_OURS)})")
    built: timm_models.Built = _OURS[model].build(model, **settings)
    return built


#: library → function that builds ``model`` for images of ``channels`` and gives (trunk, dim, mean, std)
BACKBONES: dict[str, Callable[..., timm_models.Built]] = {"undercoat": _build_ours, "timm": timm_models.build}


def known_backbones() -> dict[str, str]:
    """List every backbone's full name with a word about it: ours first, then timm's."""
    ours = {f"undercoat/{name}": module.MODELS[name] for name, module in _OURS.items()}
    return ours | {f"timm/{name}": "" for name in timm_models.model_names()}


def canonical_name(name: str) -> str:
    """Spell a backbone's name in full: ``resnet18`` → ``timm/resnet18``.

    Raises:
        SpecError: when the library before the slash is not one we know.
    """
    library, slash, _ = name.partition("/")
    if not slash:
        return f"undercoat/{name}" if name in _OURS else f"timm/{name}"
    if library not in BACKBONES:
        hint = did_you_mean(library, BACKBONES)
        raise SpecError(f"{library!r} is no backbone library{hint} (undercoat list backbones)")
    return name


def build_backbone(
    name: str,
    *,
    channels: int = 3,
    arguments: dict[str, Any] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    seed: int = 0,
) -> Backbone:
    """Build a randomly initialised backbone; the same seed gives the same weights.

    Args:
        name: ``library/model``.
        channels: of the images.
        arguments: passed on to the library's constructor, but for two that are ours: ``sobel: true`` gives the trunk
            two maps of edges in place of the images (:class:`~undercoat.backbones.sobel.Sobel`), and ``stem: small``
            suits images of about 32 px.
        mean: per channel in 0..1; by default what the library states for the model.
        std: likewise.
        seed: of the random weights; the global generators are left as they were.

    Raises:
        SpecError: unknown library, model or argument.

    Example:
        >>> backbone = build_backbone("timm/resnet18", seed=1)
        >>> backbone.dim
        512
    """
    full = canonical_name(name)
    library, _, model = full.partition("/")
    given = dict(arguments or {})
    sobel = given.pop("sobel", False)
    if not isinstance(sobel, bool):
        raise SpecError(f"sobel: {sobel!r} is neither true nor false")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = BACKBONES[library](model, channels=channels, arguments=given, sobel=sobel)
    return Backbone(
        built.trunk,
        name=full,
        dim=built.dim,
        channels=channels,
        mean=built.mean if mean is None else mean,
        std=built.std if std is None else std,
        sobel=sobel,
        arguments=arguments,
    )
