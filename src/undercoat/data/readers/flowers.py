"""Oxford Flowers-102 (Nilsback & Zisserman 2008): numbered pictures, with labels and splits in ``.mat`` files.

``imagelabels.mat`` holds the class of each picture, ``setid.mat`` the numbers of those for training (``trnid``),
validation (``valid``) and test (``tstid``); both count from 1. The files name no classes, so they are called
``1`` … ``102``. All three splits are the publisher's: 1,020, 1,020 and 6,149 pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undercoat.data.listing import Listing
from undercoat.data.readers.annotations import Annotated
from undercoat.data.readers.complete import stamps_of_all
from undercoat.errors import DataError

__all__ = ["read_flowers"]

_CLASSES = 102
_SPLITS = {"train": "trnid", "val": "valid", "test": "tstid"}
_LABELS, _SETS, _IMAGES = "imagelabels.mat", "setid.mat", "jpg"
_WANTS = "jpg/, imagelabels.mat and setid.mat"


def read_flowers(source: str) -> Listing:
    """Flowers-102: jpg/image_00001.jpg … beside imagelabels.mat and setid.mat, with the published splits."""
    base = _base(source)
    labels = _numbers(base / _LABELS, "labels")
    splits = _splits(base / _SETS, len(labels))
    files = [f"{_IMAGES}/image_{number:05d}.jpg" for number in range(1, len(labels) + 1)]
    stamps = stamps_of_all(base, files, str(base / _LABELS), "unpack 102flowers.tgz again")
    rows = np.flatnonzero(splits != "")
    numbers = np.unique(labels)
    if not len(rows) or numbers[0] < 1:
        raise DataError(f"'{base}' has no picture in a split, or a class below 1; take both .mat files from one place")
    left = len(labels) - len(rows)
    notes = [f"{len(numbers):,} of the {_CLASSES} classes"] if len(numbers) != _CLASSES else []
    return Annotated(
        source=source,
        reader="flowers",
        base=base,
        files=[files[row] for row in rows.tolist()],
        stamps=[stamps[row] for row in rows.tolist()],
        beside=[base / _LABELS, base / _SETS],
        classes=tuple(str(number) for number in numbers.tolist()),
        labels=np.searchsorted(numbers, labels[rows]),
        splits=splits[rows].tolist(),
        notes=[*notes, *([f"left out, as they are in no split: {left:,} of {len(labels):,} pictures"] if left else [])],
    ).listing()


def _base(source: str) -> Path:
    root = Path(source)
    inside = root / "flowers-102"  # where torchvision unpacks
    base = inside if inside.is_dir() and not (root / _IMAGES).is_dir() else root
    for name in (_IMAGES, _LABELS, _SETS):
        if not (base / name).exists():
            raise DataError(f"'{base / name}' is not there; flowers wants {_WANTS} in one folder")
    return base


def _mat(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        return dict(loadmat(path))
    except Exception as error:  # the reader of .mat files raises anything on damaged bytes
        raise DataError(f"'{path}' is no MATLAB file that can be read ({error}); fetch it again") from None


def _numbers(path: Path, key: str, found: dict[str, Any] | None = None) -> NDArray[np.int64]:
    """One row of whole numbers."""
    value = (_mat(path) if found is None else found).get(key)
    try:
        numbers = np.asarray(value, np.float64).ravel()
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if not len(numbers) or not (numbers == np.round(numbers)).all():
        raise DataError(f"'{path}' has no row of whole numbers '{key}'; fetch it again")
    return numbers.astype(np.int64)


def _splits(path: Path, count: int) -> NDArray[np.str_]:
    """(count,) the split of each picture."""
    found = _mat(path)
    splits = np.zeros(count, "<U5")
    for split, key in _SPLITS.items():
        numbers = _numbers(path, key, found)
        outside = numbers[(numbers < 1) | (numbers > count)]
        if len(outside):
            raise DataError(
                f"'{path}' has picture {outside[0]} in {key}, and {_LABELS} has {count:,} labels; take both from "
                "one place"
            )
        twice = numbers[splits[numbers - 1] != ""]
        if len(twice):
            raise DataError(f"'{path}' has picture {twice[0]} in {key} and in another split; fetch it again")
        splits[numbers - 1] = split
    return splits
