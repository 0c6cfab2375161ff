"""The contract of a self-supervised method (the field also says pretext task)."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from undercoat.augment.batch import Batch
from undercoat.backbones import Backbone
from undercoat.errors import SpecError, did_you_mean

__all__ = ["Auto", "Batch", "Facts", "Method", "check_arguments"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What ``auto`` values are resolved from; the same facts give the same values on any machine.

    Attributes:
        images: size of the data set.
        batch: images that pass the method together: a step's batch, or a portion of it.
        steps: the budget.
        initialised: whether training starts from weights rather than from random ones.
        batch_norm: whether the backbone keeps batch statistics.
    """

    images: int
    batch: int
    steps: int
    initialised: bool
    batch_norm: bool


class Auto(NamedTuple):
    """A value that was left ``auto``, and why it is what it is."""

    value: Any
    reason: str


class Method(nn.Module):
    """A backbone with a head, state and a loss; everything a method needs and nothing of how it is trained.

    A subclass takes the backbone and keyword-only arguments whose defaults are the configuration: the command
    line, recipes and documentation are made from its signature. ``None`` means ``auto``: :meth:`auto` gives the
    value and the reason. No logging, devices, optimisers or trainer handles inside.

    Class attributes:
        number_of_views: how many views of each image ``forward`` wants.
        paper: where the method comes from.
        PAPER: the published values, used by ``preset: paper``.
    """

    number_of_views: ClassVar[int] = 2
    paper: ClassVar[str] = ""
    PAPER: ClassVar[dict[str, Any]] = {}

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Resolve every argument whose default is None."""
        return {}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return at least ``loss``, a number; further numbers are logged.

        ``embeddings`` (V, B, P), unit rows of the V views, feeds the collapse meter when given.
        """
        raise NotImplementedError

    def after_step(self, progress: float) -> None:
        """Update state after an optimiser step; ``progress`` runs from 0 to 1 over the budget."""


def check_arguments(method: type[Method], arguments: dict[str, Any]) -> dict[str, Any]:
    """Fill in a method's defaults, refusing what it does not take.

    Raises:
        SpecError: for an unknown argument, with the nearest known one.
    """
    parameters = inspect.signature(method).parameters
    known = {name: p.default for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    for name in arguments:
        if name not in known:
            hint = did_you_mean(name, known)
            raise SpecError(f"{method.__name__} takes no {name!r}{hint} (it takes {', '.join(known)})")
    return {**known, **arguments}
