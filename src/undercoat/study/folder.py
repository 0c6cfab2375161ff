"""The folder of a study: what lies where, who works in it, how far each coat is."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

from undercoat.errors import RunError
from undercoat.files import make_folder, write_json
from undercoat.training.log import read_log

__all__ = [
    "FAILED",
    "JUDGED",
    "REPORT",
    "STUDY",
    "claim",
    "copy_finished",
    "holds_folder",
    "joined",
    "progress_of",
    "read_study",
    "refuse_foreign",
    "stages_folder",
    "write_study",
]

STUDY, FAILED, JUDGED, REPORT = "study.json", "failed.json", "judged.json", "report.html"
State = Literal["finished", "unfinished", "not started"]


def stages_folder(out: Path) -> Path:
    """Where each coat has a folder named by its digest."""
    return out / "stages"


def holds_folder(out: Path) -> Path:
    """Where workers say which coat each has in hand; empty when nobody works."""
    return out / ".holds"


def copy_finished(digest: str, source: Path, out: Path) -> bool:
    """Copy a coat that another study has finished, unless it is here already; returns whether it was copied.

    A digest stands for everything that decides a coat's weights, so the copy is what would be laid here. Predictions
    come along; cached features do not.
    """
    there, here = stages_folder(source) / digest, stages_folder(out) / digest
    if here.exists() or not (there / "done.json").exists():
        return False
    draft = here.with_name(f".{digest}.{os.getpid()}.tmp")
    try:
        shutil.copytree(there, draft, ignore=shutil.ignore_patterns("features", "checkpoint.pt", "*.tmp", FAILED))
        draft.rename(here)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True


_OURS = {".lock", ".holds", "cache", "stages", "baselines"}


def refuse_foreign(folder: Path, *, marker: str) -> None:
    """Stop before anything is written into a folder that is not ours.

    Args:
        folder: that was given as ``--out``.
        marker: the file that says that a study or a run lies there.

    Raises:
        RunError: when the folder holds files but no marker, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; choose a folder for --out")
    if not folder.is_dir() or (folder / marker).exists():
        return
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in _OURS)
    if foreign:
        raise RunError(f"{folder} is not empty (it holds {foreign[0]!r}) and is no run of ours; choose another --out")


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Hold a folder while working in it; the hold ends with the process, however it ends.

    Raises:
        RunError: when another process works there.
    """
    make_folder(folder)
    with (folder / ".lock").open("a+") as lock:
        if not _lock(lock, fcntl.LOCK_EX):
            raise _at_work(lock, folder)
        _sign(lock)
        yield


@contextmanager
def joined(folder: Path, recipe: str) -> Iterator[bool]:
    """Work in the folder of a study beside other processes that run the same recipe there.

    Args:
        folder: of the study.
        recipe: its digest.

    Yields:
        whether this process is the first.

    Raises:
        RunError: when another recipe is being run there, or a process works there that wants to be alone.
    """
    make_folder(folder)
    with (folder / ".lock").open("a+") as lock:
        first = _lock(lock, fcntl.LOCK_EX)
        if first:
            _sign(lock, recipe)
        if not _lock(lock, fcntl.LOCK_SH):  # also gives up the exclusive lock, so that others can join
            raise _at_work(lock, folder)
        lock.seek(0)
        if lock.read().split()[1:] != [recipe]:
            raise _at_work(lock, folder, "on another recipe or with other settings ")
        yield first


def _lock(lock: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sign(lock: TextIO, *about: str) -> None:
    lock.truncate(0)
    lock.write(" ".join([str(os.getpid()), *about]))
    lock.flush()


def _at_work(lock: TextIO, folder: Path, how: str = "") -> RunError:
    lock.seek(0)
    process = next(iter(lock.read().split()), "?")
    return RunError(f"process {process} is working {how}in {folder}; wait for it, or choose another --out")


def write_study(out: Path, values: dict[str, Any]) -> None:
    """Write ``study.json``.

    Raises:
        RunError: when the folder holds another study.
    """
    if (out / STUDY).exists():
        name = read_study(out)["name"]
        if name != values["name"]:
            raise RunError(f"{out} holds the study {name!r}, not {values['name']!r}; choose another --out")
        values["created"] = read_study(out)["created"]
    write_json(out / STUDY, values)


def read_study(out: Path) -> dict[str, Any]:
    """Read ``study.json``.

    Raises:
        RunError: when there is none.
    """
    try:
        values: dict[str, Any] = json.loads((out / STUDY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{out} holds no study; start one with: undercoat study run RECIPE.yaml --out {out}") from None
    except ValueError as error:
        raise RunError(
            f"{out / STUDY} is damaged ({error}); delete it and run the study again, finished coats stay"
        ) from error
    return values


def progress_of(folder: Path) -> tuple[State, int]:
    """How far a coat is: its state and the last step in its log."""
    if (folder / "done.json").exists():
        return "finished", -1
    if not (folder / "stage.yaml").exists():
        return "not started", 0
    log = read_log(folder)
    return "unfinished", int(log[-1]["step"]) if log else 0
