"""Chest X-rays of children (Kermany et al. 2018): ``train`` and ``test``, each with ``NORMAL`` and ``PNEUMONIA``.

A picture's name tells the child and, for pneumonia, the cause: ``person1_bacteria_2.jpeg``, ``IM-0115-0001.jpeg``,
``NORMAL2-IM-1427-0001.jpeg``, or ``BACTERIA-1008087-0001.jpeg``. Pictures of one child share a group, so that no split
drawn here parts them. Whether ``person1_bacteria`` and ``person1_virus`` are the same child is not published; they are
taken to be. Nor is it published whether one number in train and in test is the same child; a note says how many there
are, and the published parts stay as they are. The copy on Kaggle moves 16 training pictures to ``val``; they are
taken back. The published test stays the test; val is a fifth of train, drawn by child.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from undercoat.data.listing import Listing
from undercoat.data.readers.annotations import Annotated
from undercoat.data.readers.drawn_splits import with_drawn_splits
from undercoat.data.readers.published import Part, a_few, one_folder, walk
from undercoat.errors import DataError, SpecError, did_you_mean

__all__ = ["child_of", "read_chest_xray_kids"]

_FOLDERS = ("NORMAL", "PNEUMONIA")
_CAUSES = ("NORMAL", "BACTERIA", "VIRUS")
_LABEL_SETS = ("folders", "causes")
_BASES = (".", "chest_xray", "ChestXRay2017/chest_xray", "CellData/chest_xray", "Pediatric Chest X-ray Pneumonia")
_ORDER = {"train": 0, "val": 1, "test": 2}
_VAL = 0.2
_FEW = 100  # a published val smaller than this is no use for choosing settings
_CHILDREN = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (r"(person\d+)_", r"((?:NORMAL\d*-)?IM-\d+)-", r"(?:NORMAL|BACTERIA|VIRUS)-(\d+)-")
)


def read_chest_xray_kids(source: str, labels: str = "") -> Listing:
    """Chest X-rays of children: train/ and test/ with NORMAL/ and PNEUMONIA/; ?labels=causes for bacteria and virus."""
    which = _label_set(labels, source)
    base = _base(source)
    parts = [_part(base, name) for name in _ORDER if (base / name).is_dir()]
    taken_back = sum(len(part.files) for part in parts if part.name == "val" and len(part.files) < _FEW)
    rows = [
        ("train" if taken_back and part.name == "val" else part.name, label, file)
        for part in parts
        for file, label in zip(part.files, part.classes, strict=True)
    ]
    rows.sort(key=lambda row: (_ORDER[row[0]], row[1], row[2].rsplit("/", 1)[-1]))  # the same in every copy
    splits, folders, files = ([row[column] for row in rows] for column in range(3))
    listing = Annotated(
        source=source,
        reader="chest_xray_kids",
        base=base,
        files=files,
        stamps=[part.stamp for part in parts],
        beside=[],
        classes=_FOLDERS,
        labels=np.array([_FOLDERS.index(name) for name in folders], np.int64),
        splits=splits,
        groups=[_group(child_of(file), split) for file, split in zip(files, splits, strict=True)],
        skipped=[entry for part in parts for entry in part.skipped],
        notes=_notes(files, splits, taken_back),
    ).listing()
    if "val" not in listing.splits:  # drawn by folder, so that both sets of labels have one split
        listing = with_drawn_splits(listing, {"val": _VAL}, of="train")
    if which == "folders":
        return listing
    causes = [_CAUSES.index(name) for name in _causes(files, folders, base)]
    return replace(listing, classes=_CAUSES, labels=np.array(causes, np.int64))


def child_of(name: str) -> str:
    """The child that a picture's name tells, "" when it tells none.

    Example:
        >>> child_of("person1_bacteria_2.jpeg"), child_of("IM-0115-0001.jpeg"), child_of("scan.jpeg")
        ('person1', 'im-0115', '')
        >>> child_of("NORMAL2-IM-1427-0001.jpeg"), child_of("VIRUS-1008087-0002.jpeg")
        ('normal2-im-1427', '1008087')
    """
    name = name.rsplit("/", 1)[-1]
    matches = (pattern.match(name) for pattern in _CHILDREN)
    return next((match.group(1).lower() for match in matches if match), "")


def _group(child: str, split: str) -> str:
    """The published test stays as it is, also where its numbers of children are those of train: a note says so."""
    return f"test {child}" if child and split == "test" else child


def _label_set(labels: str, source: str) -> str:
    if labels and labels not in _LABEL_SETS:
        near = did_you_mean(labels, _LABEL_SETS) or f"; label sets are {', '.join(_LABEL_SETS)}"
        raise SpecError(f"'{labels}' is no set of labels of the chest X-rays in '{source}'{near}")
    return labels or "folders"


def _base(source: str) -> Path:
    root = Path(source)
    inside = one_folder(root, (f"{base}/train" for base in _BASES))
    base = (root / inside).parent if inside else root
    for part in ("train", "test"):
        for folder in _FOLDERS:
            if not (base / part / folder).is_dir():
                raise DataError(
                    f"'{base / part / folder}' is not there; chest_xray_kids wants train/ and test/, each with NORMAL/ "
                    "and PNEUMONIA/"
                )
            if not os.listdir(base / part / folder):
                raise DataError(f"'{base / part / folder}' is empty; unpack the set again")
    return base


def _part(base: Path, name: str) -> Part:
    part = walk(name, base, name, lambda path: path.split("/", 1)[0] if "/" in path else "")
    foreign = set(part.classes) - set(_FOLDERS)
    if foreign:
        named = a_few(foreign - {""}) or "pictures in no folder"
        raise DataError(f"'{base / name}' holds {named} beside NORMAL and PNEUMONIA; move that away")
    return part


def _causes(files: list[str], folders: list[str], base: Path) -> list[str]:
    causes = [_cause(file.rsplit("/", 1)[-1].upper(), folder) for file, folder in zip(files, folders, strict=True)]
    unnamed = [file for file, cause in zip(files, causes, strict=True) if not cause]
    if unnamed:
        raise DataError(
            f"{len(unnamed):,} pictures of pneumonia in '{base}' name neither bacteria nor virus ({a_few(unnamed)}); "
            "leave out labels=causes"
        )
    return causes


def _cause(name: str, folder: str) -> str:
    return "NORMAL" if folder == "NORMAL" else next((cause for cause in _CAUSES[1:] if cause in name), "")


def _notes(files: list[str], splits: list[str], taken_back: int) -> list[str]:
    notes = [f"the {taken_back} pictures of val/ are taken back to train, as published"] if taken_back else []
    pairs = [(child_of(file), split == "test") for file, split in zip(files, splits, strict=True)]
    alone = sum(1 for child, _ in pairs if not child)
    both = {child for child, test in pairs if test and child} & {child for child, test in pairs if not test}
    if alone:
        notes.append(f"pictures whose names tell no child, so that each stands alone: {alone:,}")
    if both:
        notes.append(
            f"numbers of children that occur in train and in test, as published: {len(both):,} ({a_few(both)})"
        )
    return notes
