"""Sets of one folder a class whose splits are lists of file names: RESISC-45 and UC Merced."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath

import numpy as np

from undercoat.data.layout import is_hidden
from undercoat.data.limiting import ChosenFiles
from undercoat.data.listing import ArrayRows, Listing
from undercoat.data.readers.drawn_splits import with_drawn_splits
from undercoat.data.readers.folder import read_folder
from undercoat.data.readers.idx import stamp_of
from undercoat.data.readers.published import a_few
from undercoat.errors import DataError

__all__ = ["OWN_SHARES", "ListedFolders", "read_listed_folders"]

OWN_SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}  # as the published lists of both sets cut them
_MOST_DEEP = 2  # folders below the one given that are looked through


@dataclass(frozen=True)
class ListedFolders:
    """How a set is published.

    Attributes:
        reader: its reader's name.
        title: what a person calls it.
        places: folders in the one given that the class folders may lie in; tried in order, before the folder itself.
        lists: name of the split lists, with ``{}`` for train, val and test.
        classes: how many it has.
    """

    reader: str
    title: str
    places: tuple[str, ...]
    lists: str
    classes: int


def read_listed_folders(source: str, form: ListedFolders) -> Listing:
    """List the images of class folders and put each into the split that names it.

    Raises:
        DataError: for a folder without class folders, class folders without images, and lists of which one is
            missing, that name an image twice, or an image that is not there.
    """
    base = _base(source, form)
    found = read_folder(str(base))
    _check_folders(base, found, form)
    lists = _lists(base, Path(source), form)
    _check_twice(base, found, alike=_stem if lists else _without_ending)
    kept = tuple(
        (key, why) for key, why in found.skipped if Path(key).name not in {path.name for path in lists.values()}
    )
    listing = replace(
        found,
        name=source,
        reader=form.reader,
        splits=np.zeros(len(found), "<U5"),
        skipped=kept,
        notes=_notes(found, form),
    )
    return _split_by(listing, lists) if lists else with_drawn_splits(listing, OWN_SHARES)


def _base(source: str, form: ListedFolders) -> Path:
    """The folder that holds the class folders."""
    root = Path(source)
    for place in (*form.places, "."):
        if (root / place).is_dir() and _folders(root / place):
            return root / place
    wants = f"{form.places[0]}/" if form.places else ""
    raise DataError(
        f"'{source}' holds no class folders, so it is no {form.title} as published; give the folder that holds "
        f"{wants} with one folder a class"
    )


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name))


def _check_folders(base: Path, found: Listing, form: ListedFolders) -> None:
    flat = [key for key in found.keys if key.count("/") != 1]
    if flat:
        raise DataError(
            f"'{base}' has images in no class folder, or deeper ({a_few(flat)}), so it is no "
            f"{form.title} as published; move them away, or read it as folder:{base}"
        )
    empty = set(_folders(base)) - {key.split("/", 1)[0] for key in found.keys}
    if empty:
        raise DataError(f"'{base}' has class folders without images ({a_few(empty)}); unpack {form.title} again")
    if len(found.classes) < 2:
        raise DataError(f"'{base}' has images of one class only; {form.title} has {form.classes}, unpack it again")


def _check_twice(base: Path, found: Listing, *, alike: Callable[[str], str]) -> None:
    """Refuse two files that are one image by their names: it could be learned from and tested on."""
    first: dict[str, str] = {}
    for key in found.keys:
        other = first.setdefault(alike(key), key)
        if other != key:
            raise DataError(f"'{base}' has '{other}' and '{key}', which are one image by their names; remove one")


def _without_ending(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _lists(base: Path, root: Path, form: ListedFolders) -> dict[str, Path]:
    """The three split lists, beside the images or above them; none at all is fine, one or two are not."""
    names = {split: form.lists.format(split) for split in OWN_SHARES}
    near = [base, *list(base.absolute().parents)[:_MOST_DEEP], root]
    for place in near:
        there = {split: place / name for split, name in names.items() if (place / name).is_file()}
        missing = [name for split, name in names.items() if split not in there]
        if there and missing:
            raise DataError(
                f"'{place}' has {a_few(path.name for path in there.values())} and not {a_few(missing)}; put all three "
                "lists there, or take them all away for a split of our own"
            )
        if there:
            return there
    return {}


def _split_by(listing: Listing, lists: Mapping[str, Path]) -> Listing:
    """Give each image the split whose list names it; images that no list names are left out."""
    position = {_stem(key): row for row, key in enumerate(listing.keys)}
    splits = np.zeros(len(listing), "<U5")
    for split, path in lists.items():
        names = [line.strip() for line in path.read_text("utf-8-sig", "surrogateescape").splitlines() if line.strip()]
        missing = [name for name in names if _stem(name) not in position]
        if missing or not names:
            said = f"{len(missing):,} of the {len(names):,} images that '{path}' names are not there ({a_few(missing)})"
            raise DataError(f"{said}; unpack the images again" if names else f"'{path}' is empty; fetch it again")
        rows = np.array([position[_stem(name)] for name in names], np.int64)
        twice = [name for name, row in zip(names, rows, strict=True) if splits[row] not in ("", split)]
        if twice:
            raise DataError(f"'{path}' names images of another split too ({a_few(twice)}); fetch the three lists again")
        splits[rows] = split
    stamp = blake2b(f"{listing.stamp} {stamp_of(list(lists.values()))}".encode(), digest_size=16).hexdigest()
    return _only_listed(replace(listing, splits=splits, stamp=stamp))


def _only_listed(listing: Listing) -> Listing:
    rows = np.flatnonzero(listing.splits != "")
    left = len(listing) - len(rows)
    if not left or isinstance(listing.source, ArrayRows) or listing.labels is None:
        return listing
    note = f"left out, as they are in none of the split lists: {left:,} of {len(listing):,} images"
    outside = [listing.keys[row] for row in np.flatnonzero(listing.splits == "").tolist()]
    return replace(
        listing,
        keys=listing.keys.take(rows),
        source=ChosenFiles(listing.source, rows),
        labels=listing.labels[rows],
        splits=listing.splits[rows],
        groups=listing.groups[rows],
        skipped=tuple(sorted((*listing.skipped, *((key, "in none of the split lists") for key in outside)))),
        notes=(*listing.notes, note),
    )


def _stem(name: str) -> str:
    """A file's name without folder and ending, as images are often converted: ``beach/beach01.tif`` is ``beach01``."""
    return PurePosixPath(name).stem


def _notes(found: Listing, form: ListedFolders) -> tuple[str, ...]:
    classes = len(found.classes)
    return () if classes == form.classes else (f"{classes:,} of the {form.classes} classes of {form.title}",)
