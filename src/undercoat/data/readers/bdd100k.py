"""BDD100K (Yu et al. 2020): frames of a driving camera, labelled by weather, scene or time of day.

Read are ``images/100k/{train,val}`` and ``labels/bdd100k_labels_images_{train,val}.json``, a list of frames with
``name`` and ``attributes``. ``?labels=weather`` (the default), ``scene`` or ``timeofday`` chooses the attribute; frames
whose value is "undefined", and images without a frame, are unlabelled. The official val is what is tested on, so it
becomes the split ``test``; ``val`` is one image of five of train, by a draw of our own (Reed et al. 2021 do not publish
theirs). The official test images have no labels and are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undercoat.data.canvases import UNLABELLED
from undercoat.data.listing import Listing
from undercoat.data.readers.annotations import VAL_SHARE, Annotated, drawn_alike, files_in, lack, place_of
from undercoat.data.readers.complete import stamps_of_all
from undercoat.data.readers.published import a_few
from undercoat.data.readers.streamed_json import elements, once
from undercoat.errors import DataError, SpecError, did_you_mean

__all__ = ["ATTRIBUTES", "read_bdd100k"]

ATTRIBUTES = ("weather", "scene", "timeofday")
_UNDEFINED = "undefined"
_LIST = "labels/bdd100k_labels_images_{}.json"


@dataclass(frozen=True)
class _Part:
    """A published part: its list, its files with their stamps, and each one's value."""

    path: Path
    stamps: dict[str, str]
    values: list[str]


def read_bdd100k(source: str, labels: str = "") -> Listing:
    """BDD100K: images/100k and labels/bdd100k_labels_images_…json; ?labels=weather, scene or timeofday."""
    attribute = labels or ATTRIBUTES[0]
    if attribute not in ATTRIBUTES:
        near = did_you_mean(attribute, ATTRIBUTES) or f"; attributes are {', '.join(ATTRIBUTES)}"
        raise SpecError(f"'{attribute}' is no attribute of BDD100K in '{source}'{near}")
    train_list = _LIST.format("train")
    place = place_of(source, (train_list, f"bdd100k/{train_list}"), f"images/100k/train, val/ and {train_list}")
    base = place.parent
    parts = [_part(base, "train", attribute), _part(base, "val", attribute)]
    both = {Path(file).name for file in parts[0].stamps} & {Path(file).name for file in parts[1].stamps}
    if both:
        raise DataError(
            f"{len(both):,} images of '{base}' are in train and in val ({a_few(both)}), so what is tested would have "
            "been seen; unpack the images again"
        )
    classes = _classes(parts, base)
    number = {name: position for position, name in enumerate(classes)}
    values = [value for part in parts for value in part.values]
    listing = Annotated(
        source=source,
        reader="bdd100k",
        base=base,
        files=[file for part in parts for file in part.stamps],
        stamps=[stamp for part in parts for stamp in part.stamps.values()],
        beside=[part.path for part in parts],
        classes=classes,
        labels=np.array([number.get(value, UNLABELLED) for value in values], np.int64),
        splits=[split for split, part in zip(("train", "test"), parts, strict=True) for _ in part.values],
        notes=(
            f"classes are by {attribute}; {values.count(_UNDEFINED):,} images are of none and stay unlabelled",
            "the official val is the split 'test'",
        ),
    ).listing()
    return drawn_alike(listing, VAL_SHARE, of="train")


def _part(base: Path, name: str, attribute: str) -> _Part:
    path, folder = base / _LIST.format(name), f"images/100k/{name}"
    there = files_in(base, folder)
    if not path.is_file():
        raise DataError(f"'{path}' is not there; unpack the labels of BDD100K")
    frames = _attributes(path)
    stamps_of_all(base, [f"{folder}/{file}" for file in frames], path.name, "unpack the images again")
    values = [frames[file][attribute] if file in frames else _UNDEFINED for file in there]
    return _Part(path, {f"{folder}/{file}": stamp for file, stamp in there.items()}, values)


@once
def _attributes(path: Path) -> dict[str, dict[str, str]]:
    """From a file name to the values of the attributes."""
    found = {}
    try:
        for _, frame in elements(path, ""):
            found[str(frame["name"])] = {name: str(frame["attributes"][name] or _UNDEFINED) for name in ATTRIBUTES}
    except (KeyError, TypeError) as error:
        raise DataError(
            f"'{path}' has a frame {lack(error)}, so it is no list of BDD100K's images; fetch it again"
        ) from None
    if not found:
        raise DataError(f"'{path}' names no image; fetch it again")
    return found


def _classes(parts: list[_Part], base: Path) -> tuple[str, ...]:
    """Names of train, sorted; test may have no others."""
    trained, tested = (set(part.values) - {_UNDEFINED} for part in parts)
    if tested - trained:
        raise DataError(
            f"the official val of '{base}' has {a_few(tested - trained)}, which train has not; take both from one set"
        )
    return tuple(sorted(trained))
