"""Layers by name: one vocabulary for all networks, and their maps from one pass.

``conv1`` is the stem after its activation, ``layer1`` … are the stages that timm describes (in a ResNet these are
the modules of that name). In AlexNet the layers are ``conv1`` … ``conv5``. Besides, any module of the trunk can be
named by its dotted path, such as ``layer1.0.bn2``; where a path is also a layer's name, the name comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from undercoat.errors import SpecError, did_you_mean

__all__ = ["as_map", "caught_outputs", "named_layers", "path_of"]

#: what is done with a layer's name and its output, and what is kept of it
Keep = Callable[[str, Any], Any]


def named_layers(trunk: nn.Module) -> dict[str, str]:
    """Return the layers' names with the paths of their modules, from input to output.

    Vision transformers have no ``conv1``; each of their blocks is a layer. A network that describes no stages has
    no names, only paths.

    Example:
        >>> from undercoat.backbones import build_backbone
        >>> named_layers(build_backbone("timm/test_resnet").trunk)["conv1"]
        'act1'
    """
    own = getattr(trunk, "LAYERS", None)
    if own is not None:
        return {name: name for name in own}
    modules = dict(trunk.named_modules())
    described = getattr(trunk, "feature_info", None)
    stages = [stage["module"] for stage in described] if isinstance(described, list) else []
    inside = [path for path in stages if path.startswith("stem.")]
    # an activation of its own, a norm that has the activation inside, or a whole stem
    stems = ("act1", "bn1", *inside, "stem", "features.norm0")
    stem = next((path for path in stems if path in modules), None)
    names = {} if stem is None or not stages else {"conv1": stem}
    rest = [path for path in stages if path and path in modules and path not in (*stems, "conv_stem")]
    return names | {f"layer{number}": path for number, path in enumerate(rest, 1)}


def path_of(trunk: nn.Module, layer: str, *, owner: str) -> str:
    """Find the path of the module that ``layer`` names.

    Raises:
        SpecError: with the known names, when there is none.
    """
    names = named_layers(trunk)
    if layer in names:
        return names[layer]
    modules = dict(trunk.named_modules())
    if layer and layer in modules:
        return layer
    hint = did_you_mean(layer, {**names, **modules})
    listed = f"{', '.join(names)}, or a module's dotted path" if names else "dotted paths of its modules only"
    raise SpecError(f"{owner} has no layer {layer!r}{hint} (known: {listed})")


def _copy(layer: str, output: Any) -> Any:
    """Copy a tensor, for the next module may be an activation that writes over it."""
    return output.clone() if isinstance(output, Tensor) else output


class _Enough(Exception):  # noqa: N818 - no error: the pass has given all that was asked for
    """Ends a pass."""


@contextmanager
def caught_outputs(
    trunk: nn.Module, layers: Sequence[str], *, owner: str, keep: Keep = _copy, last: str | None = None
) -> Iterator[dict[str, Any]]:
    """Catch what ``layers`` of ``trunk`` give in passes made inside this context; a module's last call counts.

    Args:
        trunk: in which they are.
        layers: names or dotted paths.
        owner: of the trunk, named in errors.
        keep: gets a layer's name and output where the layer ends, and returns what is kept; a copy by default.
        last: the layer after which the pass is broken off, and with it what follows in this context; None runs the
            whole trunk.

    Raises:
        SpecError: for an unknown layer.
    """
    found: dict[str, Any] = {}
    paths = {layer: path_of(trunk, layer, owner=owner) for layer in layers}

    def hook_of(layer: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            found[layer] = keep(layer, output)
            if layer == last:
                raise _Enough

        return hook

    handles = [trunk.get_submodule(path).register_forward_hook(hook_of(layer)) for layer, path in paths.items()]
    try:
        yield found
    except _Enough:
        pass
    finally:
        for handle in handles:
            handle.remove()


def as_map(output: Any, trunk: nn.Module, size: tuple[int, int]) -> Tensor | None:
    """Turn a layer's output to (B, c, h, w); None when it is no map.

    Args:
        output: of a module.
        trunk: which tells how it lays out its maps: channels last, or as a row of patches.
        size: H, W of the image.
    """
    if not isinstance(output, Tensor):
        return None
    if output.dim() == 4:
        return output.permute(0, 3, 1, 2) if getattr(trunk, "output_fmt", "") == "NHWC" else output
    patches: Any = next((part for part in trunk.modules() if hasattr(part, "dynamic_feat_size")), None)
    if output.dim() != 3 or patches is None:
        return None
    height, width = patches.dynamic_feat_size(size)
    tokens: Tensor = output[:, getattr(trunk, "num_prefix_tokens", 0) :]  # class and register tokens have no place
    if tokens.shape[1] != height * width:
        return None
    return tokens.transpose(1, 2).reshape(len(tokens), -1, height, width)
