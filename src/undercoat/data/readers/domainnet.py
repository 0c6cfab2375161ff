"""DomainNet (Peng et al. 2019): 345 classes in six domains, each with published lists for train and test.

``clipart_train.txt`` has lines ``clipart/aircraft_carrier/clipart_001_000018.jpg 0``; file names may hold spaces. One
domain is one data set: give its folder, with the lists in it, beside it, or in ``txt/`` or ``splits/`` beside it. There
are two versions, the original and one cleaned of duplicates, which the counts of the lists tell apart; a note names the
version, for numbers on one do not compare with the other. The published test stays the test; val is a fifth of the
published train. Users report that the train list of painting lacks a class that its test list has; such
images are kept.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np

from undercoat.data.listing import Listing
from undercoat.data.readers.annotations import Annotated
from undercoat.data.readers.complete import stamps_of_all
from undercoat.data.readers.drawn_splits import with_drawn_splits
from undercoat.data.readers.places import numbered_paths
from undercoat.data.readers.published import a_few
from undercoat.errors import DataError

__all__ = ["VERSIONS", "read_domainnet"]

VERSIONS = {  # images of train and test together: original, cleaned
    "clipart": (48_837, 48_129),
    "infograph": (53_201, 51_605),
    "painting": (75_759, 72_266),
    "quickdraw": (172_500, 172_500),
    "real": (175_327, 172_947),
    "sketch": (70_386, 69_128),
}
_CLASSES = 345
_VAL = 0.2
_PARTS = ("train", "test")
_LIST_FOLDERS = (".", "..", "../txt", "../splits")


def read_domainnet(source: str) -> Listing:
    """One domain of DomainNet: the folder sketch/ with sketch_train.txt and sketch_test.txt in it or beside it."""
    folder = _domain_folder(source)
    domain, base = folder.name, folder.parent
    lists = _lists(folder)
    lines = {part: numbered_paths(path) for part, path in zip(_PARTS, lists, strict=True)}
    names = _class_names(lines, domain, lists)
    order = sorted(names)
    place = {number: position for position, number in enumerate(order)}
    rows = [(path, place[number], part) for part in _PARTS for path, number in lines[part]]
    paths = [path for path, _, _ in rows]
    _check_twice(paths, lists)
    advice = f"unpack {domain}.zip again, of the version that the lists are of"
    listing = Annotated(
        source=source,
        reader="domainnet",
        base=base,
        files=paths,
        stamps=stamps_of_all(base, paths, str(lists[0]), advice),
        beside=list(lists),
        classes=tuple(names[number] for number in order),
        labels=np.array([number for _, number, _ in rows], np.int64),
        splits=[part for _, _, part in rows],
        notes=_notes(domain, lines, names),
    ).listing()
    return with_drawn_splits(listing, {"val": _VAL}, of="train")


def _domain_folder(source: str) -> Path:
    root = Path(source).absolute()
    if root.name in VERSIONS:
        return root
    inside = sorted(name for name in VERSIONS if (root / name).is_dir())
    if len(inside) == 1:
        return root / inside[0]
    said = f"holds several domains ({', '.join(inside)})" if inside else "is no folder of a domain of DomainNet"
    name = inside[-1] if inside else "sketch"
    raise DataError(f"'{source}' {said}; give the folder of one, such as domainnet:{Path(source) / name}")


def _lists(folder: Path) -> tuple[Path, Path]:
    names = [f"{folder.name}_{part}.txt" for part in _PARTS]
    for place in _LIST_FOLDERS:
        train, test = (Path(os.path.normpath(folder / place)) / name for name in names)
        if train.is_file() and test.is_file():
            return train, test
        if train.is_file() or test.is_file():
            raise DataError(
                f"'{train if test.is_file() else test}' is not there; domainnet wants both lists of a domain"
            )
    raise DataError(
        f"'{folder}' has no {names[0]} and {names[1]} in it or beside it; put both lists of the domain there"
    )


def _class_names(lines: dict[str, list[tuple[str, int]]], domain: str, lists: tuple[Path, Path]) -> dict[int, str]:
    """What each number is called, by the folders; the lists of train and test have to agree."""
    names: dict[int, str] = {}
    numbers: dict[str, int] = {}
    for part, path in zip(_PARTS, lists, strict=True):
        for file, number in lines[part]:
            folders = file.split("/")
            if len(folders) != 3 or folders[0] != domain or ".." in folders:
                raise DataError(f"'{file}' in '{path}' is no path {domain}/CLASS/IMAGE; take the lists of {domain}")
            name = folders[1]
            if names.setdefault(number, name) != name or numbers.setdefault(name, number) != number:
                raise DataError(
                    f"'{path}' gives number {number} to {name}, and elsewhere number {numbers.get(name, number)} is "
                    f"{names[number]}; take both lists from one version"
                )
    return names


def _check_twice(paths: list[str], lists: tuple[Path, Path]) -> None:
    twice = [path for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise DataError(
            f"'{lists[0]}' and {lists[1].name} name {len(twice):,} images twice ({a_few(twice)}); take both lists from "
            "one version"
        )


def _notes(domain: str, lines: dict[str, list[tuple[str, int]]], names: dict[int, str]) -> list[str]:
    count = sum(map(len, lines.values()))
    original, cleaned = VERSIONS[domain]
    if original == cleaned == count:
        notes = [f"{count:,} images, the same in the original and the cleaned version"]
    elif count in (original, cleaned):
        notes = [f"the {'cleaned' if count == cleaned else 'original'} version ({count:,} images)"]
    else:
        notes = [f"{count:,} images; published are {original:,} (original version) and {cleaned:,} (cleaned)"]
    trained, tested = ({number for _, number in lines[part]} for part in _PARTS)
    if len(names) != _CLASSES:
        notes.append(f"{len(names):,} of the {_CLASSES} classes")
    if tested - trained:
        untaught = [names[number] for number in tested - trained]
        notes.append(f"test has classes that train has not ({a_few(untaught)})")
    return notes
