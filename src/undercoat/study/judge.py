"""Judge the arms of a study: every backbone read out by one protocol, then compared in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from undercoat.data import Canvases
from undercoat.data.leaks import seen_before
from undercoat.evaluation import (
    Evaluation,
    Protocol,
    compare,
    evaluate,
    extract,
    majority_class,
    neighbours_sheet,
    pooled,
    train_and_test,
)
from undercoat.evaluation.label_list import write_label_list
from undercoat.evaluation.preparation import prepare
from undercoat.evaluation.splitting import held_out
from undercoat.interop import load_backbone
from undercoat.records import Record
from undercoat.runtime import Runtime
from undercoat.study.coat import first_weights
from undercoat.study.folder import stages_folder
from undercoat.study.graph import DataShelf, Graph, Route
from undercoat.training.log import read_log

__all__ = ["Judge", "monitor_rows", "pairs_to_compare"]

_ALL_PAIRS_UP_TO = 8


class Judge:
    """Reads out finished backbones; what was measured before is read from its file.

    Args:
        protocol: one for all arms.
        shelf: opens the labelled data.
        out: folder of the study.
        device: where features are read.
        choosing: measure on the held-out part of the training images in place of the test images, which are then
            not even looked at.

    Raises:
        DataError: when the labels cannot be used, before any training.
    """

    def __init__(self, protocol: Protocol, shelf: DataShelf, out: Path, device: str, *, choosing: bool = False) -> None:
        self.protocol, self.out, self.device = protocol, out, device
        self.train, self.test = labelled_sets(protocol, shelf)
        if choosing:
            aside = held_out(self.train, protocol.held_out_fraction, seed=protocol.seed)
            self.test = self.train.take(np.flatnonzero(aside))
            self.train = self.train.take(np.flatnonzero(~aside))
        prepared = prepare(self.train, self.test, protocol)
        self.eval, self.labelled = prepared.eval, prepared.train

    def check(self, graph: Graph) -> None:
        """Refuse layers or a pooling that do not fit the network of an arm, before any training.

        Raises:
            SpecError: for the first arm whose network they do not fit.
        """
        if self.protocol.layers is None:
            return
        seen = set()
        for route in graph.routes:
            first = graph.coats[route.coats[0]].stage
            network = first.model_dump_json(include={"init", "backbone", "backbone_arguments", "channels"})
            if network not in seen:
                seen.add(network)
                self.protocol.reading(first_weights(first).backbone)

    def measure(
        self, graph: Graph, *, name: str, console: Console, asked: Sequence[tuple[str, str]] = ()
    ) -> tuple[list[Record], list[str]]:
        """Measure every arm and compare them in pairs, those that were asked for among them: rows and notes."""
        arms: dict[str, list[Evaluation]] = {}
        judged: dict[tuple[str, str], Evaluation] = {}
        for route in graph.routes:
            key = (route.arm, route.coats[-1])
            if key not in judged:
                judged[key] = self.evaluate_route(graph, route, study=name, console=console)
                arms.setdefault(route.arm, []).append(judged[key])
        pretrained = {coat.data.digest: coat.data for coat in graph.coats.values() if coat.data is not None}
        notes = [note for evaluations in arms.values() for one in evaluations for note in one.notes]
        return self._rows(arms, name, asked), notes + self.seen_before(list(pretrained.values()))

    def _rows(
        self, arms: Mapping[str, Sequence[Evaluation]], name: str, asked: Sequence[tuple[str, str]]
    ) -> list[Record]:
        rows = [row for evaluations in arms.values() for evaluation in evaluations for row in evaluation.rows]
        rows += [row for evaluations in arms.values() for row in pooled(evaluations, seed=self.protocol.seed)]
        rows += majority_class(self.train, self.test, self.protocol, provenance={"study": name})
        for first, second in dict.fromkeys([*pairs_to_compare(list(arms)), *asked]):
            rows += compare(arms[first], arms[second], seed=self.protocol.seed)
        return rows

    def seen_before(self, pretrained: list[Canvases]) -> list[str]:
        """Say how many test images somebody has seen before: among the labelled training images, or unlabelled."""
        total, notes = len(self.test), []
        twins = seen_before(self.test, self.train)
        if twins:
            found = f"{twins} of {total} test images have an exact or near twin among the labelled training images"
            notes.append(f"{found}, which flatters every arm alike (undercoat data inspect names them)")
        for data in pretrained:
            twins = 0 if data.digest == self.train.digest else seen_before(self.test, data)
            if twins:
                found = f"{twins} of {total} test images, or near twins of them, were among the images of {data.name}"
                notes.append(f"{found} that pretraining saw without labels")
        return notes

    def evaluate_route(self, graph: Graph, route: Route, *, study: str, console: Console) -> Evaluation:
        """Measure the backbone at the end of one route, or read what was measured."""
        about = provenance(graph, route, study)
        folder = stages_folder(self.out) / route.coats[-1]
        return self.evaluate_folder(folder, about, stage=route.coats[-1], console=console)

    def evaluate_folder(self, folder: Path, about: dict[str, Any], *, stage: str, console: Console) -> Evaluation:
        """Measure the backbone that lies in ``folder``; the scores are kept beside it."""
        saved = folder / f"predictions-{self.eval}.npz"
        if saved.exists():
            found = Evaluation.load(saved)
            return replace(found, rows=tuple(replace(row, **about) for row in found.rows))
        console.print(f"reading out {about['arm']}  seed {about['seed']}", highlight=False)
        backbone = load_backbone(folder)
        where = Runtime.reading(backbone, device=self.device)
        reading: dict[str, Any] = {"device": where.device, "autocast_dtype": where.autocast_dtype}
        reading |= {"stage": stage, "cache": folder / "features"}
        picture = not (folder / "neighbours.png").exists()
        found = evaluate(
            backbone, self.train, self.test, self.protocol, provenance=about, also_final=picture, **reading
        )
        found.save(folder)
        if self.protocol.labels_limit is not None or self.protocol.labels_from is not None:
            write_label_list(self.out, self.labelled, name=self.eval)
        if picture:
            reading["view"] = self.protocol.view  # from the cache, which the readouts filled unless labels are limited
            train, test = ((images, extract(backbone, images, **reading)) for images in (self.train, self.test))
            neighbours_sheet(train, test, folder)
        return found


def labelled_sets(protocol: Protocol, shelf: DataShelf) -> tuple[Canvases, Canvases]:
    """Open the protocol's data and cut it into train and test."""
    opened = shelf.open(protocol.data, size_px=None)
    return train_and_test(opened, test_fraction=protocol.test_fraction, seed=protocol.seed)


