"""The contract of a self-supervised method (the field also says pretext task)."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor, nn

from undercoat.augment.batch import Batch
from undercoat.backbones import Backbone
from undercoat.contact_sheet import Picture
from undercoat.errors import SpecError, did_you_mean

__all__ = ["Auto", "Batch", "Extract", "Facts", "Method", "Picture", "Preset", "check_arguments"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What ``auto`` values are resolved from; the same facts give the same values on any machine.

    Attributes:
        images: size of the data set.
        batch: images that pass the method together: a step's batch, or a portion of it.
        steps: the budget.
        initialised: whether training starts from weights rather than from random ones.
        batch_norm: whether the backbone keeps batch statistics.
        size_px: side of the views.
        classes: of the labels, for a method that reads them; 0 for none.
        multi_label: whether an image can have several classes at once.
    """

    images: int
    batch: int
    steps: int
    initialised: bool
    batch_norm: bool
    size_px: int = 224
    classes: int = 0
    multi_label: bool = False


class Auto(NamedTuple):
    """A value that was left ``auto``, and why it is what it is."""

    value: Any
    reason: str


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings that belong together: what a method is given, how it is optimised and what it is fed.

    Attributes:
        arguments: of the method's constructor.
        optimiser: fields of the optimiser's spec; ``lr`` is meant for ``batch`` images a step.
        batch: the batch that ``lr`` belongs to; another one scales it, linearly for SGD, by its root for Adam.
        augmentation: of ``undercoat list augmentations``.
        augmentation_arguments: what differs from it.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 256
    augmentation: str = "moco_v2"
    augmentation_arguments: Mapping[str, Any] = field(default_factory=dict)


class Extract(Protocol):
    """Gives a module's output for every image of the data set, as evaluation would see the images."""

    def __call__(self, module: nn.Module) -> Tensor:
        """Return (N, D) float32 on the CPU: row i is image i, the same on every process."""


class Method(nn.Module):
    """A backbone with a head, state and a loss; everything a method needs and nothing of how it is trained.

    A subclass takes the backbone and keyword-only arguments whose defaults are the configuration: the command
    line, recipes and documentation are made from its signature. ``None`` means ``auto``: :meth:`auto` gives the
    value and the reason. No logging, devices, optimisers or trainer handles inside.

    Class attributes:
        number_of_views: how many views of each image ``forward`` wants; an instance may change it.
        reads_labels: whether ``forward`` wants ``batch.labels``; then only labelled training images are given.
        paper: where the method comes from.
        PRESETS: ``auto`` for small data, ``paper`` for the published values, others by name.
    """

    number_of_views: int = 2
    reads_labels: ClassVar[bool] = False
    paper: ClassVar[str] = ""
    PRESETS: ClassVar[Mapping[str, Preset]] = {"auto": Preset()}

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Resolve every argument whose default is None.

        Raises:
            SpecError: when the data cannot be used by this method at all.
        """
        return {}

    @property
    def chance(self) -> dict[str, float]:
        """What blind guessing scores, for logged numbers that have such a level."""
        return {}

    def before_epoch(self, epoch: int, extract: Extract) -> Iterable[nn.Parameter]:
        """Look at the whole data set before a pass over it begins.

        Args:
            epoch: number of the pass, from 0; a resumed run calls this only where a pass begins.
            extract: gives features of every image.

        Returns:
            parameters that were made anew: the optimiser forgets its state for them.
        """
        return ()

    def looks_at(self, epoch: int) -> bool:
        """Whether :meth:`before_epoch` will ask for features of every image before this pass."""
        return False

    @classmethod
    def for_sample(cls, arguments: Mapping[str, Any], images: int) -> tuple[dict[str, Any], int]:
        """Fit resolved arguments to a sample of the data on which steps and looks are timed.

        Args:
            arguments: for the whole data set.
            images: in the sample; a method that needs more to take its usual time asks for them.

        Returns:
            arguments for the sample, and its size.
        """
        return dict(arguments), images

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return at least ``loss``, a number; further numbers are logged as means since the last log line.

        ``embeddings`` (V, B, P), unit rows of the V views, feeds the collapse meter when given.
        """
        raise NotImplementedError

    def after_step(self, progress: float) -> None:
        """Update state after an optimiser step; ``progress`` runs from 0 to 1 over the budget."""

    def inputs(self, batch: Batch) -> list[Tensor]:
        """Everything that enters the backbone for each image of a batch: each (B, C, h, w) in 0..1."""
        return list(batch.views)

    def pictures(self, batch: Batch) -> list[Picture]:
        """Show what the method does with a batch; called without gradient, in evaluation mode."""
        return []


def check_arguments(method: type[Method], arguments: Mapping[str, Any]) -> dict[str, Any]:
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
