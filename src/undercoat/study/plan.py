"""What a study will cost, before it runs: distinct coats, images, time from a measured step, disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, nan
from pathlib import Path

from rich.console import Console
from rich.tree import Tree

from undercoat.errors import SpecError
from undercoat.spec import canonical
from undercoat.study.coat import Coat
from undercoat.study.disk import Disk, disk_of
from undercoat.study.folder import progress_of, stages_folder
from undercoat.study.graph import Graph
from undercoat.study.judging import Judged
from undercoat.study.makespan import makespan
from undercoat.study.pace import Pace, Rehearsal

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """The cost of a study.

    Attributes:
        coats: distinct stages.
        if_separate: stages there would be if no prefix were shared.
        steps: optimiser steps still to take.
        images: images that those steps will see.
        seconds: expected of one worker, from measured steps or a stated rate; evaluation not counted.
        tree: the graph, to print.
        coat_seconds: digest of a coat that is left → its share of ``seconds``.
        parents: digest of a coat → that of the coat before.
        disk: what the coats that are left will write.
    """

    coats: int
    if_separate: int
    steps: int
    images: int
    seconds: float
    tree: Tree
    coat_seconds: Mapping[str, float]
    parents: Mapping[str, str]
    disk: Disk

    def seconds_with(self, workers: int) -> float:
        """Expected with several workers, each of which computes as fast as one does alone."""
        return makespan(self.coat_seconds, self.parents, workers=workers) if self.seconds == self.seconds else nan


def make_plan(
    graph: Graph,
    out: Path,
    *,
    device: str,
    console: Console,
    measure: bool = True,
    images_per_second: float | None = None,
    judges: Sequence[Judged] = (),
) -> Plan:
    """Work out what is left to do, how long it will take, and how much it will write.

    Args:
        graph: of the study.
        out: its folder, where finished coats may lie.
        device: to measure on.
        console: shows the measuring.
        measure: take real steps to time them; otherwise ``seconds`` is NaN.
        images_per_second: of every coat, for another machine; nothing is measured then, and looks at the whole set
            that some methods take between passes are not counted.
        judges: one for each protocol.

    Raises:
        SpecError: for a rate that is not above 0.
    """
    if images_per_second is not None and not 0 < images_per_second < inf:
        raise SpecError(f"images_per_second {images_per_second} is no speed; give a number above 0")
    pace_of: dict[str, Pace] = {}
    steps = images = 0
    seconds: dict[str, float] = {}
    states: dict[str, str] = {}
    for digest, coat in graph.coats.items():
        stage = coat.stage
        state, done = progress_of(stages_folder(out) / digest)
        todo = 0 if state == "finished" or stage.kind != "pretrain" else (stage.steps or 0) - done
        states[digest] = state
        if todo == 0:
            continue
        steps, images = steps + todo, images + todo * stage.batch
        if images_per_second is not None:
            seconds[digest] = todo * stage.batch / images_per_second
        elif measure:
            rehearsal = Rehearsal(coat)
            if rehearsal.key not in pace_of:
                pace_of[rehearsal.key] = _measured(rehearsal, device, console)
            seconds[digest] = rehearsal.seconds(pace_of[rehearsal.key], done)
    separate = sum(len(route.coats) for route in graph.routes)
    total = sum(seconds.values()) if measure or images_per_second is not None else nan
    parents = {digest: coat.parent_digest for digest, coat in graph.coats.items()}
    disk = disk_of(graph, out, judges)
    return Plan(len(graph.coats), separate, steps, images, total, _tree(graph, states), seconds, parents, disk)


def _measured(rehearsal: Rehearsal, device: str, console: Console) -> Pace:
    console.print(f"timing {rehearsal}", highlight=False)
    pace = rehearsal.pace(device=device)
    console.print(f"  {pace}", highlight=False)
    return pace


@dataclass
class _Twig:
    """Coats that differ in nothing but their seed, drawn as one."""

    coat: Coat
    digests: list[str]
    states: list[str]
    arms: list[str]

    def __str__(self) -> str:
        stage = self.coat.stage
        seeds = f"seed {stage.seed}" if len(self.digests) == 1 else f"{len(self.digests)} seeds"
        steps = f"  {stage.steps:,} steps" if stage.steps else ""
        states = ", ".join(
            state if self.states.count(state) == len(self.states) else f"{self.states.count(state)} {state}"
            for state in dict.fromkeys(self.states)
        )
        ends = f"  → [bold]{', '.join(dict.fromkeys(self.arms))}[/bold]" if self.arms else ""
        return f"{stage.coat}[dim]{steps}  {seeds}  {states}[/dim]{ends}"


def _tree(graph: Graph, states: dict[str, str]) -> Tree:
    """Draw parents above children, with the arms that end at each coat; seeds of one coat share a line."""
    twigs: dict[str, _Twig] = {}
    place: dict[str, str] = {"": ""}  # digest of a coat → key of its twig
    for digest, coat in graph.coats.items():
        same = coat.stage.model_dump(mode="json", exclude={"seed"})
        same["method_arguments"] = {k: v for k, v in same["method_arguments"].items() if k != "seed"}
        place[digest] = key = canonical([place[coat.parent_digest], same])
        twig = twigs.setdefault(key, _Twig(coat, [], [], []))
        twig.digests.append(digest)
        twig.states.append(states[digest])
        twig.arms += [route.arm for route in graph.routes if route.coats[-1] == digest]
    root = Tree("coats")
    branches = {"": root}
    for key, twig in twigs.items():
        branches[key] = branches[place[twig.coat.parent_digest]].add(str(twig))
    return root
