"""Holds on pieces of work that several processes share: taken by one, given back, or freed when it dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from undercoat.files import make_folder

__all__ = ["EXPIRES_S", "Hold", "Holder", "holder", "take", "take_number"]

HEARTBEAT_S = 15.0
EXPIRES_S = 120.0  # of a hold from another machine; one of this machine ends with its process


@dataclass(frozen=True)
class Holder:
    """Who holds a piece of work."""

    worker: int
    process: int
    host: str


class Hold:
    """A hold that was taken; use it in a ``with`` block, or give it back by :meth:`release`."""

    def __init__(self, path: Path, descriptor: int, worker: int) -> None:
        self.path, self.worker, self._descriptor = path, worker, descriptor
        self._over = threading.Event()
        mine = json.dumps(asdict(Holder(worker, os.getpid(), socket.gethostname()))).encode()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, mine, 0)
        self._heart = threading.Thread(target=self._beat, name="undercoat-heartbeat", daemon=True)
        self._heart.start()

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_S):
            with suppress(OSError):
                os.utime(self._descriptor)

    def release(self) -> None:
        """Let others take it."""
        self._over.set()
        self._heart.join()
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def take(path: Path, *, worker: int = 1) -> Hold | None:
    """Take a hold, or say by None that another process has it.

    Exactly one process gets it: the file is locked for as long as its process lives, so that the hold of a process
    that was killed is free at once. Locks do not reach across machines on every file system, so a file that another
    machine has touched in the last 120 seconds counts as held too; its holder touches it every 15.

    Args:
        path: of the file that stands for the work; its folder is made.
        worker: number that others see.
    """
    make_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if _locked(descriptor, fcntl.LOCK_EX) and _in_place(descriptor, path) and not _held_elsewhere(descriptor):
        return Hold(path, descriptor, worker)
    os.close(descriptor)
    return None


def take_number(folder: Path) -> Hold:
    """Take the lowest free number, from 1, among the workers of a folder of holds."""
    number = 1
    while (hold := take(folder / f"worker-{number}", worker=number)) is None:
        number += 1
    return hold


def holder(path: Path) -> Holder | None:
    """Who holds it now; None when nobody does, or its process is gone."""
    with _opened(path) as descriptor:
        if descriptor is None:
            return None
        found = _written(descriptor)
        if found is None or _held_elsewhere(descriptor):
            return found
        return None if _locked(descriptor, fcntl.LOCK_SH) else found


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _in_place(descriptor: int, path: Path) -> bool:
    """Whether the file that was locked is still the one at its path: its last holder may have taken it away."""
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except OSError:
        return False


def _held_elsewhere(descriptor: int) -> bool:
    found = _written(descriptor)
    if found is None or found.host == socket.gethostname():
        return False
    return time.time() - os.fstat(descriptor).st_mtime < EXPIRES_S


def _written(descriptor: int) -> Holder | None:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return None
