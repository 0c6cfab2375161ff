"""Places205 and Places365 (Zhou et al. 2014, 2018), in class folders or as file lists with folders of images.

Read are ``train`` and ``val`` with a folder for each class, also inside ``places365_standard``;
``places365_train_standard.txt`` (or ``…_challenge.txt``) with ``data_256`` or ``data_large``, and
``places365_val.txt`` with ``val_256`` or ``val_large``; ``train_places205.csv`` and ``val_places205.csv`` with
``data/vision/torralba/deeplearning/images256``. As papers test on val, it becomes the split ``test``; the test
images proper have no labels and are passed over. ``/a/apartment_building/outdoor`` is called
``apartment_building-outdoor`` throughout, as in the class folders. Class folders alone are numbered by their
sorted names; whether that is the published order in every case has not been checked, so
``categories_places365.txt`` is followed where it lies beside them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from undercoat.data.listing import Listing
from undercoat.data.readers.published import Part, listing_of, one_folder, walk
from undercoat.errors import DataError

__all__ = ["numbered_paths", "read_places"]

_EASY = (".", "places365_standard")  # the second as places365standard_easyformat.tar unpacks
_CATEGORIES = "categories_places365.txt"
_TRAIN_LISTS = {  # with the folders of their images: as the archives unpack, or as torchvision renames them
    f"places365_train_{part}.txt": (f"data_256_{part}", "data_256", f"data_large_{part}", "data_large")
    for part in ("standard", "challenge")
}
_VAL_LIST = "places365_val.txt"
_VAL_FOLDERS = ("val_256", "val_large")
_LISTS_205 = ("trainvalsplit_places205", ".")
_FOLDERS_205 = ("data/vision/torralba/deeplearning/images256", "images256")
_PUBLISHED = (205, 365)
_MOST_DIGITS = 9
_Lines = list[tuple[str, int]]


def read_places(source: str) -> Listing:
    """Places205 or Places365: train/ and val/ in class folders, or the published file lists beside the images."""
    root = Path(source)
    for name, folders in _TRAIN_LISTS.items():
        if (root / name).is_file():
            return _from_lists(source, root, root / name, root / _VAL_LIST, (folders, _VAL_FOLDERS))
    for folder in _LISTS_205:
        train = root / folder / "train_places205.csv"
        if train.is_file():
            return _from_lists(source, root, train, train.with_name("val_places205.csv"), (_FOLDERS_205, _FOLDERS_205))
    inside = one_folder(root, (f"{base}/train" for base in _EASY))
    if inside:
        return _from_folders(source, (root / inside).parent)
    raise DataError(
        f"'{source}' holds no Places: neither folders train/ and val/, nor places365_train_standard.txt "
        "(Places365), nor trainvalsplit_places205/train_places205.csv (Places205); give the folder of one of them"
    )


def _from_folders(source: str, base: Path) -> Listing:
    parts = [walk("train", base, "train", _class_name)]
    if (base / "val").is_dir():
        parts.append(walk("val", base, "val", _class_name))
    for part in parts:
        if "" in part.classes:
            raise DataError(
                f"'{base / part.name}' has images in no class folder, so it is no Places as published; move them into "
                f"their classes, or give {_VAL_LIST} and the other lists beside it"
            )
    beside = [path for path in (base / _CATEGORIES, base.parent / _CATEGORIES) if path.is_file()][:1]
    classes = [_class_name(f"{name}/") for name, _ in _ranked(numbered_paths(beside[0]))] if beside else []
    return listing_of(source, "places", base, parts, classes=classes, beside=beside, notes=_notes(parts))


def _class_name(path: str) -> str:
    """``/a/apartment_building/outdoor/x.jpg`` → ``apartment_building-outdoor``; "" for a path without folder.

    Example:
        >>> _class_name("/a/airfield/00000001.jpg"), _class_name("field-wild/1.jpg"), _class_name("1.jpg")
        ('airfield', 'field-wild', '')
    """
    folders = path.lstrip("/").split("/")[:-1]
    if len(folders) > 1 and len(folders[0]) == 1:
        del folders[0]
    return "-".join(folders)


def _from_lists(
    source: str, root: Path, train: Path, val: Path, folders: tuple[tuple[str, ...], tuple[str, ...]]
) -> Listing:
    lines = numbered_paths(train)
    names = _names(lines, train)
    beside = [train]
    if (root / _CATEGORIES).is_file():
        names = {number: _class_name(f"{name}/") for name, number in numbered_paths(root / _CATEGORIES)}
        beside.append(root / _CATEGORIES)
    _check_names(names, beside[-1])
    parts = [_listed("train", root, train, lines, names, folders[0])]
    if val.is_file():
        parts.append(_listed("val", root, val, numbered_paths(val), names, folders[1]))
        beside.append(val)
    ranked = [names[number] for number in sorted(names)]
    return listing_of(source, "places", root, parts, classes=ranked, beside=beside, notes=_notes(parts))


def numbered_paths(path: Path) -> _Lines:
    """Read a list of lines ``path number``, where paths may hold spaces.

    Raises:
        DataError: for a list that is empty, or a line of another form.
    """
    found = []
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as text:
        for position, line in enumerate(text, 1):
            if not line.strip():
                continue
            name, _, number = line.strip().rpartition(" ")
            if not name or not number.isascii() or not number.isdigit() or len(number) > _MOST_DIGITS:
                raise DataError(
                    f"line {position} of '{path}' is no path with a number ({line.strip()[:60]}); fetch it again"
                )
            found.append((name, int(number)))
    if not found:
        raise DataError(f"'{path}' is empty; fetch it again")
    return found


def _ranked(lines: _Lines) -> _Lines:
    return sorted(lines, key=lambda line: line[1])


def _names(lines: _Lines, path: Path) -> dict[int, str]:
    """What the classes are called, by the folders of the training images."""
    names: dict[int, str] = {}
    for file, number in lines:
        name = _class_name(file)
        if names.setdefault(number, name) != name:
            raise DataError(
                f"class {number} in '{path}' has images in {names[number]} and in {name}; fetch the list again"
            )
    return names


def _check_names(names: dict[int, str], path: Path) -> None:
    """Classes of one name would become one, and every number after them another."""
    number_of: dict[str, int] = {}
    for number, name in names.items():
        if number_of.setdefault(name, number) != number:
            raise DataError(f"classes {number_of[name]} and {number} in '{path}' are both {name}; fetch the list again")


def _listed(name: str, root: Path, path: Path, lines: _Lines, names: dict[int, str], folders: tuple[str, ...]) -> Part:
    """The images of a list that are there."""
    folder = one_folder(root, folders)
    if not folder:
        raise DataError(f"'{root}' has {path.name} and none of its images; unpack them to {' or '.join(folders)}")
    unknown = {number for _, number in lines} - set(names)
    if unknown:
        raise DataError(f"'{path}' has class {min(unknown)}, which has no name; fetch the lists again")
    there = list(_there(root, folder, lines))
    kept = [(file, names[number]) for file, number, stamp in there if stamp]
    if not kept:
        raise DataError(f"none of the {len(lines):,} images of '{path}' is in '{root / folder}'; unpack them there")
    stamp = blake2b("\n".join(stamp for _, _, stamp in there).encode(), digest_size=16)
    skipped = tuple((file, "listed, and not there") for file, _, stamp in there if not stamp)
    return Part(name, folder, [file for file, _ in kept], [label for _, label in kept], stamp.hexdigest(), skipped)


def _there(root: Path, folder: str, lines: _Lines) -> Iterator[tuple[str, int, str]]:
    """Each path with its class and a stamp, "" for a file that is missing."""
    for below, number in lines:
        file = f"{folder}/{below.lstrip('/')}"
        try:
            status = os.stat(root / file)
        except (OSError, ValueError):  # a path with a null byte is no path
            yield file, number, ""
        else:
            yield file, number, f"{status.st_size} {status.st_mtime_ns}"


def _notes(parts: list[Part]) -> list[str]:
    classes = len(set(parts[0].classes))
    odd = [f"{classes:,} classes, and Places has {' or '.join(map(str, _PUBLISHED))}"]
    return (odd if classes not in _PUBLISHED else []) + (
        [] if len(parts) > 1 else ["there is no val, which results are published on"]
    )
