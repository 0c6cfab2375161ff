"""A study's run: workers lay what is left, one of them judges what is finished, and what failed is told at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from undercoat.errors import RunError, UndercoatError
from undercoat.files import write_json
from undercoat.spec import digest
from undercoat.study.coat import Interrupted, read_json
from undercoat.study.crew import environment_of, run_crew, threads_each, visible_gpus
from undercoat.study.expansion import Leaf
from undercoat.study.folder import JUDGED, holds_folder, joined
from undercoat.study.graph import Graph
from undercoat.study.holds import take, take_number
from undercoat.study.recipe import Recipe
from undercoat.study.status import COATS, write_coats
from undercoat.study.worker import failures, forget_failures, is_finished, left_to_lay, work

if TYPE_CHECKING:
    from undercoat.study.study import Study

__all__ = ["Crew", "finished_part", "join"]

_STOPPED = 130


@contextmanager
def join(out: Path, recipe: Recipe, workers: int) -> Iterator[Crew]:
    """Work in the folder of a study, alone or beside other processes that run the same recipe.

    Args:
        out: folder of the study.
        recipe: that is run.
        workers: how many to take numbers for, the lowest that are free.

    Raises:
        RunError: when another recipe is being run there.
    """
    with joined(out, digest(recipe.model_dump_json())) as first, ExitStack() as numbers:
        found = [numbers.enter_context(take_number(holds_folder(out))).worker for _ in range(workers)]
        if first:
            forget_failures(out)
            (out / COATS).unlink(missing_ok=True)
        threads = torch.get_num_threads()
        if workers == 1 and found[0] > 1:  # the first has all cores, unless it was told to share
            share = threads_each(found[0])
            os.environ.update(environment_of(found[0], threads=share, gpus=visible_gpus()))
            torch.set_num_threads(share)
        try:
            yield Crew(out, found)
        finally:
            torch.set_num_threads(threads)


class Crew:
    """The workers of this process, among those of a study.

    Args:
        out: folder of the study.
        numbers: of the workers.
    """

    def __init__(self, out: Path, numbers: list[int]) -> None:
        self.out, self.numbers = out, numbers
        self._ends: list[str] = []
        self._judged = _written(out / JUDGED)

    def lay_all(self, study: Study, graph: Graph, leaves: list[Leaf]) -> None:
        """Lay what is left, in this process or in one for each worker.

        Args:
            study: lays a coat.
            graph: its coats.
            leaves: that the graph was built of, for other processes to build it again.

        Raises:
            Interrupted: after saving.
        """
        write_coats(graph, self.out)
        for key, coat in graph.coats.items():
            if is_finished(self.out, key):
                study.lay(graph, coat)  # says so
        left = left_to_lay(graph, self.out)
        if self.numbers[0] > 1:
            study.console.print(f"joining as worker {', '.join(map(str, self.numbers))}", highlight=False)
        if len(self.numbers) == 1:
            _lay_as(self.numbers[0], study, graph)
            return
        study.announce(left)
        settings = {"recipe": study.recipe, "out": study.out, "device": study.device, "cache": study.shelf.cache}
        settings |= {"strict": study.shelf.strict, "reuse": study.reuse}
        try:
            numbers = self.numbers[: len(left)]  # the share of each stays the same, and so do the bits of its sums
            task = partial(_in_a_process, settings, leaves)
            self._ends += run_crew(task, numbers, study.console, sharing=max(self.numbers))
        except KeyboardInterrupt:
            raise Interrupted("stopped and saved; run the same command again to go on") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Read backbones out while no other process of the study does."""
        while (hold := take(holds_folder(self.out) / "judging", worker=self.numbers[0])) is None:
            time.sleep(0.2)
        with hold:
            yield

    @contextmanager
    def judging(self, graph: Graph) -> Iterator[bool]:
        """Judge while no other process of the study does; yields whether there is still a need to.

        There is none once another process has judged the same coats while this one was at work.
        """
        with self.alone():
            finished = [key for key in graph.coats if is_finished(self.out, key)]
            sign = self.out / JUDGED
            wanted = _written(sign) == self._judged or read_json(sign) != finished
            yield wanted
            if wanted:
                write_json(sign, finished)

    def refuse_incomplete(self, graph: Graph) -> None:
        """Say at the end what could not be laid.

        Raises:
            RunError: naming each coat that failed, and how many wait behind them.
        """
        missing = sum(not is_finished(self.out, key) for key in graph.coats)
        if not missing:
            return
        failed = failures(graph, self.out)
        said = [
            f"{graph.readable(one.digest)} seed {graph.coats[one.digest].stage.seed} ({one.error})" for one in failed
        ]
        waits = f" and {missing - len(failed)} behind cannot be laid" if failed and missing > len(failed) else ""
        why = f"failed: {'; '.join(said)}{waits}" if failed else f"were not laid: {'; '.join(self._ends)}"
        raise RunError(
            f"{len(failed) or missing} of {len(graph.coats)} coats {why}; all others are laid, and the same command "
            "tries these again"
        )


def _lay_as(number: int, study: Study, graph: Graph) -> None:
    """Lay coats as one worker until none is left."""
    try:
        work(graph, study.out, partial(study.lay, graph), worker=number, console=study.console)
    except Interrupted as stopped:
        saved = str(stopped).partition(";")[0]
        raise Interrupted(f"{saved}; run the same command again to go on") from None


def _in_a_process(settings: dict[str, Any], leaves: list[Leaf], number: int) -> int:
    """What a worker does in a process of its own; returns its exit status."""
    from undercoat.study.study import Study

    study = Study(**settings, console=Console(stderr=True))
    try:
        graph = study.build(leaves)
        study.announce(graph.coats.values(), aloud=False)
        _lay_as(number, study, graph)
    except UndercoatError as error:
        print(error, file=sys.stderr)
        return _STOPPED if isinstance(error, Interrupted) else 2
    return 0


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def finished_part(graph: Graph, out: Path) -> Graph:
    """The arms that can be judged: those of which every seed is finished, so that no mean leaves one out."""
    missing = {route.arm for route in graph.routes if not is_finished(out, route.coats[-1])}
    return Graph(graph.coats, tuple(route for route in graph.routes if route.arm not in missing))
