"""xView (Lam et al. 2018): large satellite scenes with boxes, as chips labelled by the types of object they show.

Read are ``train_images/<id>.tif`` and ``xView_train.geojson``, of whose features ``image_id``, ``type_id`` and
``bounds_imcoords`` ("xmin,ymin,xmax,ymax") are used. Every scene is covered by chips of 512 × 512 pixels, cut out when
they are read; the last column and row are shifted back to the border and overlap their neighbours. A chip shows the
types of the boxes whose centre lies in it. Chips of a scene without boxes are unlabelled. Groups are scenes: eight of
ten are train, one val and one test, by a draw of our own, for the official validation and test labels are not public.
Types are called by their numbers unless ``xview_class_labels.txt`` (lines ``11:Name``) lies beside the GeoJSON. Reed
et al. (2021) chip to 512 pixels too and use 36 types, which of them is not known; here all that occur are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from undercoat.data.headers import peek
from undercoat.data.labelling import class_order
from undercoat.data.listing import Listing
from undercoat.data.names import Names
from undercoat.data.readers.annotations import Annotated, files_in, lack, place_of, presence
from undercoat.data.readers.complete import stamps_of_all
from undercoat.data.readers.drawn_splits import with_drawn_splits
from undercoat.data.readers.published import a_few
from undercoat.data.readers.scene_chips import SceneChips, chip_corners
from undercoat.data.readers.streamed_json import elements, once
from undercoat.data.survey import reason_of
from undercoat.errors import DataError

__all__ = ["CHIP_PX", "read_xview"]

CHIP_PX = 512
_LIST = "xView_train.geojson"
_PLACES = (_LIST, f"train_labels/{_LIST}")
_NAMES = "xview_class_labels.txt"
_SHARES = {"val": 0.1, "test": 0.1}
_MISSING_SHARE = 0.01  # boxes of a scene or two that were not published; more is a broken download
_Boxes = dict[str, list[tuple[float, float, str]]]  # scene → centre and type of each box


@dataclass(frozen=True)
class _Chip:
    scene: str
    box: tuple[int, int, int, int]  # left, top, width, height
    shown: frozenset[str] | None


def read_xview(source: str) -> Listing:
    """xView: train_images/ and xView_train.geojson, as chips of 512 pixels with the types of object in each."""
    place = place_of(source, _PLACES, f"train_images/ and {_LIST}")
    path, base = place / _LIST, Path(source)
    there = files_in(base, "train_images")
    folder = base / "train_images"
    boxes = _boxes(path)
    missing = _missing(folder, boxes, there, path.name)
    chips, skipped = _chips(folder, list(there), boxes)
    names, beside = _names(place)
    types = class_order({kind for chip in chips for kind in chip.shown or ()})
    if not types:
        raise DataError(f"no scene of '{folder}' has a box in '{path.name}'; take both from one set")
    number = {kind: position for position, kind in enumerate(types)}
    scenes = [chip.scene for chip in chips]
    listing = Annotated(
        source=source,
        reader="xview",
        base=folder,
        files=[f"{chip.scene}/{chip.box[0]}-{chip.box[1]}" for chip in chips],
        stamps=[f"{name} {stamp}" for name, stamp in there.items()],
        beside=[path, *beside],
        classes=tuple(names.get(kind, kind) for kind in types),
        labels=presence([None if c.shown is None else {number[k] for k in c.shown} for c in chips], len(types)),
        splits=["train"] * len(chips),
        groups=scenes,
        pixels=SceneChips(folder, Names.of(scenes), np.array([chip.box for chip in chips], np.int64)),
        skipped=[*missing, *skipped],
        notes=_notes(len(set(scenes)), len(types), sorted(set(there) - set(boxes))),
    ).listing()
    return with_drawn_splits(listing, _SHARES, of="train")


def _notes(scenes: int, types: int, bare: list[str]) -> list[str]:
    notes = [f"chips of {CHIP_PX} px of {scenes:,} scenes, {types} types of object"]
    return notes + ([f"{len(bare):,} scenes have no boxes and stay unlabelled ({a_few(bare)})"] if bare else [])


@once
def _boxes(path: Path) -> _Boxes:
    found: _Boxes = {}
    for count, (_, feature) in enumerate(elements(path, "features"), 1):
        try:
            properties: dict[str, Any] = feature["properties"]
            left, top, right, bottom = (float(number) for number in properties["bounds_imcoords"].split(","))
            kind, scene = str(int(properties["type_id"])), str(properties["image_id"])
            if not isfinite(left + top + right + bottom) or float(kind) != float(properties["type_id"]):
                raise ValueError("a corner that is no number, or a type that is no whole one")
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise DataError(
                f"feature {count:,} of '{path}' is {lack(error)}, and has to have image_id, type_id and four "
                "bounds_imcoords; fetch it again"
            ) from None
        found.setdefault(scene, []).append(((left + right) / 2, (top + bottom) / 2, kind))
    return found


def _missing(folder: Path, boxes: _Boxes, there: dict[str, str], name: str) -> list[tuple[str, str]]:
    missing = sorted(set(boxes) - set(there))
    if len(missing) > _MISSING_SHARE * len(boxes):
        stamps_of_all(folder, sorted(boxes), name, "unpack train_images again")
    return [(scene, f"has boxes in {name}, and is not there") for scene in missing]


def _chips(folder: Path, scenes: list[str], boxes: _Boxes) -> tuple[list[_Chip], list[tuple[str, str]]]:
    chips: list[_Chip] = []
    skipped = []
    for scene in scenes:
        try:
            with (folder / scene).open("rb") as stream:
                head = peek(stream)
                if head.format != "TIFF":
                    raise ValueError(f"a {head.format} file and no TIFF")
        except Exception as error:  # decoders raise anything on damaged bytes
            skipped.append((scene, reason_of(error)))
            continue
        chips += _chips_of(scene, head.width, head.height, boxes.get(scene))
    return chips, skipped


def _chips_of(scene: str, width: int, height: int, boxes: list[tuple[float, float, str]] | None) -> list[_Chip]:
    chips = []
    for top in chip_corners(height, CHIP_PX):
        for left in chip_corners(width, CHIP_PX):
            wide, high = min(CHIP_PX, width), min(CHIP_PX, height)
            inside = frozenset(kind for x, y, kind in boxes or () if left <= x < left + wide and top <= y < top + high)
            chips.append(_Chip(scene, (left, top, wide, high), None if boxes is None else inside))
    return chips


def _names(folder: Path) -> tuple[dict[str, str], list[Path]]:
    """Names by number, where somebody wrote them down, and the file that they are in."""
    path = folder / _NAMES
    if not path.is_file():
        return {}, []
    names: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        kind, _, name = line.partition(":")
        if not line.strip():
            continue
        if not kind.strip().isdecimal() or not name.strip():
            raise DataError(f"line {number} of '{path}' is not like '11:Name'; mend it, or move the file away")
        if name.strip() in names.values():
            raise DataError(f"line {number} of '{path}' has the name '{name.strip()}' once more; make names different")
        names[str(int(kind))] = name.strip()
    return names, [path]
