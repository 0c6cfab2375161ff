"""One worker of a study: find a coat that can be laid and that nobody has, lay it, and so on until none is left."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from undercoat.errors import UndercoatError
from undercoat.files import write_json
from undercoat.study.coat import Coat, Interrupted, read_json
from undercoat.study.folder import FAILED, holds_folder, stages_folder
from undercoat.study.graph import Graph
from undercoat.study.holds import take

__all__ = ["Failure", "failures", "forget_failures", "left_to_lay", "work"]

_POLL_S = 0.5


@dataclass(frozen=True)
class Failure:
    """A coat that could not be laid.

    Attributes:
        digest: of the coat.
        error: in one sentence.
        fault: whether it was an error that we did not foresee.
    """

    digest: str
    error: str
    fault: bool = False


def is_finished(out: Path, digest: str) -> bool:
    """Whether a coat is laid."""
    return (stages_folder(out) / digest / "done.json").exists()


def failures(graph: Graph, out: Path) -> list[Failure]:
    """The coats of a study that failed in this run."""
    found = {digest: read_json(stages_folder(out) / digest / FAILED) for digest in graph.coats}
    return [Failure(digest, str(saved["error"]), bool(saved["fault"])) for digest, saved in found.items() if saved]


def forget_failures(out: Path) -> None:
    """Let every coat be tried again."""
    for note in stages_folder(out).glob(f"*/{FAILED}"):
        note.unlink(missing_ok=True)


def left_to_lay(graph: Graph, out: Path) -> list[Coat]:
    """Coats that are not finished and can still be: neither they nor one before them failed; parents come first."""
    left: list[Coat] = []
    barred = {failure.digest for failure in failures(graph, out)}
    for digest, coat in graph.coats.items():
        if digest in barred or coat.parent_digest in barred:
            barred.add(digest)
        elif not is_finished(out, digest):
            left.append(coat)
    return left


def work(graph: Graph, out: Path, lay: Callable[[Coat], None], *, worker: int, console: Console) -> None:
    """Lay coats until none is left that could be laid, by this worker or another one.

    A coat waits for its parent, and for whoever has it. One that fails is noted in its folder and the others go on.

    Args:
        graph: of the study.
        out: its folder.
        lay: lays one coat, or finds that it is finished.
        worker: number that others see.
        console: where a failure is told.

    Raises:
        Interrupted: after the coat in hand was saved.
    """
    waiting = False
    while left := left_to_lay(graph, out):
        if any(_lay_if_free(coat, out, lay, worker, console) for coat in left):
            waiting = False
            continue
        if not waiting:
            count = "1 coat that is" if len(left) == 1 else f"{len(left)} coats that are"
            console.print(f"waiting for {count} with other workers, or behind theirs", highlight=False)
        waiting = True
        time.sleep(_POLL_S)


def _lay_if_free(coat: Coat, out: Path, lay: Callable[[Coat], None], worker: int, console: Console) -> bool:
    """Lay a coat whose parent is finished and that nobody has; returns whether there is news."""
    if coat.parent_digest and not is_finished(out, coat.parent_digest):
        return False
    hold = take(holds_folder(out) / coat.digest, worker=worker)
    if hold is None:
        return False
    with hold:
        if not is_finished(out, coat.digest):  # another worker may have laid it since we looked
            _lay_or_note(coat, out, lay, console)
    return True


def _lay_or_note(coat: Coat, out: Path, lay: Callable[[Coat], None], console: Console) -> None:
    folder = stages_folder(out) / coat.digest
    try:
        lay(coat)
    except (Interrupted, BrokenPipeError):
        raise
    except Exception as error:
        fault = not isinstance(error, UndercoatError)
        sentence = f"{type(error).__name__}: {error}" if fault else str(error)
        note = {"error": sentence, "fault": fault, "trace": traceback.format_exc()}
        write_json(folder / FAILED, note)  # where even this cannot be written, the run ends
        console.print(f"failed: {coat.stage.coat}  seed {coat.stage.seed}: {sentence}", highlight=False, markup=False)
    else:
        with suppress(OSError):
            (folder / FAILED).unlink(missing_ok=True)
