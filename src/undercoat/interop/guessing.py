"""Which network weights were made for, where their shapes leave no doubt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from undercoat.backbones import timm_models

__all__ = ["Guess", "guess_backbone", "input_channels"]

State = Mapping[str, Tensor]

#: (whether blocks are bottlenecks, width of the first 3 × 3, groups, blocks a layer) → timm's name
_RESNETS: dict[tuple[bool, int, int, tuple[int, ...]], str] = {
    (False, 64, 1, (2, 2, 2, 2)): "resnet18",
    (False, 64, 1, (3, 4, 6, 3)): "resnet34",
    (True, 64, 1, (3, 4, 6, 3)): "resnet50",
    (True, 64, 1, (3, 4, 23, 3)): "resnet101",
    (True, 64, 1, (3, 8, 36, 3)): "resnet152",
    (True, 128, 1, (3, 4, 6, 3)): "wide_resnet50_2",
    (True, 128, 1, (3, 4, 23, 3)): "wide_resnet101_2",
    (True, 128, 32, (3, 4, 6, 3)): "resnext50_32x4d",
    (True, 256, 32, (3, 4, 23, 3)): "resnext101_32x8d",
}
#: (features, blocks) → size in timm's names
_TRANSFORMERS = {(192, 12): "tiny", (384, 12): "small", (768, 12): "base", (1024, 24): "large", (1280, 32): "huge"}
_FIRST = (
    "conv1.weight",
    "conv1.0.weight",
    "patch_embed.proj.weight",
    "conv_stem.weight",
    "stem.0.weight",
    "stem.conv.weight",
    "stem.conv1.weight",
    "features.0.weight",
)


class Guess(NamedTuple):
    """A network by name, with arguments of its constructor, and what the shapes cannot tell about it."""

    name: str
    arguments: dict[str, Any]
    notes: tuple[str, ...] = ()


def input_channels(state: State) -> int | None:
    """Channels of the images that the first convolution takes; None where it is not known by name."""
    return next((int(state[name].shape[1]) for name in _FIRST if name in state and state[name].ndim == 4), None)


def guess_backbone(state: State, *, layout: str | None = None) -> Guess | None:
    """Name the network of some weights, or None where several or none would fit.

    Args:
        state: by timm's names.
        layout: name of the layout that they came in: MoCo v3's small transformer has 12 heads in place of 6.

    Example:
        >>> from undercoat.backbones import build_backbone
        >>> guess_backbone(build_backbone("timm/resnet18").trunk.state_dict()).name
        'timm/resnet18'
    """
    found = _resnet(state) or _transformer(state, layout)
    if found is not None and found.arguments.get("stem") == "small" and layout == "solo_learn":
        return found._replace(notes=(*found.notes, "solo-learn pads it by 2, so features differ at the edges"))
    return found


def _resnet(state: State) -> Guess | None:
    first, middle = state.get("conv1.weight"), state.get("layer1.0.conv2.weight")
    if first is None or middle is None or first.ndim != 4 or middle.ndim != 4 or first.shape[0] != 64:
        return None
    if "bn1.running_mean" not in state or any(
        re.match(r"layer\d\.\d+\.(se|attn|conv4|bn4|downsample\.2)\b", name) for name in state
    ):
        return None  # relatives: group norm, squeeze and excitation, average pooling before the shortcut
    blocks = {(int(found[1]), int(found[2])) for name in state if (found := re.match(r"layer(\d)\.(\d+)\.", name))}
    counts = tuple(sum(layer == number for layer, _ in blocks) for number in sorted({layer for layer, _ in blocks}))
    width, per_group = middle.shape[:2]
    kind = ("layer1.0.conv3.weight" in state, int(width), int(width // per_group), counts)
    if kind not in _RESNETS or first.shape[2] not in (3, 7):
        return None
    small = first.shape[2] == 3
    note = (
        "the first convolution is 3 × 3, taken as that of a network for small images (stride 1, padding 1, no pooling)"
    )
    return Guess(f"timm/{_RESNETS[kind]}", {"stem": "small"} if small else {}, (note,) if small else ())


def _transformer(state: State, layout: str | None) -> Guess | None:
    token, places, patches = (state.get(name) for name in ("cls_token", "pos_embed", "patch_embed.proj.weight"))
    if token is None or places is None or patches is None or patches.ndim != 4:
        return None
    if any(re.match(r"reg_token|register_tokens|dist_token|norm_pre|blocks\.0\.(ls1|attn\.q_norm)", n) for n in state):
        return None  # registers, distillation, layer scale: several networks have these
    blocks = {found[1] for name in state if (found := re.match(r"blocks\.(\d+)\.", name))}
    size, patch = _TRANSFORMERS.get((int(token.shape[-1]), len(blocks))), int(patches.shape[-1])
    side = round((places.shape[1] - 1) ** 0.5)
    if size is None or side**2 != places.shape[1] - 1:
        return None
    arguments: dict[str, Any] = {"num_heads": 12} if layout == "moco_v3" and size == "small" else {}
    name = f"vit_{size}_patch{patch}_{side * patch}"
    if not timm_models.model_names(name):
        name, arguments = f"vit_{size}_patch{patch}_224", {**arguments, "img_size": side * patch}
    if name not in timm_models.model_names(name):
        return None
    note = f"a vision transformer for images of {side * patch} × {side * patch} px: stages need size_px: {side * patch}"
    return Guess(f"timm/{name}", arguments, (note,))
