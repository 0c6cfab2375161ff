"""A zip archive of images, read in place."""

from __future__ import annotations

import zipfile
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np

from undercoat.data.layout import arrange, is_hidden, is_image_name
from undercoat.data.listing import Listing, ZipMembers
from undercoat.data.names import Names
from undercoat.data.survey import FILE_LIMIT_BYTES
from undercoat.errors import DataError

__all__ = ["MEMBER_LIMIT", "read_archive"]

MEMBER_LIMIT = 2_000_000  # a zip's list of contents alone can fill the memory


def read_archive(source: str) -> Listing:
    """A .zip of images, laid out like a folder, read without unpacking it."""
    path = Path(source)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"'{source}' cannot be opened as a zip ({error}); pack it again") from None
    if len(members) > MEMBER_LIMIT:
        raise DataError(f"'{source}' has {len(members):,} members, more than {MEMBER_LIMIT:,}; unpack it to a folder")
    found, skipped = _sorted_out(members)
    if not found:
        raise DataError(f"'{source}' holds no image; give a zip of JPEG, PNG, WebP, TIFF or BMP files")
    _check_names(found, source)
    inside, notes = _inside(found)
    names = Names.of(found)
    classes, labels, splits = arrange(Names.of(inside))
    status = path.stat()
    stamp = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    return Listing(
        name=source,
        reader="zip",
        keys=names,
        source=ZipMembers(path, names),
        stamp=blake2b(stamp.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest(),
        classes=classes,
        labels=labels,
        splits=splits,
        groups=np.zeros(len(names), "<U1"),
        skipped=tuple(skipped),
        notes=notes,
    )


def _check_names(found: list[str], source: str) -> None:
    """Refuse names that would be read as another image, or lose their classes."""
    twice = next((name for name, after in pairwise(found) if name == after), None)
    if twice is not None:
        raise DataError(f"'{source}' has two files called '{twice}', of which only the last can be read; pack it again")
    folders = next((name for name in found if "\\" in name and "/" not in name), None)
    if folders is not None:
        raise DataError(
            f"'{source}' separates folders by '\\' ('{folders}'), so its classes would be lost; pack it again"
        )


def _sorted_out(members: list[zipfile.ZipInfo]) -> tuple[list[str], list[tuple[str, str]]]:
    """Separate images from the rest; masks beside images are neither."""
    tops = {PurePosixPath(info.filename).parts[0] for info in members}
    with_masks = {"images", "masks"} <= tops
    found, skipped = [], []
    for info in sorted(members, key=lambda info: info.filename.split("/")):
        parts = PurePosixPath(info.filename).parts
        if any(is_hidden(part) for part in parts) or (with_masks and parts[0] != "images"):
            continue
        if not is_image_name(parts[-1]):
            skipped.append((info.filename, f"not an image ({PurePosixPath(parts[-1]).suffix or 'no ending'})"))
        elif info.file_size > FILE_LIMIT_BYTES:
            skipped.append((info.filename, f"unpacks to {info.file_size / 1e9:.1f} GB, more than 1 GB"))
        else:
            found.append(info.filename)
    return found, skipped


def _inside(found: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Paths without the one folder that everything was packed in."""
    tops = {name.split("/", 1)[0] for name in found}
    if len(tops) == 1 and all(name.count("/") for name in found):
        top = tops.pop()
        if any(name.count("/") > 1 for name in found) or top == "images":
            notes = (f"'{top}/' holds everything and is no class",)
            return [name.split("/", 1)[1] for name in found], notes
    return found, ()
