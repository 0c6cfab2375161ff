"""How much a study will write: weights, features, scores and checkpoints, from the networks' size and the protocols."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from undercoat.backbones import Backbone, build_backbone
from undercoat.backbones.trainable import set_trainable
from undercoat.evaluation.layers import FINAL
from undercoat.methods import method_class
from undercoat.spec import canonical
from undercoat.study.coat import Coat, first_weights
from undercoat.study.graph import Graph
from undercoat.study.judging import Judged
from undercoat.study.worker import is_finished

__all__ = ["Disk", "disk_of", "in_bytes", "shortage"]

_PICTURES = 500_000  # sheets of views, neighbours and method pictures, and the logs, of one coat
_COPIES = 2  # a checkpoint is written beside the one before, and then takes its place


@dataclass(frozen=True)
class Disk:
    """What the coats that are left will write, in bytes; at most, since features of limited labels are fewer.

    Attributes:
        backbones: weights, pictures and logs.
        features: of labelled images, and scores of test images.
        checkpoints: of each coat that trains, largest first; each is deleted when its coat is finished.
    """

    backbones: int
    features: int
    checkpoints: tuple[int, ...]

    def peak(self, workers: int = 1) -> int:
        """The most at one time: all that stays, and the checkpoints that workers write side by side."""
        return self.backbones + self.features + _COPIES * sum(self.checkpoints[:workers])

    def __str__(self) -> str:
        parts = [f"backbones and pictures {in_bytes(self.backbones)}", f"features {in_bytes(self.features)}"]
        if self.checkpoints:
            parts.append(f"for a time {in_bytes(_COPIES * self.checkpoints[0])} of checkpoints for each worker")
        return ", ".join(parts)


def disk_of(graph: Graph, out: Path, judges: Sequence[Judged] = ()) -> Disk:
    """Estimate what is left to write; networks are built to be counted, one of each kind.

    Args:
        graph: of the study.
        out: its folder, where finished coats may lie.
        judges: one for each protocol.
    """
    sizes = _Sizes()
    left = [(digest, coat) for digest, coat in graph.coats.items() if not is_finished(out, digest)]
    backbones = sum(sizes.backbone(graph.chain(digest)[0]) + _PICTURES for digest, _ in left)
    trained = [(digest, coat) for digest, coat in left if coat.stage.kind == "pretrain" and coat.stage.steps]
    checkpoints = sorted((sizes.checkpoint(coat) for _, coat in trained), reverse=True)
    judged = {route.coats[-1] for route in graph.routes} & {digest for digest, _ in left}
    features = sum(sizes.features(graph.chain(digest)[0], judges) for digest in judged)
    return Disk(backbones, features, tuple(checkpoints))


def shortage(disk: Disk, out: Path, *, workers: int = 1) -> str:
    """A sentence when the study may not fit on the disk of its folder; empty otherwise."""
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    needed, free = disk.peak(workers), shutil.disk_usage(place).free
    if needed < free:
        return ""
    return (
        f"the study may write {in_bytes(needed)} and {in_bytes(free)} are free at {place}; make room, or choose an "
        "--out on a larger disk (a full disk stops the run, and what was saved stays)"
    )


def in_bytes(count: float) -> str:
    """A number of bytes as people say it.

    Example:
        >>> [in_bytes(count) for count in (900, 45_300, 1_952_008, 2.5e12)]
        ['900 bytes', '45 kB', '2.0 MB', '2.5 TB']
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB" if count >= 1e3 else f"{count:.0f} bytes"


class _Sizes:
    """Bytes of networks, each kind built once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._networks: dict[str, Backbone] = {}

    def backbone(self, first: Coat) -> int:
        """Weights of the network that a chain starts from."""
        return _bytes_of(self._network(first))

    def checkpoint(self, coat: Coat) -> int:
        """The method with its heads and banks, and the optimiser's running means of what is trained."""
        stage = coat.stage
        key = canonical(
            [
                stage.backbone,
                stage.backbone_arguments,
                stage.channels,
                stage.method,
                stage.train,
                stage.frozen,
                stage.optimiser.name,
            ]
        ) + canonical({name: value for name, value in stage.method_arguments.items() if name != "seed"})
        if key not in self._known:
            assert stage.backbone is not None
            backbone = build_backbone(stage.backbone, channels=stage.channels or 3, arguments=stage.backbone_arguments)
            set_trainable(backbone, stage.train, frozen=stage.frozen or ())
            method = method_class(stage.method)(backbone, **stage.method_arguments)
            trained = sum(one.numel() * one.element_size() for one in method.parameters() if one.requires_grad)
            self._known[key] = _bytes_of(method) + trained * (1 if stage.optimiser.name == "sgd" else 2)
        return self._known[key]

    def features(self, first: Coat, judges: Sequence[Judged]) -> int:
        """Features of all labelled images by every protocol, and scores of the test images."""
        total = 0
        for _, judge in judges:
            backbone = self._network(first)
            layers = judge.protocol.reading(backbone).layers
            numbers = sum(4 * backbone.dim if layer == FINAL else 2 * judge.protocol.max_features for layer in layers)
            scores = 4 * len(judge.test.classes) * len(judge.protocol.readouts) * len(layers)
            total += (len(judge.train) + len(judge.test)) * numbers + len(judge.test) * scores
        return total

    def _network(self, first: Coat) -> Backbone:
        key = first.stage.model_dump_json(include={"init", "backbone", "backbone_arguments", "channels"})
        if key not in self._networks:
            self._networks[key] = first_weights(first.stage).backbone
        return self._networks[key]


def _bytes_of(module: nn.Module) -> int:
    return sum(one.numel() * one.element_size() for one in module.state_dict().values())
