"""Several networks by name, to be looked at side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from undercoat.backbones import Backbone
from undercoat.errors import SpecError
from undercoat.interop import initial_backbone
from undercoat.interop.backbone_folder import find_backbone

__all__ = ["Network", "open_network", "open_networks"]


class Network(NamedTuple):
    """A network and the name that it goes by in tables and pictures."""

    label: str
    backbone: Backbone


def open_networks(
    runs: Sequence[str],
    *,
    backbone: str | None = None,
    backbone_arguments: dict[str, Any] | None = None,
    channels: int = 3,
    seed: int = 0,
) -> list[Network]:
    """Load networks that are to be compared.

    Args:
        runs: each what ``init`` takes (the folder of a run, ``STUDY/ARM``, a file of weights, ``timm/NAME``,
            ``imagenet-lite0``) or ``random``; ``LABEL=`` before it gives it a name.
        backbone: the network for ``random`` and for files of weights; by default that of the first run.
        backbone_arguments: of its constructor; by default the first run's.
        channels: input channels of networks that are built rather than loaded.
        seed: of random weights.

    Returns:
        The networks in evaluation mode, with distinct labels.

    Raises:
        SpecError: for no network at all, or a name that nobody knows.
        WeightsError: when weights are missing or do not fit.

    Example:
        >>> found = open_networks(["none=random"], backbone="undercoat/alexnet")
        >>> found[0].label, found[0].backbone.dim
        ('none', 256)
    """
    if not runs:
        raise SpecError("there is no network to look at; give the folder of a run, a file of weights, or random")
    labelled = [_label_and_place(run) for run in runs]
    settings: dict[str, Any] = {"backbone": backbone, "arguments": backbone_arguments, "channels": channels}
    loaded: dict[int, Backbone] = {}
    # those that say which network they are come first: random weights are then drawn for the same one
    for number in sorted(range(len(runs)), key=lambda i: labelled[i][1] == "random"):
        place = labelled[number][1]
        plain = place == "random" or Path(place).is_file()
        given = settings if plain else {"channels": channels}
        loaded[number] = initial_backbone(place, **given, seed=seed).backbone.eval()
        if settings["backbone"] is None and loaded[number].name:
            like = loaded[number]
            settings = {"backbone": like.name, "arguments": like.arguments, "channels": like.channels}
    return [Network(label, loaded[i]) for i, label in enumerate(_distinct([name for name, _ in labelled]))]


def open_network(
    run: str, *, backbone: str | None = None, backbone_arguments: dict[str, Any] | None = None, seed: int = 0
) -> Network:
    """Load one network; see :func:`open_networks`."""
    return open_networks([run], backbone=backbone, backbone_arguments=backbone_arguments, seed=seed)[0]


def _label_and_place(run: str) -> tuple[str, str]:
    label, equals, place = run.partition("=")
    if equals and label and place and find_backbone(run) is None and not Path(run).exists():
        return label, place
    path = Path(run)
    return (path.parent.name if path.is_file() and path.parent.name else path.name) or run, run


def _distinct(labels: list[str]) -> list[str]:
    found: list[str] = []
    for label in labels:
        names = (label, *(f"{label} ({number})" for number in range(2, len(labels) + 1)))
        found.append(next(name for name in names if name not in found))
    return found