def provenance(graph: Graph, route: Route, study: str) -> dict[str, Any]:
    """What a row says of the backbone at the end of a route."""
    from undercoat import __version__

    chain = graph.chain(route.coats[-1])
    last = chain[-1].stage
    trained = [coat.stage for coat in chain if coat.stage.kind == "pretrain"]
    return {
        "study": study,
        "arm": route.arm,
        "stage": route.coats[-1],
        "parent": chain[-1].parent_digest,
        "chain": graph.readable(route.coats[-1]),
        "method": last.method if last.kind == "pretrain" else "",
        "trained": last.train if last.kind != "init" else "",
        "data": last.data or "",
        "steps": sum(stage.steps or 0 for stage in trained),
        "images_seen": sum((stage.steps or 0) * stage.batch for stage in trained),
        "seed": route.seed,
        "code": __version__,
    }


def pairs_to_compare(arms: list[str]) -> list[tuple[str, str]]:
    """Which arms are subtracted from which: all later − earlier pairs, or only those with a baseline when many.

    Example:
        >>> pairs_to_compare(["random", "base", "hpt"])
        [('base', 'random'), ('hpt', 'random'), ('hpt', 'base')]
    """
    earlier = (
        arms
        if len(arms) <= _ALL_PAIRS_UP_TO
        else [arm for arm in arms if arm.split("[")[0] in ("random", "base", "target")]
    )
    return [(arm, other) for position, arm in enumerate(arms) for other in earlier if other in arms[:position]]


def monitor_rows(graph: Graph, out: Path, *, study: str) -> list[Record]:
    """The k-NN curves that were measured during training, as rows with split ``monitor``."""
    rows = {}
    for route in graph.routes:
        for digest in route.coats:
            about = {
                key: value
                for key, value in provenance(graph, route, study).items()
                if key not in ("steps", "images_seen")
            }
            for line in read_log(stages_folder(out) / digest):
                if "knn" in line and digest == route.coats[-1]:
                    row = Record(
                        **about,
                        backbone=graph.coats[digest].stage.backbone or "",
                        steps=line["step"],
                        images_seen=line["images_seen"],
                        split="monitor",
                        readout="knn",
                        metric="accuracy",
                        value=line["knn"],
                        n=line["knn_images"],
                    )
                    rows[row.key] = row
    return list(rows.values())
