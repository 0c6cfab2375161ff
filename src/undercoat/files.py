"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from undercoat.errors import RunError

__all__ = ["atomic", "make_folder", "refuse_unwritable", "write_json"]

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def atomic(path: Path, *, instead: str = "another place") -> Iterator[Path]:
    """Give a temporary path; rename it to ``path`` when the block ends well, remove it otherwise.

    Args:
        path: of the file; its folder is made.
        instead: what to give where it cannot be written, for the error's sentence.

    Raises:
        RunError: when the file cannot be written there, or the disk is full, with the bytes that are free.
    """
    refuse_unwritable(path, instead=instead)
    make_folder(path.parent, instead=instead)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())  # some writers make files that only their owner can read
        temporary.replace(path)
    except Exception as error:
        if _disk_full(error, path.parent):
            free = shutil.disk_usage(path.parent).free
            raise RunError(
                f"{path} could not be written: the disk is full ({free:,} bytes free); what was saved before is whole, "
                "so make room and resume"
            ) from error
        if isinstance(error, OSError) and str(error.filename) == str(temporary):
            raise _unwritable(path, error, instead) from error
        raise
    finally:
        with suppress(OSError):  # a name that is too long, say, which the block has told of already
            temporary.unlink(missing_ok=True)


def refuse_unwritable(path: Path, *, instead: str = "another place") -> None:
    """Stop before work is lost when a file cannot be written; nothing is made, folders included.

    Raises:
        RunError: when ``path`` is a folder, or the nearest folder above it that exists takes no file.
    """
    try:
        if path.is_dir():
            raise RunError(f"'{path}' is a folder; give the name of a file in it")
        with TemporaryFile(dir=next(folder for folder in path.parents if folder.exists())):
            pass
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise _unwritable(path, error, instead) from error


def make_folder(folder: Path, *, instead: str = "another place") -> None:
    """Make a folder, and those above it, where there is none yet.

    Raises:
        RunError: when that cannot be done.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise _unwritable(folder, error, instead) from error


def _unwritable(path: Path, error: OSError, instead: str) -> RunError:
    return RunError(f"'{path}' cannot be written ({error.strerror or type(error).__name__}); give {instead}")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _disk_full(error: Exception, folder: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL
    # writers of other libraries report a full disk in their own words, while their half file still fills it
    return shutil.disk_usage(folder).free < 1 << 20


def write_json(path: Path, values: Any) -> None:
    """Write JSON atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
