"""Folders that appear whole or not at all, and disks that fill up."""

from __future__ import annotations

import errno
import io
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undercoat.errors import DataError

__all__ = ["draft_folder", "publish", "save_array", "space_for", "sync_folder", "write_file"]

_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PREFIX = ".building"


@contextmanager
def draft_folder(parent: Path) -> Iterator[Path]:
    """A new folder, gone afterwards unless it was published; those of killed builds are cleared away."""
    host = socket.gethostname()
    for left in parent.glob(f"{_PREFIX}-{host}-*"):
        if not _is_running(left.name.rsplit("-", 2)[-2]):
            shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{host}-{os.getpid()}-", dir=parent))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):
        return True  # another user's process, or a name that is none of ours
    return True


def publish(draft: Path, target: Path) -> None:
    """Rename a draft into place; where another process was first, its equal result is kept."""
    os.chmod(draft, 0o755)
    sync_folder(draft)
    try:
        os.rename(draft, target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


def sync_folder(folder: Path) -> None:
    """See a folder's files and its list of names onto the disk."""
    for path in (*folder.iterdir(), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_file(path: Path, data: bytes) -> None:
    """Write a small file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def save_array(path: Path, values: NDArray[np.generic]) -> None:
    """Write a ``.npy`` file; a full disk is an ``OSError`` with its number, which ``numpy.save`` forgets."""
    out = io.BytesIO()
    np.save(out, values)
    path.write_bytes(out.getbuffer())


@contextmanager
def space_for(needed_bytes: int, folder: Path, what: str) -> Iterator[None]:
    """Check the free space before, and turn a disk that fills up meanwhile into a sentence.

    Raises:
        DataError: with the needed and the free bytes.
    """
    if shutil.disk_usage(folder).free < needed_bytes:
        raise _full(needed_bytes, folder, what)
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL_DISK:
            raise
        raise _full(needed_bytes, folder, what) from error


def _full(needed_bytes: int, folder: Path, what: str) -> DataError:
    free = shutil.disk_usage(folder).free
    return DataError(
        f"{what} needs {needed_bytes / 1e6:,.1f} MB and the disk of '{folder}' has {free / 1e6:,.1f} MB; "
        "free some space, or choose another cache folder or a smaller canvas size"
    )
