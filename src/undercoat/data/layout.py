"""What folder names say about images: the split and the class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from undercoat.data.address import SPLIT_NAMES
from undercoat.data.canvases import UNLABELLED
from undercoat.data.names import Names

__all__ = ["IMAGE_SUFFIXES", "arrange", "is_hidden", "is_image_name"]

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
_LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin"})


def is_hidden(name: str) -> bool:
    """Whether a file or folder is litter of an operating system rather than data.

    Example:
        >>> is_hidden("._cat.jpg"), is_hidden("__MACOSX"), is_hidden("cat.jpg")
        (True, True, False)
    """
    return name.startswith(".") or name.lower() in _LITTER


def is_image_name(name: str) -> bool:
    """Whether a file's name ends like an image's that can be read here."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in IMAGE_SUFFIXES


def _splits_of_tops(tops: set[str]) -> dict[str, str]:
    """Read top folders as splits, unless they are rather classes (a class may be called ``train``)."""
    found = {top: SPLIT_NAMES[top.lower()] for top in tops if top.lower() in SPLIT_NAMES}
    values = set(found.values())
    return found if len(found) == len(tops) or ("train" in values and len(values) > 1) else {}


def _folders(names: Iterable[str], splits: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name in names:
        parts = name.split("/", 2)
        split = splits.get(parts[0], "") if len(parts) > 1 else ""
        yield split, parts[1 if split else 0] if len(parts) > (2 if split else 1) else ""


def arrange(names: Names) -> tuple[tuple[str, ...], NDArray[np.int64] | None, NDArray[np.str_]]:
    """Read classes and splits from paths with ``/``: (classes, labels or None, splits).

    Top folders named train, val or test (or training, validation, valid, testing) are splits; the first
    folder below is the class. Fewer than two such folders are no labels. Images in no folder have label -1.

    Example:
        >>> names = Names.of(["train/cat/1.png", "train/dog/1.png", "test/cat/2.png"])
        >>> classes, labels, splits = arrange(names)
        >>> classes, labels.tolist(), splits.tolist()
        (('cat', 'dog'), [0, 1, 0], ['train', 'train', 'test'])
    """
    by_top = _splits_of_tops({name.split("/", 1)[0] for name in names if "/" in name})
    folders = {folder for _, folder in _folders(names, by_top) if folder}
    classes = tuple(sorted(folders)) if len(folders) > 1 else ()
    numbers = {name: number for number, name in enumerate(classes)}
    splits = np.zeros(len(names), "<U5")
    labels = np.full(len(names), UNLABELLED, np.int64)
    for position, (split, folder) in enumerate(_folders(names, by_top)):
        if split:
            splits[position] = split
        labels[position] = numbers.get(folder, UNLABELLED)
    return classes, labels if classes else None, splits
