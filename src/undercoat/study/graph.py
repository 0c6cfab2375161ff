"""From leaves to a graph of distinct coats: shared prefixes are one node, and train once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from undercoat.backbones.trainable import batch_norms, set_trainable
from undercoat.data import Canvases, open_data
from undercoat.data.canvases import UNLABELLED
from undercoat.errors import DataError
from undercoat.functional.draws import permutation
from undercoat.methods import method_class
from undercoat.runtime import Runtime
from undercoat.spec import canonical
from undercoat.study.axis import Setting
from undercoat.study.coat import Coat, first_weights
from undercoat.study.expansion import Leaf
from undercoat.study.resolution import StageFacts, resolve
from undercoat.study.stage import Stage

__all__ = [
    "DataShelf",
    "Graph",
    "Route",
    "build_graph",
    "init_images",
    "labelled_images",
    "pretraining_images",
    "some_images",
]


def pretraining_images(canvases: Canvases) -> Canvases:
    """What pretraining may see: every image that is not in a test split, and no label.

    Raises:
        DataError: when the data is all test split.
    """
    test = np.asarray(canvases.splits) == "test"
    if not test.any():
        return canvases.without_labels()
    kept = np.flatnonzero(~test)
    if not len(kept):
        raise DataError(f"{canvases.name} holds only test images, which pretraining must not see; name other data")
    return canvases.take(kept).without_labels()


def some_images(canvases: Canvases, amount: int | float, *, seed: int) -> Canvases:
    """Draw some of the images, without a look at their labels; a smaller amount is a part of every larger one.

    Args:
        canvases: N images.
        amount: a count up to N, or a share in (0, 1]; at least one image is drawn.
        seed: of the draw.

    Raises:
        DataError: for more images than there are.
    """
    count = max(1, round(amount * len(canvases))) if isinstance(amount, float) else amount
    if count > len(canvases):
        there = f"{canvases.name} has {len(canvases):,} to train on"
        raise DataError(f"images_limit is {count:,}, but {there}; ask for fewer")
    drawn = permutation(len(canvases), seed=seed, epoch=0, purpose="pretraining images")
    taken = canvases.take(np.sort(drawn[:count]))
    _, plus, mark = canvases.digest.partition("+")  # of labels, where they are read
    return replace(taken, digest=f"{taken.digest}{plus}{mark}")


def labelled_images(canvases: Canvases) -> Canvases:
    """What a method that reads labels may see: labelled images of the training split, and nothing else.

    The digest covers the labels, since they decide the weights here.

    Raises:
        DataError: when the data names no test images, so that nobody could tell which ones will be judged by, or
            when no training image has a label.
    """
    splits = np.asarray(canvases.splits)
    if not (splits == "test").any():
        raise DataError(
            f"{canvases.name} names no test images, so supervised training could see those it is judged by; "
            "give each image a split (folders train and test, or a column 'split')"
        )
    labels = canvases.labels
    if labels is None:
        return canvases.take(np.flatnonzero(splits != "test")).without_labels()
    unknown = labels == UNLABELLED if labels.ndim == 1 else (labels == 255).all(axis=1)
    kept = canvases.take(np.flatnonzero(~np.isin(splits, ("test", "val")) & ~unknown))
    if not len(kept) or kept.labels is None:
        raise DataError(f"{canvases.name} has no labelled image outside its val and test splits to train on")
    mark = blake2b(kept.labels.tobytes() + repr(kept.classes).encode(), digest_size=6).hexdigest()
    return replace(kept, digest=f"{kept.digest}+{mark}")


@dataclass
class DataShelf:
    """Data sets by spec, each opened (and decoded) once.

    Attributes:
        cache: where canvases are kept.
        strict: whether a broken file is an error.
        progress: show decoding.
    """

    cache: Path | None = None
    strict: bool = False
    progress: bool = True
    _opened: dict[tuple[str, int | None], Canvases] = field(default_factory=dict)

    def open(self, spec: str, *, size_px: int | None) -> Canvases:
        """Open a data set at a canvas size, or hand out the one that is open."""
        key = (spec, size_px)
        if key not in self._opened:
            self._opened[key] = open_data(
                spec, size_px=size_px, cache=self.cache, strict=self.strict, progress=self.progress
            )
        return self._opened[key]


def init_images(stage: Stage, shelf: DataShelf) -> Canvases | None:
    """The images that ``init: k_means:DATA`` names, but for test images and labels; None for any other start."""
    if stage.init_data is None:
        return None
    return pretraining_images(shelf.open(stage.init_data, size_px=stage.canvas_px))


@dataclass(frozen=True)
class Route:
    """One arm with one seed, as digests of its coats in order; ``of`` and ``point`` are its leaf's."""

    arm: str
    seed: int
    coats: tuple[str, ...]
    of: str = ""
    point: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class Graph:
    """All distinct coats by digest, parents before children, and the routes through them."""

    coats: dict[str, Coat]
    routes: tuple[Route, ...]

    def chain(self, digest: str) -> list[Coat]:
        """The coats from the first to ``digest``."""
        coat = self.coats[digest]
        return [*(self.chain(coat.parent_digest) if coat.parent_digest else []), coat]

    def readable(self, digest: str) -> str:
        """The chain in words: ``imagenet-lite0>target:moco_v2``."""
        return ">".join(coat.stage.coat.replace(": ", ":").replace(" (", "(") for coat in self.chain(digest))


