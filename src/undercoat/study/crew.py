"""Several workers on one machine: processes that share its cores and GPUs, and speak line by line."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

import torch
from rich.console import Console

from undercoat.errors import SpecError

__all__ = ["check_workers", "environment_of", "run_crew", "threads_each"]


def check_workers(workers: int) -> None:
    """Refuse a number of workers that cannot be.

    Raises:
        SpecError: for less than one, or more than there are cores.
    """
    most = max(2, _cores())
    if workers < 1:
        raise SpecError(f"workers {workers} is less than one; give --workers 1, or more to lay coats side by side")
    if workers > most:
        raise SpecError(f"workers {workers} is more than this machine has cores; give at most {most}")


def threads_each(workers: int, *, cores: int | None = None, asked: int | None = None) -> int:
    """How many threads each of several workers computes with: an equal share of the cores, at least one.

    Args:
        workers: that share.
        cores: to share; this process's by default.
        asked: at most this many each; what torch was set to by default.

    Example:
        >>> [threads_each(workers, cores=8, asked=8) for workers in (1, 2, 3, 16)]
        [8, 4, 2, 1]
    """
    most = torch.get_num_threads() if asked is None else asked
    return max(1, min(most, (_cores() if cores is None else cores) // workers))


def environment_of(worker: int, *, threads: int, gpus: list[str]) -> dict[str, str]:
    """The environment of one worker: its threads, and one GPU in turn where there are several.

    Args:
        worker: its number, from 1.
        threads: that it computes with.
        gpus: names of all that there are.

    Example:
        >>> environment_of(3, threads=2, gpus=["0", "1"])
        {'OMP_NUM_THREADS': '2', 'CUDA_VISIBLE_DEVICES': '0'}
        >>> environment_of(3, threads=2, gpus=["0"])
        {'OMP_NUM_THREADS': '2'}
    """
    own = {"CUDA_VISIBLE_DEVICES": gpus[(worker - 1) % len(gpus)]} if len(gpus) > 1 else {}
    return {"OMP_NUM_THREADS": str(threads), **own}


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` spells them."""
    count = torch.cuda.device_count()  # asks the driver without taking hold of a GPU
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named[:count] if named else [str(number) for number in range(count)]


def run_crew(task: Callable[[int], int], numbers: list[int], console: Console, *, sharing: int) -> list[str]:
    """Run a task in several processes, each line that one prints with its number before it.

    Ctrl-C, SIGTERM and SIGUSR1 reach all of them: each saves the coat in hand and ends.

    Args:
        task: what every worker does with its number; it can be pickled, and returns an exit status.
        numbers: of the workers.
        console: where their lines go.
        sharing: how many workers the cores are shared among.

    Returns:
        how each worker that came to a bad end did, in words; empty when all went well.

    Raises:
        KeyboardInterrupt: when the crew was asked to stop, after all have ended.
    """
    threads, gpus = threads_each(sharing), visible_gpus()
    with _signals_interrupt():
        crew: list[tuple[BaseProcess, threading.Thread]] = []
        try:
            for number in numbers:
                with _changed(environment_of(number, threads=threads, gpus=gpus)):
                    crew.append(_start(task, number, threads, console))
            for process, _ in crew:
                process.join()
        except BaseException:
            console.print("stopping: every worker saves the coat in hand", highlight=False)
            _stop(crew)
            raise
    for _, reader in crew:
        reader.join(timeout=5)
    codes = [process.exitcode or 0 for process, _ in crew]
    return [f"worker {number} {_end(code)}" for number, code in zip(numbers, codes, strict=True) if code]


def _start(
    task: Callable[[int], int], number: int, threads: int, console: Console
) -> tuple[BaseProcess, threading.Thread]:
    spawning = multiprocessing.get_context("spawn")
    reading, writing = spawning.Pipe(duplex=False)
    process = spawning.Process(target=_worker, args=(task, number, threads, os.getpid(), writing))
    process.start()
    writing.close()
    reader = threading.Thread(target=_repeat, args=(reading, number, console), daemon=True)
    reader.start()
    return process, reader


def _worker(task: Callable[[int], int], number: int, threads: int, parent: int, writing: Connection) -> None:
    """In the new process: print into the pipe, compute with our share, and end with the task's status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent passes a stop on as SIGTERM
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(writing.fileno(), stream.fileno())
    os.environ["COLUMNS"] = "160"
    torch.set_num_threads(threads)
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()
    sys.exit(task(number))


def _watch_parent(parent: int) -> None:
    """Ask this worker to save and stop when the process that started it is gone."""
    while os.getppid() == parent:
        threading.Event().wait(1.0)
    os.kill(os.getpid(), signal.SIGTERM)


def _repeat(reading: Connection, number: int, console: Console) -> None:
    with os.fdopen(os.dup(reading.fileno()), encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.strip():
                console.print(f"{number} | {line.rstrip()}", highlight=False, markup=False, soft_wrap=True)


def _stop(crew: list[tuple[BaseProcess, Any]]) -> None:
    """Ask all to save and stop; a second Ctrl-C does not wait for it."""
    for process, _ in crew:
        process.terminate()
    try:
        for process, _ in crew:
            process.join()
    except KeyboardInterrupt:
        for process, _ in crew:
            process.kill()
        raise


def _end(code: int) -> str:
    return f"was ended by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"ended with status {code}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _changed(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that are started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let a scheduler's signals stop this process as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
