"""A study: plan it, run it like ``make``, ask how far it is."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from undercoat.files import atomic
from undercoat.runtime import require_one_process
from undercoat.study.announcing import announce_chosen
from undercoat.study.choosing import assumed, check_choices, chosen_before, settle, write_choices
from undercoat.study.claim import check_claims, pairs_of
from undercoat.study.coat import Coat, lay, open_folder
from undercoat.study.description import described
from undercoat.study.expansion import Leaf, expand, protocols_of
from undercoat.study.folder import (
    STUDY,
    claim,
    copy_finished,
    progress_of,
    read_study,
    refuse_foreign,
    stages_folder,
    write_study,
)
from undercoat.study.graph import DataShelf, Graph, build_graph
from undercoat.study.judge import Judge
from undercoat.study.judging import Judged, judge_arms, score_held_out
from undercoat.study.recipe import Recipe
from undercoat.study.watching import knn_watch
from undercoat.training.schedule import watch_points

__all__ = ["StageStatus", "Study"]


@dataclass(frozen=True)
class StageStatus:
    """How far one coat of a study is."""

    digest: str
    chain: str
    seed: int
    state: str
    step: int
    steps: int


class Study:
    """Arms, each a chain of coats, run and judged in one folder.

    Args:
        recipe: what to compare.
        out: folder; a study that lies there already goes on, finished coats are not repeated.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        cache: where decoded images are kept; next to the study by default.
        strict: stop at the first broken file instead of leaving it out.
        console: where to print.
        reuse: folder of another study; coats that are finished there are copied instead of being laid again.

    Example:
        >>> study = Study(Recipe(stages={}, arms={"a": []}, backbone="timm/resnet18"), out="runs/none")
        >>> [route.arm for route in study.graph().routes]
        ['a']
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        out: Path | str,
        device: str = "auto",
        cache: Path | str | None = None,
        strict: bool = False,
        console: Console | None = None,
        reuse: Path | str | None = None,
    ) -> None:
        self.recipe, self.out, self.device = recipe, Path(out), device
        self.reuse = None if reuse is None else Path(reuse)
        self.console = console or Console(stderr=True)
        folder = Path(cache) if cache is not None else self.out / "cache"
        self.shelf = DataShelf(cache=folder, strict=strict)
        self._graph: Graph | None = None
        self._announced: list[tuple[str, Any, str]] = []

    def graph(self) -> Graph:
        """Resolve every stage of what was chosen, or else of the first values; opens (and may decode) the data."""
        if self._graph is None:
            settled, _ = assumed(self.recipe, chosen_before(self.out))
            self._graph = self._build(expand(settled))
        return self._graph

    def expected_graph(self) -> Graph:
        """Like :meth:`graph`, with the coats that are laid only to choose a setting."""
        settled, tried = assumed(self.recipe, chosen_before(self.out))
        return self._build([*expand(settled), *tried])

    def _build(self, leaves: list[Leaf]) -> Graph:
        return build_graph(leaves, self.shelf, stages_folder(self.out), device=self.device)

    def judges(self) -> list[Judged]:
        """What reads the backbones out, one for each protocol; none for a study without a protocol.

        Raises:
            DataError: when the labels cannot be used.
            SpecError: when a backbone has not the layers that are to be read, a claim or a choice cannot be judged.
        """
        check_choices(self.recipe)
        graph = self.graph()
        check_claims(self.recipe.claims, {route.arm for route in graph.routes}, self.recipe.judged_by)
        found = []
        for point, protocol in protocols_of(self.recipe):
            found.append((point, Judge(protocol, self.shelf, self.out, self.device)))
            found[-1][1].check(graph)
        return found

    def run(self) -> Path:
        """Choose what is to be chosen, lay every coat that is not finished, judge every arm, write table and report.

        Raises:
            Interrupted: after saving; calling again goes on.
            RunError: when ``reuse`` holds no study.
            SpecError: for a recipe that cannot be run as it is, before any work.
        """
        require_one_process("a study")
        refuse_foreign(self.out, marker=STUDY)
        if self.reuse is not None:
            read_study(self.reuse)
        with claim(self.out):
            judges = self.judges()
            self._describe(self.graph(), judges)
            if self.recipe.choose:
                self._settle()
                self._describe(self.graph(), judges)
            graph = self.graph()
            self._lay_all(graph)
            asked = pairs_of(self.recipe.claims)
            judge_arms(judges, graph, self.out, name=self.recipe.name, console=self.console, asked=asked)
        from undercoat.report import build, write_summary

        write_summary(self.out)
        return build(self.out)

    def _settle(self) -> None:
        """Make the choices that the recipe asks for, on held-out training images."""
        protocol = self.recipe.judged_by
        assert protocol is not None
        judge = Judge(protocol, self.shelf, self.out, self.device, choosing=True)

        def score(leaves: list[Leaf]) -> list[float]:
            graph = self._build(leaves)
            self._lay_all(graph)
            return score_held_out(judge, graph, name=self.recipe.name, console=self.console)

        _, made = settle(self.recipe, score)
        write_choices(self.out, made)
        for one in made:
            self.console.print(f"chosen: {one}", highlight=False)
        self._graph = None

    def _lay_all(self, graph: Graph) -> None:
        for number, coat in enumerate(graph.coats.values(), start=1):
            self._lay(graph, coat, number)

    def _lay(self, graph: Graph, coat: Coat, number: int) -> None:
        folder = stages_folder(self.out) / coat.digest
        title = f"coat {number}/{len(graph.coats)}  {graph.readable(coat.digest)}  seed {coat.stage.seed}"
        if self.reuse is not None and copy_finished(coat.digest, self.reuse, self.out):
            self.console.print(f"{title}  [dim]copied from {self.reuse}[/dim]", highlight=False)
            return
        if open_folder(coat, folder, resume=True):
            self.console.print(f"{title}  [dim]finished before[/dim]", highlight=False)
            return
        self.console.print(title, highlight=False)
        news = [row for row in coat.resolution.chosen if row not in self._announced]
        announce_chosen(self.console, news)
        self._announced += news
        watch, points = None, frozenset[int]()
        if self.recipe.judged_by is not None and coat.stage.kind == "pretrain":
            points = watch_points(coat.stage.steps or 0, self.recipe.watch)
            watch = knn_watch(self.recipe.judged_by, self.shelf, coat.stage.precision)
        lay(coat, folder, device=self.device, watch=watch, watch_at=points)

    def _describe(self, graph: Graph, judges: list[Judged]) -> None:
        """Write what this study is: ``study.yaml`` and ``study.json``."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_study(self.out, {**described(self.recipe, graph, judges), "command": command_line(), "created": now})
        with atomic(self.out / "study.yaml") as temporary:
            text = yaml.safe_dump(self.recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
            temporary.write_text(text, encoding="utf-8")

    @staticmethod
    def status(out: Path | str) -> list[StageStatus]:
        """How far every coat of a study is, at any time, also while it runs.

        Raises:
            RunError: when the folder holds no study.
        """
        folder = Path(out)
        found: dict[str, StageStatus] = {}
        for arm in read_study(folder)["arms"]:
            for seed, digests in arm["stages"].items():
                for position, digest in enumerate(digests):
                    state, step = progress_of(stages_folder(folder) / digest)
                    spec = stages_folder(folder) / digest / "stage.yaml"
                    steps = int((yaml.safe_load(spec.read_text("utf-8")).get("steps") or 0) if spec.exists() else 0)
                    chain = ">".join(arm["coats"][: position + 1])
                    done = steps if state == "finished" else step
                    found.setdefault(digest, StageStatus(digest, chain, int(seed), state, done, steps))
        return list(found.values())


def command_line() -> str:
    """The command that repeats what is running, as a person would type it."""
    program, *arguments = sys.argv
    name = "undercoat" if Path(program).name in ("__main__.py", "undercoat") else f"python {Path(program).name}"
    return f"{name} {shlex.join(arguments)}".rstrip()
