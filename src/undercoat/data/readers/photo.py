"""Single photographs by name, from the installed scikit-image, and one drawing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from undercoat import samples
from undercoat.data.listing import FilePaths, Listing
from undercoat.data.names import Names
from undercoat.errors import DataError, SpecError, did_you_mean

__all__ = ["PHOTOS", "PhotoCard", "read_photo"]


@dataclass(frozen=True)
class PhotoCard:
    """What a photograph shows and on what terms, in scikit-image's words, it may be used."""

    file: str
    title: str
    licence: str


_FREE, _SEE = "CC0", "see scikit-image's documentation"
_PUBLIC = "public domain"

PHOTOS: dict[str, PhotoCard] = {
    "animals": PhotoCard("animals.webp", "a drawing of 96 animals and plants, 768 × 512", "CC-BY-SA-4.0"),
    "astronaut": PhotoCard("astronaut.png", "a person in a space suit, 512 × 512", _PUBLIC),
    "brick": PhotoCard("brick.png", "a brick wall, grey, 512 × 512", _FREE),
    "camera": PhotoCard("camera.png", "a person at a camera, grey, 512 × 512", _FREE),
    "cell": PhotoCard("cell.png", "a cell under the microscope, grey, 550 × 660", _FREE),
    "chelsea": PhotoCard("chelsea.png", "a cat's face, 451 × 300", _FREE),
    "clock": PhotoCard("clock_motion.png", "a wall clock, blurred by motion, grey, 400 × 300", _PUBLIC),
    "coffee": PhotoCard("coffee.png", "a cup of coffee on a table, 600 × 400", _FREE),
    "coins": PhotoCard("coins.png", "coins on a dark ground, grey, 384 × 303", "no known copyright"),
    "grass": PhotoCard("grass.png", "grass, grey, 512 × 512", _FREE),
    "gravel": PhotoCard("gravel.png", "gravel, grey, 512 × 512", _FREE),
    "hubble": PhotoCard("hubble_deep_field.jpg", "thousands of galaxies, 1000 × 872", _PUBLIC),
    "ihc": PhotoCard("ihc.png", "stained tissue under the microscope, 512 × 512", "no known copyright"),
    "moon": PhotoCard("moon.png", "the surface of the moon, grey, 512 × 512", _SEE),
    "motorcycle": PhotoCard("motorcycle_left.png", "a motorcycle in a workshop, 741 × 500", _SEE),
    "page": PhotoCard("page.png", "a scanned page, grey, 384 × 191", _SEE),
    "retina": PhotoCard("retina.jpg", "the back of an eye, 1411 × 1411", _FREE),
    "rocket": PhotoCard("rocket.jpg", "a rocket at night, 640 × 427", _PUBLIC),
    "text": PhotoCard("text.png", "text on a curved page, grey, 448 × 172", _PUBLIC),
}


_OURS = ("animals",)  # in the package itself; the others are scikit-image's


def read_photo(source: str) -> Listing:
    """One photograph by its name (undercoat list data names them); nothing is downloaded."""
    if source not in PHOTOS:
        near = did_you_mean(source, PHOTOS) or f"; photos are {', '.join(PHOTOS)}"
        raise SpecError(f"'{source}' is no photo{near}")
    name, owner, folder = PHOTOS[source].file, "undercoat", Path(samples.__file__).parent
    if source not in _OURS:
        spec = find_spec("skimage")  # its data module could download; the file itself cannot
        owner = "scikit-image"
        folder = Path(next(iter((spec and spec.submodule_search_locations) or [""]))) / "data"
    if not (folder / name).is_file():
        raise DataError(f"{owner} here has no {name}; reinstall {owner}")
    return Listing(
        name=f"photo:{source}",
        reader="photo",
        keys=Names.of([name]),
        source=FilePaths(folder, Names.of([name])),
        stamp=f"photo {version(owner)} {folder} {name}",
        splits=np.zeros(1, "<U5"),
        groups=np.zeros(1, "<U1"),
    )
