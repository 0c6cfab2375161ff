"""The list of images whose labels were used, as a text file that a person can read, keep and give again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from undercoat.data.canvases import Canvases
from undercoat.errors import DataError
from undercoat.evaluation.labels import class_counts, named
from undercoat.files import atomic

__all__ = ["of_list", "read_label_list", "write_label_list"]

_HEADER = "# undercoat labels: "


def write_label_list(folder: Path | str, train: Canvases, *, name: str) -> Path:
    """Save the names of the images whose labels are used as ``folder/labels-NAME.txt``, one a line.

    Args:
        folder: where it goes.
        train: those images.
        name: mostly the ``eval`` of the numbers that they lead to, in which they are hashed, so that a file of that
            name always holds the same.

    Returns:
        the file, which ``labels_from`` reads.
    """
    path = Path(folder) / f"labels-{name}.txt"
    with atomic(path) as temporary:
        lines = [f"{_HEADER}{len(train)} images of {train.name}", *train.keys]
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_label_list(path: Path) -> list[str]:
    """Read names, one a line; a header as :func:`write_label_list` writes it, and empty lines, are passed over.

    Raises:
        DataError: when there is no such file, it is no text, or names nothing, or one twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise DataError(
            f"labels_from '{path}' cannot be read ({reason}); give a text file with one name a line"
        ) from error
    keys = [line.removesuffix("\r") for line in lines if line.strip() and not line.startswith(_HEADER)]
    if not keys:
        raise DataError(f"labels_from '{path}' names no image; give a text file with one name a line")
    if len(set(keys)) < len(keys):
        twice = Counter(keys).most_common(1)[0][0]
        raise DataError(f"labels_from '{path}' names {twice!r} twice; name each image once")
    return keys


def of_list(train: Canvases, path: Path) -> Canvases:
    """Keep the images that a list names.

    Args:
        train: labelled images.
        path: the list.

    Raises:
        DataError: when it names what train does not have, or no image of a class.
    """
    where = {key: row for row, key in enumerate(train.keys)}
    keys = read_label_list(path)
    if missing := [key for key in keys if key not in where]:
        raise DataError(
            f"labels_from '{path}' names {len(missing)} images that are no labelled train images of {train.name!r} "
            f"({named(missing)}); give names as the data has them (such as {next(iter(where), '')!r})"
        )
    train = train.take(np.sort(np.array([where[key] for key in keys])))
    if len(empty := np.flatnonzero(class_counts(train) == 0)):
        raise DataError(
            f"labels_from '{path}' names no image of {len(empty)} classes "
            f"({named([train.classes[c] for c in empty])}); name at least one of each"
        )
    return train
