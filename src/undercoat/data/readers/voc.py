"""Pascal VOC 2007 and 2012 (Everingham et al. 2010, 2015) as image-level classification of 20 classes.

Read is ``VOCdevkit/VOC20{07,12}`` with ``JPEGImages/`` and ``ImageSets/Main/<class>_{trainval,test}.txt``, whose rows
are ``id -1``, ``id 0`` or ``id 1``. 0 means that the class is there and hard to see; as in the code of Reed et al.
(2021), only 1 counts as present. The trainval parts of both years are joined, four images of five to ``train`` and
one to ``val`` by a draw of our own; the test part of 2007 is the split ``test``. Numbers such as ``000012`` occur in
both years, so keys begin with the year's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from undercoat.data.listing import Listing
from undercoat.data.readers.annotations import VAL_SHARE, Annotated, place_of, presence
from undercoat.data.readers.complete import stamps_of_all
from undercoat.data.readers.drawn_splits import with_drawn_splits
from undercoat.data.readers.published import a_few
from undercoat.errors import DataError

__all__ = ["read_voc"]

_YEARS = ("VOC2007", "VOC2012")
_TESTED = ("VOC2007",)  # what the test images of 2012 show is not published
_LISTS = "ImageSets/Main"
_CLASSES = 20


@dataclass(frozen=True)
class _Part:
    """One published part of one year: file names and the classes that each shows."""

    files: list[str]
    shown: list[set[int]]
    stamps: list[str]
    lists: list[Path]


def read_voc(source: str) -> Listing:
    """Pascal VOC 2007 and 2012: VOCdevkit/VOC2007 and VOC2012; trainval of both, test of 2007."""
    places = [f"{above}{year}" for above in ("VOCdevkit/", "") for year in _YEARS]
    base = place_of(source, places, "VOCdevkit/VOC2007, VOCdevkit/VOC2012 or both")
    years = [year for year in _YEARS if (base / year).is_dir()]
    classes = _classes(base, years)
    trainval = [_part(base, year, "trainval", classes) for year in years]
    tested = [year for year in years if year in _TESTED and (base / year / _LISTS / f"{classes[0]}_test.txt").is_file()]
    test = [_part(base, year, "test", classes) for year in tested]
    parts = trainval + test
    listing = Annotated(
        source=source,
        reader="voc",
        base=base,
        files=[file for part in parts for file in part.files],
        stamps=[stamp for part in parts for stamp in part.stamps],
        beside=[path for part in parts for path in part.lists],
        classes=classes,
        labels=presence([shown for part in parts for shown in part.shown], len(classes)),
        splits=[name for name, some in (("train", trainval), ("test", test)) for part in some for _ in part.files],
        notes=_notes(years, tested, len(classes)),
    ).listing()
    return with_drawn_splits(listing, VAL_SHARE, of="train")


def _notes(years: list[str], tested: list[str], classes: int) -> list[str]:
    notes = [f"trainval of {' and '.join(years)}"]
    notes += [f"test of {' and '.join(tested)}"] if tested else ["there is no test part; unpack VOCtest_06-Nov-2007"]
    return notes + ([f"{classes} classes, and VOC has {_CLASSES}"] if classes != _CLASSES else [])


def _classes(base: Path, years: list[str]) -> tuple[str, ...]:
    """The names in front of ``_trainval.txt``, which all years have to share."""
    found = {year: tuple(sorted(_named(base / year / _LISTS))) for year in years}
    first, *others = years
    if not found[first]:
        raise DataError(f"'{base / first / _LISTS}' has no lists such as aeroplane_trainval.txt; unpack it again")
    for year in others:
        odd = set(found[first]) ^ set(found[year])
        if odd:
            raise DataError(
                f"{first} and {year} in '{base}' have not lists of the same classes ({a_few(odd)}); unpack both again"
            )
    return found[first]


def _named(folder: Path) -> list[str]:
    ending = "_trainval.txt"
    return [path.name.removesuffix(ending) for path in folder.glob(f"*{ending}") if not path.name.startswith(".")]


def _part(base: Path, year: str, name: str, classes: tuple[str, ...]) -> _Part:
    lists = [base / year / _LISTS / f"{label}_{name}.txt" for label in classes]
    shown: dict[str, set[int]] = {}
    for number, path in enumerate(lists):
        rows = _rows(path)
        if number and rows.keys() != shown.keys():
            raise DataError(f"'{path}' does not list the same images as '{lists[0].name}'; unpack {year} again")
        for image, value in rows.items():
            shown.setdefault(image, set()).update([number] if value == 1 else [])
    images = sorted(shown)
    files = [f"{year}/JPEGImages/{image}.jpg" for image in images]
    stamps = stamps_of_all(base, files, f"{year}/{_LISTS}/*_{name}.txt", f"unpack {year} again")
    return _Part(files, [shown[image] for image in images], stamps, lists)


def _rows(path: Path) -> dict[str, int]:
    """From an image's number to -1, 0 or 1."""
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except FileNotFoundError:
        raise DataError(f"'{path}' is not there, and the other classes have theirs; unpack it again") from None
    rows = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or words[1] not in ("-1", "0", "1"):
            raise DataError(f"line {number} of '{path}' is not 'id -1', 'id 0' or 'id 1' ({line!r}); unpack it again")
        if words[0] in rows:
            raise DataError(f"line {number} of '{path}' has image {words[0]} once more; unpack it again")
        rows[words[0]] = int(words[1])
    if not rows:
        raise DataError(f"'{path}' is empty; unpack it again")
    return rows
