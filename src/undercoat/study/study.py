"""A study: plan it, run it like ``make``, ask how far it is."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from undercoat.errors import RunError
from undercoat.files import atomic
from undercoat.runtime import require_one_process
from undercoat.study.announcing import announce_chosen
from undercoat.study.choosing import assumed, check_choices, chosen_before, settle, write_choices
from undercoat.study.claim import check_claims, pairs_of
from undercoat.study.coat import Coat, lay, open_folder
from undercoat.study.crew import check_workers
from undercoat.study.description import described
from undercoat.study.disk import disk_of, shortage
from undercoat.study.expansion import Leaf, expand, protocols_of
from undercoat.study.folder import (
    REPORT,
    STUDY,
    copy_finished,
    read_study,
    refuse_foreign,
    stages_folder,
    write_study,
)
from undercoat.study.graph import DataShelf, Graph, build_graph
from undercoat.study.judge import Judge
from undercoat.study.judging import Judged, judge_arms, score_held_out
from undercoat.study.recipe import Recipe
from undercoat.study.running import Crew, finished_part, join
from undercoat.study.status import StageStatus, status_of
from undercoat.study.watching import knn_watch
from undercoat.training.schedule import watch_points

__all__ = ["StageStatus", "Study"]


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
            self._graph = self.build(self._leaves())
        return self._graph

    def _leaves(self) -> list[Leaf]:
        return expand(assumed(self.recipe, chosen_before(self.out))[0])

    def expected_graph(self) -> Graph:
        """Like :meth:`graph`, with the coats that are laid only to choose a setting."""
        settled, tried = assumed(self.recipe, chosen_before(self.out))
        return self.build([*expand(settled), *tried])

    def build(self, leaves: list[Leaf]) -> Graph:
        """Resolve the stages of some arms and seeds."""
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

    def run(self, *, workers: int = 1, only_judge: bool = False) -> Path:
        """Choose what is to be chosen, lay every coat that is not finished, judge every arm, write table and report.

        Called in several processes at the same time, it shares the work among them.

        Args:
            workers: processes that lay coats side by side, each with its share of cores and GPUs. With more than one,
                a script calls this below ``if __name__ == "__main__":``.
            only_judge: lay nothing; judge the arms of which every seed is finished, also while others lay the rest.

        Raises:
            Interrupted: after saving; calling again goes on.
            RunError: when ``reuse`` holds no study; when coats failed, after all others were laid and judged; for
                ``only_judge`` before the recipe's choices are made.
            SpecError: for a recipe that cannot be run as it is, before any work.
        """
        check_workers(workers)
        require_one_process("a study")
        refuse_foreign(self.out, marker=STUDY)
        if self.reuse is not None:
            read_study(self.reuse)
        self._leaves()  # a recipe that cannot be written out is refused before there is a folder
        if only_judge and len(chosen_before(self.out)) < len(self.recipe.choose):
            raise RunError(f"{self.out} has not chosen all settings yet, which comes before judging; run it first")
        with join(self.out, self.recipe, workers) as crew:
            judges = self.judges()
            self._describe(self.graph(), judges)
            if self.recipe.choose and not only_judge:
                self._settle(crew)
                self._describe(self.graph(), judges)
            graph = self.graph()
            if not only_judge:
                self._warn_of_disk(graph, judges, workers)
                crew.lay_all(self, graph, self._leaves())
            with crew.judging(graph) as wanted:
                if wanted:
                    self._judge(judges, finished_part(graph, self.out))
            if not only_judge:
                crew.refuse_incomplete(graph)
        return self.out / REPORT

    def _judge(self, judges: list[Judged], graph: Graph) -> None:
        """Judge the arms that are finished, and write the report of all."""
        from undercoat.report import write_report, write_summary

        arms = {route.arm for route in graph.routes}
        asked = [pair for pair in pairs_of(self.recipe.claims) if arms.issuperset(pair)]
        if arms:
            judge_arms(judges, graph, self.out, name=self.recipe.name, console=self.console, asked=asked)
        write_summary(self.out)
        write_report(self.out)

    def _settle(self, crew: Crew) -> None:
        """Make the choices that the recipe asks for, on held-out training images."""
        protocol = self.recipe.judged_by
        assert protocol is not None
        judge = Judge(protocol, self.shelf, self.out, self.device, choosing=True)

        def score(leaves: list[Leaf]) -> list[float]:
            graph = self.build(leaves)
            crew.lay_all(self, graph, leaves)
            crew.refuse_incomplete(graph)
            with crew.alone():
                return score_held_out(judge, graph, name=self.recipe.name, console=self.console)

        made = settle(self.recipe, score)
        write_choices(self.out, made)
        for one in made:
            self.console.print(f"chosen: {one}", highlight=False)
        self._graph = None

    def _warn_of_disk(self, graph: Graph, judges: list[Judged], workers: int) -> None:
        sentence = shortage(disk_of(graph, self.out, judges), self.out, workers=workers)
        if sentence:
            self.console.print(sentence, style="yellow", highlight=False, markup=False)

    def lay(self, graph: Graph, coat: Coat) -> None:
        """Lay one coat of a graph, or go on with it; one that is finished stays as it is."""
        folder, number = stages_folder(self.out) / coat.digest, list(graph.coats).index(coat.digest) + 1
        title = f"coat {number}/{len(graph.coats)}  {graph.readable(coat.digest)}  seed {coat.stage.seed}"
        if self.reuse is not None and copy_finished(coat.digest, self.reuse, self.out):
            self.console.print(f"{title}  [dim]copied from {self.reuse}[/dim]", highlight=False)
            return
        if open_folder(coat, folder, resume=True):
            self.console.print(f"{title}  [dim]finished before[/dim]", highlight=False)
            return
        self.console.print(title, highlight=False)
        self.announce([coat])
        watch, points = None, frozenset[int]()
        if self.recipe.judged_by is not None and coat.stage.kind == "pretrain":
            points = watch_points(coat.stage.steps or 0, self.recipe.watch)
            watch = knn_watch(self.recipe.judged_by, self.shelf, coat.stage.precision)
        lay(coat, folder, device=self.device, watch=watch, watch_at=points)

    def announce(self, coats: Iterable[Coat], *, aloud: bool = True) -> None:
        """Say what was chosen for the user, each choice once; not ``aloud``, leave it to another process."""
        for coat in coats:
            news = [row for row in coat.resolution.chosen if row not in self._announced]
            if aloud:
                announce_chosen(self.console, news)
            self._announced += news

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
        return list(status_of(out).coats)


def command_line() -> str:
    """The command that repeats what is running, as a person would type it."""
    program, *arguments = sys.argv
    name = "undercoat" if Path(program).name in ("__main__.py", "undercoat") else f"python {Path(program).name}"
    return f"{name} {shlex.join(arguments)}".rstrip()
