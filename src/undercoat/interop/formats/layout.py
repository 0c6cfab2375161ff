"""A layout: which names in a file are the backbone's, and what the others are."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from undercoat.errors import WeightsError

__all__ = ["FIRST", "HEADS", "IMAGENET", "Layout", "Normalisation", "Parted"]


class Normalisation(NamedTuple):
    """What images were normalised with, per channel in 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


#: of torchvision's and timm's ImageNet weights, and of nearly all self-supervised code
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

#: how a network's names begin in the libraries that are known
FIRST = r"(?:conv1|conv_stem|stem|patch_embed|cls_token|conv_proj|class_token|features|layer1|bn1)\b"

#: names of layers after the features
HEADS = (
    r"fc|head|heads|head_dist|neck|mlp|linear|last_linear|classifier|projector|projection|projection_head|predictor"
    r"|prediction|prediction_head|prototypes|online_evaluator|non_linear_evaluator|decoder"
)
#: what else a checkpoint holds → names; the first that fits says what is dropped
_DROPPED = {
    "training state": r"(.*\.)?(optimizer|optimizers|optim|lr_scheduler|scheduler|scaler|amp|loss|meters|hooks"
    r"|callbacks|loops)\..*",
    "queue": r"(.*\.)?(queue|queue_ptr|memory_bank)\d*(\..*)?",
    "moving-average encoder": r"(.*\.)?(encoder_k|momentum_\w+|\w+_momentum|target_\w+|student|teacher_\w+|ema"
    r"|model_ema|state_dict_ema)\..*",
    "head": rf"(.*\.)?({HEADS}|momentum_(projector|predictor|classifier)|target_neck|bbox_head|roi_heads"
    r"|proposal_generator)(_[qk])?\d*\..*",
}


class Parted(NamedTuple):
    """A checkpoint in two: the backbone's tensors by their own names, and how many others there were of what."""

    backbone: dict[str, Tensor]
    dropped: dict[str, int]
    other: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Where the backbone lies in the checkpoints of one software.

    Attributes:
        title: shown to the user.
        prefix: regular expression of what stands before the backbone's own names.
        first: regular expression of how at least one of these begins.
        needs: more regular expressions, each of which must fit (from its start) one of the tensors' names.
        facts: entries at the top of the file besides tensors that must be there, such as ``meta``.
        alias: names that repeat the backbone's tensors, which are dropped.
        normalisation: what the software normalises images with; None for what the network's library says.
    """

    title: str
    prefix: str
    first: str = FIRST
    needs: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    alias: str | None = None
    normalisation: Normalisation | None = field(default=IMAGENET)

    def fits(self, names: Collection[str], facts: Collection[str]) -> bool:
        """Say whether a file is of this layout, by its names alone."""
        if not set(self.facts) <= set(facts) or not self._roots(names):
            return False
        return all(any(re.match(pattern, name) for name in names) for pattern in self.needs)

    def part(self, tensors: Mapping[str, Tensor]) -> Parted:
        """Take the backbone out of a checkpoint and count the rest by what it is.

        Raises:
            WeightsError: when there are several networks where the backbone should be.
        """
        roots = self._roots(tensors)
        if len(roots) > 1:
            raise WeightsError(
                f"the file holds several networks (behind {', '.join(map(repr, roots[:3]))}); save the one you want"
            )
        backbone: dict[str, Tensor] = {}
        dropped: dict[str, int] = {}
        other = []
        for name, tensor in tensors.items():
            what = self.what(name)
            if self._is_own(name, roots[0], what):
                backbone[name.removeprefix(roots[0])] = tensor
            elif what is None:
                other.append(name)
            else:
                dropped[what] = dropped.get(what, 0) + 1
        return Parted(backbone, dropped, tuple(other))

    def _roots(self, names: Collection[str]) -> list[str]:
        """What really stands before the backbone's names in a file."""
        own = re.compile(rf"({self.prefix})(?:{self.first})")
        found = {match[1] for name in names if (match := own.match(name)) and self.what(name) != "second copy"}
        return sorted(found)

    def _is_own(self, name: str, root: str, what: str | None) -> bool:
        if not name.startswith(root) or what == "second copy":
            return False
        return bool(root) or what in (None, "head")  # where nothing stands before, what is plainly another thing goes

    def what(self, name: str) -> str | None:
        """Say what a tensor outside the backbone is, by its name; None for a name that says nothing."""
        if self.alias and re.match(self.alias, name):
            return "second copy"
        return next((what for what, pattern in _DROPPED.items() if re.fullmatch(pattern, name)), None)
