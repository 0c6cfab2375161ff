"""Stems for small images: timm's networks halve images once or twice before their first stage; these do not.

The usual 32 px version of ResNet, as for CIFAR, has a 3 × 3 first convolution and no max-pooling. In EfficientNet and
MobileNet only the first convolution's stride goes, so that trained weights still fit.
"""

from __future__ import annotations

from torch import nn

from undercoat.errors import SpecError

__all__ = ["make_stem_small"]


def make_stem_small(trunk: nn.Module, *, name: str, trained: bool = False) -> None:
    """Let ``trunk`` keep the images' full size up to its first stage; changed in place.

    A 7 × 7 convolution becomes a new one of 3 × 3, drawn from torch's global generator as timm does.

    Args:
        trunk: built by timm.
        name: in errors.
        trained: whether it holds trained weights, of which none may be lost.

    Raises:
        SpecError: for a family without a small stem, or a trained ResNet.
    """
    first = getattr(trunk, "conv1", None)
    if isinstance(first, nn.Conv2d | nn.Sequential) and hasattr(trunk, "maxpool") and hasattr(trunk, "layer1"):
        if trained:
            raise SpecError(f"the trained weights of {name} are for its large stem; leave stem out, or init: random")
        if isinstance(first, nn.Conv2d):
            trunk.conv1 = _three_by_three(first)
        else:
            first[0].stride = (1, 1)  # type: ignore[assignment]
        trunk.maxpool = nn.Identity()
        return
    first = getattr(trunk, "conv_stem", None)
    if isinstance(first, nn.Conv2d):
        first.stride = (1, 1)
        return
    raise SpecError(
        f"{name} has no small stem; ResNets, EfficientNets, MobileNets and undercoat/alexnet have one: use one of "
        "these, or leave stem out"
    )


def _three_by_three(large: nn.Conv2d) -> nn.Conv2d:
    small = nn.Conv2d(large.in_channels, large.out_channels, 3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(small.weight, mode="fan_out", nonlinearity="relu")
    return small
