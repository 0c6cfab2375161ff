"""ImageNet as of ILSVRC-2012 (Russakovsky et al. 2015): train in class folders, val in class folders or flat.

Classes are WordNet numbers (``n01440764``) in sorted order, which is the order of the usual 1,000 outputs.
Labels of a flat val come from ``LOC_val_solution.csv``, or from ``ILSVRC2012_validation_ground_truth.txt`` with
``meta.mat`` of the development kit, beside the images or in ``ILSVRC2012_devkit_t12/data``. As papers test on
val, it becomes the split ``test``. Subsets of the classes are read the same way.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from undercoat.data.listing import Listing
from undercoat.data.readers.published import Part, a_few, listing_of, one_folder, walk
from undercoat.errors import DataError

__all__ = ["read_imagenet"]

_CLASSES = 1000
_BASES = (".", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")  # the last two as Kaggle unpacks
_ABOVE = 3  # folders from CLS-LOC up to where Kaggle puts its tables
_KAGGLE = "LOC_val_solution.csv"
_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_DEVKIT = "ILSVRC2012_devkit_t12"
_SYNSET = re.compile(r"n\d{8}$")
_NUMBER = re.compile(r"_(\d{8})\.[A-Za-z]+$")


def read_imagenet(source: str) -> Listing:
    """ImageNet (ILSVRC-2012): train/ and val/ in class folders, or val/ flat with the devkit or Kaggle's table."""
    base = _base(source)
    _check_unpacked(base / "train")
    train = walk("train", base, "train", _folder_of)
    _check_train(train, base)
    parts, beside = [train], list[Path]()
    if (base / "val").is_dir():
        val, beside = _val(base)
        parts.append(val)
    classes = len(set(train.classes))
    notes = [f"{classes:,} of the {_CLASSES:,} classes"] if classes != _CLASSES else []
    notes += [] if len(parts) > 1 else ["there is no val/, which results are published on"]
    return listing_of(source, "imagenet", base, parts, beside=beside, notes=notes)


def _base(source: str) -> Path:
    root = Path(source)
    inside = one_folder(root, (f"{base}/train" for base in _BASES))
    if not inside:
        raise DataError(
            f"'{source}' has no folder train/ (nor ILSVRC/Data/CLS-LOC/train/, as Kaggle unpacks); "
            "give the folder that holds train/ and val/"
        )
    return (root / inside).parent


def _folder_of(path: str) -> str:
    return path.split("/", 1)[0] if "/" in path else ""


def _check_unpacked(folder: Path) -> None:
    packed = [entry.name for entry in os.scandir(folder) if entry.name.endswith(".tar")]
    if packed:
        raise DataError(f"'{folder}' holds archives ({a_few(packed)}); unpack each into a folder of its name")


def _check_train(train: Part, base: Path) -> None:
    foreign = {name for name in set(train.classes) if not _SYNSET.match(name)}
    if foreign:
        named = a_few(foreign - {""}) or "images in no folder"
        raise DataError(
            f"'{base / 'train'}' holds {named} beside class folders such as n01440764, so it is no ImageNet as "
            f"published; move that away, or read it as folder:{base}"
        )


def _val(base: Path) -> tuple[Part, list[Path]]:
    """The images of val with their classes, and the files those came from."""
    part = walk("val", base, "val", _folder_of)
    flat = sum(1 for name in part.classes if not name)
    if not flat:
        return part, []
    if flat < len(part.classes):
        raise DataError(
            f"'{base / 'val'}' has {flat:,} images beside its class folders; move them into their classes, "
            "or all of them into val/ itself"
        )
    class_of, beside = _mapping(base)
    classes = [class_of(path.rsplit("/", 1)[-1]) for path in part.files]
    unknown = [path for path, name in zip(part.files, classes, strict=True) if not name]
    if unknown:
        raise DataError(
            f"{len(unknown):,} images of '{base / 'val'}' have no class in {beside[0].name} "
            f"({a_few(unknown)}); fetch both again"
        )
    return replace(part, classes=classes), beside


def _mapping(base: Path) -> tuple[Callable[[str], str], list[Path]]:
    """From a file name of val to its class, by whichever table is there."""
    near = [base, *list(base.absolute().parents)[:_ABOVE]]
    places = [place / inside for place in near for inside in (".", "data", f"{_DEVKIT}/data", _DEVKIT)]
    for place in places:
        if (place / _KAGGLE).is_file():
            return _kaggle(place / _KAGGLE), [place / _KAGGLE]
        if (place / _TRUTH).is_file():
            return _devkit(place / _TRUTH, _meta(place)), [place / _TRUTH, place / "meta.mat"]
    archive = f"{_DEVKIT}.tar.gz"
    packed = f" (unpack {archive})" if any((place / archive).is_file() for place in near) else ""
    raise DataError(
        f"'{base / 'val'}' is flat and nothing says which class an image has: {_KAGGLE} (from Kaggle), or {_TRUTH} and "
        f"meta.mat (from the development kit), has to lie beside it{packed}; or move the images into class folders"
    )


def _kaggle(table: Path) -> Callable[[str], str]:
    """``ImageId,PredictionString``: the class is the first word, boxes follow."""
    with table.open(newline="", encoding="utf-8", errors="replace") as text:
        rows = csv.reader(text)
        try:
            head, *lines = [row for row in rows if row]
        except (ValueError, csv.Error):
            head, lines = [], []
    if head != ["ImageId", "PredictionString"]:
        raise DataError(f"'{table}' does not begin with ImageId,PredictionString; fetch it again")
    found = {row[0]: row[1].split(maxsplit=1)[0] for row in lines if len(row) > 1 and row[1].strip()}
    return lambda name: found.get(name.rsplit(".", 1)[0], "")


def _devkit(truth: Path, synsets: dict[int, str]) -> Callable[[str], str]:
    """Line i is the number of the class of image i, counted from 1."""
    try:
        numbers = [int(line) for line in truth.read_text(encoding="ascii", errors="replace").split()]
    except ValueError as error:
        raise DataError(f"'{truth}' has a line that is no whole number ({error}); fetch it again") from None
    unknown = set(numbers) - set(synsets)
    if unknown:
        raise DataError(f"'{truth}' has class {min(unknown)}, which meta.mat has not; take both from one kit")

    def class_of(name: str) -> str:
        found = _NUMBER.search(name)
        position = int(found.group(1)) if found else 0
        return synsets[numbers[position - 1]] if 0 < position <= len(numbers) else ""

    return class_of


def _meta(folder: Path) -> dict[int, str]:
    """The WordNet number of each class that has no classes below it."""
    from scipy.io import loadmat

    path = folder / "meta.mat"
    if not path.is_file():
        raise DataError(f"'{folder}' has {_TRUTH} and no meta.mat, which says what its numbers mean; copy it there")
    try:
        synsets = np.atleast_1d(loadmat(path, squeeze_me=True)["synsets"])
        rows = zip(synsets["ILSVRC2012_ID"], synsets["WNID"], synsets["num_children"], strict=True)
        return {int(number): str(name) for number, name, children in rows if int(children) == 0}
    except Exception as error:  # the reader of .mat files raises anything on damaged bytes
        raise DataError(f"'{path}' is no meta.mat of ILSVRC-2012 ({error}); take it from the kit again") from None
