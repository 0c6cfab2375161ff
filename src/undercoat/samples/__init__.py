"""Small real data that ships with the package, each set under its own licence (see ``NOTICE.md``).

The zips are read in place. Radiology zips hold ``images/`` and ``masks/`` of the same names; readers take
images only, ``mask_of`` opens a mask.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

__all__ = ["PHOTOGRAPHS", "SAMPLES", "SampleCard", "mask_of", "sample_archive"]


@dataclass(frozen=True, kw_only=True)
class SampleCard:
    """What a sample is and on what terms it may be used.

    Attributes:
        title: one line for a list.
        images: how many.
        size_px: width and height of the originals; (0, 0) where they differ.
        channels: 1 or 3.
        classes: how many, 0 without labels.
        splits: which splits it has.
        masks: whether every image has a mask of the same name.
        licence: SPDX name, or the notice in ``NOTICE.md``.
        source: who made it and where it comes from.
        archive: file in this package; empty where another package brings the images.
    """

    title: str
    images: int
    size_px: tuple[int, int]
    channels: int
    classes: int = 0
    splits: tuple[str, ...] = ()
    masks: bool = False
    licence: str
    source: str
    archive: str = ""


def _emoji(name: str, title: str, licence: str, source: str) -> SampleCard:
    return SampleCard(
        title=title,
        images=1906,
        size_px=(64, 64),
        channels=3,
        classes=9,
        splits=("train", "test"),
        licence=licence,
        source=source,
        archive=f"{name}.zip",
    )


def _slices(name: str, title: str, size_px: tuple[int, int], licence: str, source: str) -> SampleCard:
    return SampleCard(
        title=title,
        images=24,
        size_px=size_px,
        channels=1,
        masks=True,
        licence=licence,
        source=source,
        archive=f"radiology-{name}.zip",
    )


_OPENMOJI = "OpenMoji 17.0.0, HfG Schwäbisch Gmünd and contributors"
_MNI = "notice of the McConnell Brain Imaging Centre"

SAMPLES: dict[str, SampleCard] = {
    "noto": _emoji(
        "noto",
        "emoji as Google draws them",
        "Apache-2.0",
        "Noto Emoji, through emoji-datasource-google 16.0.0",
    ),
    "twemoji": _emoji(
        "twemoji",
        "emoji as Twitter draws them",
        "CC-BY-4.0",
        "Twemoji, through emoji-datasource-twitter 16.0.0",
    ),
    "openmoji": _emoji("openmoji", "emoji as the OpenMoji project draws them", "CC-BY-SA-4.0", _OPENMOJI),
    "openmoji-line": _emoji("openmoji-line", "the same as black line drawings", "CC-BY-SA-4.0", _OPENMOJI),
    "mni152-t1": _slices(
        "mni152-t1",
        "axial slices of an average brain (MR, T1), with brain masks",
        (197, 233),
        _MNI,
        "ICBM 152 symmetric 2009a template, through nilearn 0.14.1",
    ),
    "colin27-t1": _slices(
        "colin27-t1",
        "axial slices of one head (MR, T1, 27 scans averaged), with brain masks",
        (181, 217),
        _MNI,
        "Colin 27, through MRIcron's templates (Debian mricron-data)",
    ),
    "cranium-ct": _slices(
        "cranium-ct",
        "axial slices of a head (CT), with bone masks",
        (256, 256),
        "GPL-2.0-only",
        "InVesalius example data (Debian invesalius-examples)",
    ),
    "photographs": SampleCard(
        title="photographs and micrographs of many sizes",
        images=21,
        size_px=(0, 0),
        channels=3,
        licence="of each picture, see scikit-image's documentation",
        source="scikit-image, from the installed package",
    ),
    "digits": SampleCard(
        title="handwritten digits",
        images=1797,
        size_px=(8, 8),
        channels=1,
        classes=10,
        licence="CC-BY-4.0",
        source="Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), from scikit-learn",
    ),
}

# the pictures of scikit-image's wheel that need no download
PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "horse.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)


def sample_archive(name: str) -> Path:
    """The zip of a sample that ships with this package."""
    return Path(str(files(__name__))) / SAMPLES[name].archive


def mask_of(name: str, key: str) -> bytes:
    """The PNG file of an image's mask (0 outside, 255 inside).

    Args:
        name: a sample with masks.
        key: the image's key, such as ``images/colin27-t1_012.png``.

    Raises:
        KeyError: when there is no such mask.

    Example:
        >>> mask_of("cranium-ct", "images/cranium-ct_000.png")[1:4]
        b'PNG'
    """
    with zipfile.ZipFile(sample_archive(name)) as archive:
        return archive.read(key.replace("images/", "masks/", 1))
