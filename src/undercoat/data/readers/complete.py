"""Image files that a published list names: every one of them has to be there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from undercoat.data.readers.published import a_few
from undercoat.errors import DataError

__all__ = ["stamps_of_all"]


def stamps_of_all(base: Path, files: Sequence[str], named_by: str, advice: str) -> list[str]:
    """Size and time of change of each file.

    Args:
        base: folder that the paths are relative to.
        files: paths.
        named_by: the list that names them, for the message.
        advice: what to do when some are missing.

    Raises:
        DataError: when some are, with their number and the first three.
    """
    stamps, missing = [], []
    for file in files:
        try:
            status = os.stat(base / file)
        except (OSError, ValueError):  # a path with a null byte is no path
            missing.append(file)
        else:
            stamps.append(f"{status.st_size} {status.st_mtime_ns}")
    if missing:
        raise DataError(
            f"{len(missing):,} of the {len(files):,} images that '{named_by}' names are not there "
            f"({a_few(missing)}); {advice}"
        )
    return stamps
