"""From leaves to a graph of distinct coats: shared prefixes are one node, and train once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from undercoat.backbones.trainable import batch_norms, set_trainable
from undercoat.data import Canvases, open_data
from undercoat.errors import DataError
from undercoat.interop import initial_backbone
from undercoat.study.coat import Coat
from undercoat.study.recipe import Leaf
from undercoat.study.resolution import StageFacts, resolve
from undercoat.study.stage import Stage

__all__ = ["DataShelf", "Graph", "Route", "build_graph", "pretraining_images"]


def pretraining_images(canvases: Canvases) -> Canvases:
    """What pretraining may see: every image that is not in a test split, and no label.

    Raises:
        DataError: when the data is all test split.
    """
    kept = np.flatnonzero(np.asarray(canvases.splits) != "test")
    if not len(kept):
        raise DataError(f"{canvases.name} holds only test images, which pretraining must not see; name other data")
    return canvases.take(kept).without_labels()


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


@dataclass(frozen=True)
class Route:
    """One arm with one seed, as digests of its coats in order."""

    arm: str
    seed: int
    coats: tuple[str, ...]


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


def build_graph(leaves: list[Leaf], shelf: DataShelf, stages_folder: Path, *, world: int = 1) -> Graph:
    """Resolve every stage of every leaf, opening the data and the first weights that they name.

    Args:
        leaves: arms × seeds.
        shelf: opens data.
        stages_folder: where each coat has a folder named by its digest.
        world: processes that will train.
    """
    coats: dict[str, Coat] = {}
    routes = []
    networks: dict[str, tuple[str, bool]] = {}
    for leaf in leaves:
        parent, route = "", []
        for stage in leaf.stages:
            coat = _coat(stage, coats, parent, leaf.stages[0], networks, shelf, stages_folder, world)
            coats.setdefault(coat.digest, coat)
            parent = coat.digest
            route.append(coat.digest)
        routes.append(Route(leaf.arm, leaf.seed, tuple(route)))
    return Graph(coats, tuple(routes))


def _coat(
    stage: Stage,
    coats: dict[str, Coat],
    parent: str,
    first: Stage,
    networks: dict[str, tuple[str, bool]],
    shelf: DataShelf,
    stages_folder: Path,
    world: int,
) -> Coat:
    name, batch_norm = _network(first, networks, stage.train)
    if stage.data is None:
        resolution = resolve(stage.model_copy(update={"backbone": name}), None)
        return Coat(resolution, None, stages_folder / parent if parent else None, parent)
    data = pretraining_images(shelf.open(stage.data, size_px=stage.canvas_px))
    facts = StageFacts(
        images=len(data),
        canvas_px=data.size_px,
        initialised=_initialised(stage, coats, parent),
        batch_norm=batch_norm,
        backbone=name,
        world=world,
    )
    return Coat(resolve(stage, facts), data, stages_folder / parent if parent else None, parent)


def _initialised(stage: Stage, coats: dict[str, Coat], parent: str) -> bool:
    if not parent:
        return stage.init not in (None, "random")
    before = coats[parent].stage
    return before.kind != "init" or before.init not in (None, "random")


def _network(first: Stage, networks: dict[str, tuple[str, bool]], part: str) -> tuple[str, bool]:
    """The backbone's full name and whether it has batch norms; a part that it lacks is refused before any work."""
    key = f"{first.init} {first.backbone} {first.backbone_arguments} {part}"
    if key not in networks:
        arguments = {k: v for k, v in first.backbone_arguments.items() if k != "channels"}
        channels = first.backbone_arguments.get("channels", 3)
        initial = initial_backbone(
            first.init or "random", backbone=first.backbone, channels=channels, arguments=arguments, seed=first.seed
        )
        set_trainable(initial.backbone, part)
        networks[key] = (initial.backbone.name, bool(batch_norms(initial.backbone)))
    return networks[key]
