"""COCO (Lin et al. 2014) as an image-level task: which of the 80 classes are to be seen in each photograph.

Read are ``train2014/``, ``val2014/`` and ``annotations/instances_{train,val}2014.json`` (or those of 2017), also with
the images in ``images/``. A class is present when it has any annotation, crowds included; an image without annotations
shows none. The numbers of the categories have gaps, so classes are counted in the order of these numbers. The test
images have no labels that are published, so val is dealt into the splits ``val`` and ``test``. Reed et al. (2021) halve
it too, and do not publish their halves: these are of our own drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from pathlib import Path

from undercoat.data.listing import Listing
from undercoat.data.readers.annotations import Annotated, lack, place_of, presence
from undercoat.data.readers.complete import stamps_of_all
from undercoat.data.readers.drawn_splits import with_drawn_splits
from undercoat.data.readers.published import one_folder
from undercoat.data.readers.streamed_json import elements, once
from undercoat.errors import DataError

__all__ = ["read_coco"]

_YEARS = ("2014", "2017")
_CLASSES = 80


@dataclass(frozen=True)
class _Content:
    """What a list says: file names, sorted, the classes that each shows, and names by the categories' numbers."""

    files: list[str]
    shown: list[set[int]]
    categories: dict[int, str]


@dataclass(frozen=True)
class _Part:
    """A list and its images."""

    path: Path
    content: _Content
    files: list[str]
    stamps: list[str]


def read_coco(source: str) -> Listing:
    """COCO: train2014/, val2014/ and annotations/instances_…2014.json (or 2017); val is halved into val and test."""
    lists = [f"annotations/instances_train{year}.json" for year in _YEARS]
    base = place_of(source, lists, "annotations/instances_train2014.json, train2014/ and val2014/").parent
    year = next(year for year, name in zip(_YEARS, lists, strict=True) if (base / name).is_file())
    parts = [_part(base, "train", year), _part(base, "val", year)]
    categories = parts[0].content.categories
    if parts[1].content.categories != categories:
        raise DataError(f"'{parts[1].path}' has other categories than the list of train; take both from one set")
    notes = [f"{len(categories)} classes, and COCO has {_CLASSES}"] if len(categories) != _CLASSES else []
    listing = Annotated(
        source=source,
        reader="coco",
        base=base,
        files=[file for part in parts for file in part.files],
        stamps=[stamp for part in parts for stamp in part.stamps],
        beside=[part.path for part in parts],
        classes=tuple(categories.values()),
        labels=presence([shown for part in parts for shown in part.content.shown], len(categories)),
        splits=[name for name, part in zip(("train", "val"), parts, strict=True) for _ in part.files],
        notes=(f"COCO {year}", *notes),
    ).listing()
    return with_drawn_splits(listing, {"test": 0.5}, of="val")


def _part(base: Path, name: str, year: str) -> _Part:
    path = base / "annotations" / f"instances_{name}{year}.json"
    if not path.is_file():
        raise DataError(f"'{path.parent}' has no {path.name}; unpack the annotations again")
    folder = one_folder(base, (f"{name}{year}", f"images/{name}{year}"))
    if not folder:
        raise DataError(f"'{base}' has {path.name} and no folder {name}{year}/; unpack the images there")
    content = _read(path)
    files = [f"{folder}/{file}" for file in content.files]
    return _Part(path, content, files, stamps_of_all(base, files, path.name, "unpack the images again"))


@once
def _read(path: Path) -> _Content:
    name_of: dict[int, str] = {}
    marks: list[tuple[int, int]] = []
    categories: dict[int, str] = {}
    try:
        for kind, entry in elements(path, "images", "annotations", "categories"):
            if kind == "images":
                image = index(entry["id"])
                if image in name_of:
                    raise DataError(f"'{path}' has image {image} twice; fetch it again")
                name_of[image] = str(entry["file_name"])
            elif kind == "annotations":
                marks.append((index(entry["image_id"]), index(entry["category_id"])))
            else:
                categories[index(entry["id"])] = str(entry["name"])
    except (KeyError, TypeError) as error:
        raise DataError(f"'{path}' has an entry {lack(error)}, so it is no COCO; fetch it again") from None
    if not categories or len(set(categories.values())) < len(categories):
        raise DataError(f"'{path}' has no categories, or two of one name; fetch it again")
    categories = dict(sorted(categories.items()))  # lists of one set may name them in different orders
    shown = _shown(path, name_of, categories, marks)
    ranked = sorted(name_of, key=lambda image: name_of[image])
    return _Content([name_of[image] for image in ranked], [shown[image] for image in ranked], categories)


def _shown(
    path: Path, name_of: dict[int, str], categories: dict[int, str], marks: list[tuple[int, int]]
) -> dict[int, set[int]]:
    """From an image's number to the places, in the order of the categories, of what it shows."""
    number = {category: position for position, category in enumerate(categories)}
    shown: dict[int, set[int]] = {image: set() for image in name_of}
    strays = [mark for mark in marks if mark[0] not in shown or mark[1] not in number]
    if strays:
        raise DataError(
            f"{len(strays):,} annotations of '{path}' are of an image or category that it does not list (first: image "
            f"{strays[0][0]}, category {strays[0][1]}); fetch it again"
        )
    for image, category in marks:
        shown[image].add(number[category])
    return shown