def build_graph(
    leaves: list[Leaf], shelf: DataShelf, stages_folder: Path, *, world: int = 1, device: str = "auto"
) -> Graph:
    """Resolve every stage of every leaf, opening the data and the first weights that they name.

    Args:
        leaves: arms × seeds.
        shelf: opens data.
        stages_folder: where each coat has a folder named by its digest.
        world: processes that will train.
        device: on which; decides what ``precision: auto`` is.
    """
    builder = _Builder(shelf, stages_folder, world, device)
    routes = [Route(leaf.arm, leaf.seed, builder.add(leaf), leaf.of, leaf.point) for leaf in leaves]
    return Graph(builder.coats, tuple(routes))


class _Network(NamedTuple):
    """What is known of a chain's network before it is trained."""

    name: str
    arguments: dict[str, Any]
    batch_norm: bool
    precision: str
    reason: str


class _Builder:
    """Adds leaves to a growing graph; networks are built once to be looked at."""

    def __init__(self, shelf: DataShelf, stages_folder: Path, world: int, device: str) -> None:
        self.shelf, self.stages_folder, self.world, self.device = shelf, stages_folder, world, device
        self.coats: dict[str, Coat] = {}
        self._networks: dict[str, _Network] = {}

    def add(self, leaf: Leaf) -> tuple[str, ...]:
        """Add a leaf's coats; returns their digests in order."""
        first = leaf.stages[0].model_copy(update={"channels": self._channels(leaf)})
        parent, digests = "", []
        for stage in (first, *leaf.stages[1:]):
            coat = self._coat(stage.model_copy(update={"channels": first.channels}), parent, first)
            self.coats.setdefault(coat.digest, coat)
            parent = coat.digest
            digests.append(parent)
        return tuple(digests)

    def _coat(self, stage: Stage, parent: str, first: Stage) -> Coat:
        network = self._network(first, stage)
        folder = self.stages_folder / parent if parent else None
        stage = stage.model_copy(update={"backbone": network.name, "backbone_arguments": network.arguments})
        if stage.data is None:
            return Coat(resolve(stage, None), None, folder, parent, init_images(stage, self.shelf))
        data = self._images(stage)
        facts = StageFacts(
            images=len(data),
            canvas_px=data.size_px,
            initialised=self._initialised(stage, parent),
            batch_norm=network.batch_norm,
            backbone=network.name,
            world=self.world,
            classes=len(data.classes) if data.labels is not None else 0,
            multi_label=data.multi_label,
        )
        resolution = resolve(stage, facts)
        if stage.precision == "auto":
            resolution.chosen.append(("precision", network.precision, network.reason))
        return Coat(resolution, data, folder, parent, init_images(stage, self.shelf))

    def _images(self, stage: Stage) -> Canvases:
        assert stage.data is not None
        opened = self.shelf.open(stage.data, size_px=stage.canvas_px)
        reads = stage.kind == "pretrain" and method_class(stage.method).reads_labels
        seen = labelled_images(opened) if reads else pretraining_images(opened)
        return seen if stage.images_limit is None else some_images(seen, stage.images_limit, seed=stage.seed)

    def _channels(self, leaf: Leaf) -> int:
        """Three, unless a stage says otherwise or the images have more kinds of light than grey and colour."""
        asked = next((stage.channels for stage in leaf.stages if stage.channels is not None), None)
        if asked is not None:
            return asked
        found = next((self._images(stage).channels for stage in leaf.stages if stage.data is not None), 3)
        return 3 if found == 1 else found

    def _initialised(self, stage: Stage, parent: str) -> bool:
        if not parent:
            return stage.init not in (None, "random")
        before = self.coats[parent].stage
        return before.kind != "init" or before.init not in (None, "random")

    def _network(self, first: Stage, stage: Stage) -> _Network:
        """Build the network once; a part or precision that it lacks is refused before any work."""
        key = canonical(
            [first.init, first.backbone, first.backbone_arguments, first.channels, stage.train, stage.precision]
        )
        key += canonical(stage.frozen)
        if key not in self._networks:
            backbone = first_weights(first).backbone
            set_trainable(backbone, stage.train, frozen=stage.frozen or ())
            where = Runtime.reading(backbone, device=self.device, precision=stage.precision)
            norms = bool(batch_norms(backbone))
            self._networks[key] = _Network(backbone.name, backbone.arguments, norms, where.precision, where.reason)
        return self._networks[key]
