"""Dialects: how the tensors of one network are named by different libraries, brought to timm's names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

__all__ = ["DIALECTS", "to_timm_names"]

State = Mapping[str, Tensor]
Pairs = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]


class Dialect(NamedTuple):
    """A way to name tensors: how to know it, and how to say it in timm's names."""

    title: str
    spoken: Callable[[State], bool]
    rename: Callable[[State], dict[str, Tensor]]
    warn: Callable[[State], tuple[str, ...]] = lambda state: ()  # what timm's network does otherwise


def _replaced(pairs: Pairs) -> Callable[[State], dict[str, Tensor]]:
    def rename(state: State) -> dict[str, Tensor]:
        renamed = {}
        for name, tensor in state.items():
            for pattern, replacement in pairs:
                name = re.sub(pattern, replacement, name)
            renamed[name] = tensor
        return renamed

    return rename


def _is_numbered(state: State) -> bool:
    return any(re.match(r"\d+\.\d+\.(conv1|bn1)\.", name) for name in state)


def _roles(state: State) -> dict[int, str]:
    """``Sequential(*children)`` of a ResNet: which number is what follows from what lies below it."""
    numbers = sorted({int(name.split(".")[0]) for name in state if name.split(".")[0].isdigit()})
    roles: dict[int, str] = {}
    layer = 0
    for number in numbers:
        below = [name.partition(".")[2] for name in state if name.startswith(f"{number}.")]
        if any(re.match(r"\d+\.", name) for name in below):
            layer += 1
            roles[number] = f"layer{layer}"
        elif "weight" in below and state[f"{number}.weight"].ndim == 4:
            roles[number] = "conv1"
        elif "running_mean" in below and "conv1" in roles.values():  # not a norm of the input, which stays as it is
            roles[number] = "bn1"
    return roles


def _rename_numbered(state: State) -> dict[str, Tensor]:
    roles = _roles(state)
    renamed = {}
    for name, tensor in state.items():
        number, _, rest = name.partition(".")
        renamed[f"{roles.get(int(number), number)}.{rest}" if number.isdigit() else name] = tensor
    return _replaced([(r"\.shortcut\.([01])\.", r".downsample.\1.")])(renamed)


def _without_relu(state: State) -> tuple[str, ...]:
    """Children that follow each other without a gap have no ReLU between them, as lightly's own ResNet has it."""
    number = {role: number for number, role in _roles(state).items()}
    if number.get("layer1", 0) - number.get("bn1", 0) != 1:
        return ()
    return (
        "these numbered layers had no ReLU after the first batch norm and timm's network has one, so features differ "
        "from the original's until it is trained on",
    )


#: name → dialect; a file speaks at most one
DIALECTS: dict[str, Dialect] = {
    "numbered": Dialect("numbered children of a ResNet", _is_numbered, _rename_numbered, _without_relu),
    "detectron2": Dialect(
        "detectron2's ResNet",
        lambda state: any(name.startswith("res2.") for name in state),
        _replaced(
            [
                (r"^stem\.conv1\.norm\.", "bn1."),
                (r"^stem\.bn1\.", "bn1."),
                (r"^stem\.conv1\.", "conv1."),
                (r"^res([2-5])\.", lambda found: f"layer{int(found[1]) - 1}."),
                (r"\.conv([123])\.norm\.", r".bn\1."),
                (r"\.shortcut\.norm\.", ".downsample.1."),
                (r"\.shortcut\.", ".downsample.0."),
            ]
        ),
    ),
    "shortcut": Dialect(
        "ResNet with shortcuts",
        lambda state: any(re.match(r"layer\d\.\d+\.shortcut\.[01]\.", name) for name in state),
        _replaced([(r"\.shortcut\.([01])\.", r".downsample.\1.")]),
    ),
    "torchvision_vit": Dialect(
        "torchvision's vision transformer",
        lambda state: "conv_proj.weight" in state and "class_token" in state,
        _replaced(
            [
                (r"^conv_proj\.", "patch_embed.proj."),
                (r"^class_token$", "cls_token"),
                (r"^encoder\.pos_embedding$", "pos_embed"),
                (r"^encoder\.ln\.", "norm."),
                (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
                (r"\.ln_([12])\.", r".norm\1."),
                (r"\.self_attention\.in_proj_", ".attn.qkv."),
                (r"\.self_attention\.out_proj\.", ".attn.proj."),
                (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
                (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."),
            ]
        ),
    ),
}


def to_timm_names(state: State) -> tuple[dict[str, Tensor], str | None, tuple[str, ...]]:
    """Rename a backbone's tensors to timm's names.

    Args:
        state: the backbone's tensors, without what stands before their own names.

    Returns:
        the tensors by timm's names; the title of the dialect that they were in, None for timm's own; and what timm's
        network does otherwise.
    """
    for dialect in DIALECTS.values():
        if dialect.spoken(state):
            return dialect.rename(state), dialect.title, dialect.warn(state)
    return dict(state), None, ()
