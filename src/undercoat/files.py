"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from undercoat.errors import RunError

__all__ = ["atomic", "write_json"]


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path; rename it to ``path`` when the block ends well, remove it otherwise.

    Raises:
        RunError: when the disk is full, with the bytes that are free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
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
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _disk_full(error: Exception, folder: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # writers of other libraries report a full disk in their own words, while their half file still fills it
    return shutil.disk_usage(folder).free < 1 << 20


def write_json(path: Path, values: Any) -> None:
    """Write JSON atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
