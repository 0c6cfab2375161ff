"""A folder of images with masks: ``images/`` beside ``masks/``, or ``NAME_mask`` beside each image.

Train, val and test folders may lie above or below ``images`` and ``masks``; other folders are classes. A table
``images.csv`` with the columns of the csv reader gives splits, groups (patients) and labels, and ``classes.txt`` names
what the masks' numbers 0, 1, … mean, one a line. The reader can be told a ``threshold`` (what is above it is
marked; without one, masks hold class numbers, or 0 and 255), and what its two folders are called.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath

import numpy as np

from undercoat.data.layout import arrange, is_hidden, is_image_name
from undercoat.data.listing import FilePaths, Listing, MaskFiles
from undercoat.data.names import Names
from undercoat.data.readers.table import read_table
from undercoat.errors import DataError

__all__ = ["read_pairs"]

_SUFFIX = re.compile(r"_mask(_?\d+)?$")
_NAMED = 3


@dataclass
class _Pairs:
    """What lies in a folder, sorted out.

    Attributes:
        images: stem → name of the image; a stem is its path without the folder's name and the ending.
        masks: stem → names of its masks.
        skipped: (name, reason).
    """

    images: dict[str, str] = field(default_factory=dict)
    masks: dict[str, list[str]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def read_pairs(source: str, *, threshold: float | None = None, images: str = "images", masks: str = "masks") -> Listing:
    """A folder of images and their masks: images/NAME beside masks/NAME, or NAME_mask beside NAME."""
    root = Path(source)
    if not root.is_dir():
        raise DataError(f"'{source}' is no folder, and pairs are read from one; give a folder of images and masks")
    pairs = _sorted_out(root, images, masks)
    if not pairs.images:
        raise DataError(
            f"'{source}' holds no image in a folder {images!r}, and none beside a NAME_mask file; give such a folder, "
            "or name its folders, as in pairs:FOLDER?images=JPEGImages&masks=SegmentationClass"
        )
    _check(pairs, source, masks)
    stems = sorted(pairs.images, key=lambda stem: pairs.images[stem].split("/"))
    names = Names.of(pairs.images[stem] for stem in stems)
    mask_names = Names.of(pairs.masks[stem][0] for stem in stems)
    classes, labels, splits = arrange(Names.of(stems))
    listing = Listing(
        name=source,
        reader="pairs",
        keys=names,
        source=FilePaths(root, names),
        stamp=_stamp(root, names),
        classes=classes,
        labels=labels,
        splits=splits,
        groups=np.zeros(len(names), "<U1"),
        skipped=tuple(sorted(pairs.skipped)),
        masks=MaskFiles(
            source=FilePaths(root, mask_names),
            rows=np.arange(len(names)),
            stamp=_stamp(root, mask_names),
            classes=_named_classes(root),
            thresholds=(threshold,),
            part=np.zeros(len(names), np.int64),
        ),
    )
    return _tabled(listing, root)


def _sorted_out(root: Path, images: str, masks: str) -> _Pairs:
    found, names = _Pairs(), list(_names(root))
    parted = any(images in name.split("/")[:-1] for name in names)
    for name in names:
        path = PurePosixPath(name)
        folders = list(path.parts[:-1])
        if not is_image_name(path.name):
            if name not in ("images.csv", "classes.txt"):
                found.skipped.append((name, f"not an image ({path.suffix or 'no ending'})"))
        elif masks in folders or (not parted and _SUFFIX.search(path.stem)):
            found.masks.setdefault(_stem(path, folders, masks), []).append(name)
        elif parted and images not in folders:
            found.skipped.append((name, f"in no folder {images!r} or {masks!r}"))
        else:
            stem = _stem(path, folders, images)
            if stem in found.images:
                raise DataError(
                    f"'{found.images[stem]}' and '{name}' in '{root}' differ in their ending alone, so their masks "
                    "cannot be told apart; rename one"
                )
            found.images[stem] = name
    return found


def _stem(path: PurePosixPath, folders: list[str], own: str) -> str:
    """The path without the folder called ``own`` and the ending; of a mask also without ``_mask``."""
    if own in folders:
        folders = folders.copy()
        folders.remove(own)
    return "/".join([*folders, _SUFFIX.sub("", path.stem)])


def _names(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(files):
            if not is_hidden(name):
                yield Path(folder, name).relative_to(root).as_posix()


def _check(pairs: _Pairs, source: str, masks: str) -> None:
    """Refuse images with no mask, or several; a mask without its image is passed over."""
    missing = [name for stem, name in pairs.images.items() if stem not in pairs.masks]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(pairs.images)} images in '{source}' have no mask ({_first(missing)}); put one "
            f"of the same name into the folder {masks!r}, an empty one where nothing is marked, or name NAME_mask files"
        )
    several = [pairs.images[stem] for stem in pairs.images if len(pairs.masks[stem]) > 1]
    if several:
        raise DataError(
            f"{len(several)} images in '{source}' have several masks ({_first(several)}); join them into one "
            "file an image"
        )
    for stem in pairs.masks.keys() - pairs.images.keys():
        pairs.skipped += [(name, "a mask without its image") for name in pairs.masks[stem]]


def _first(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _stamp(root: Path, names: Names) -> str:
    stamp = blake2b(f"{root.resolve()}\n".encode("utf-8", "surrogateescape"), digest_size=16)
    for position in range(len(names)):
        status = os.stat(root / names.path(position))
        stamp.update(names.raw(position) + f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return stamp.hexdigest()


def _named_classes(root: Path) -> tuple[str, ...]:
    try:
        text = (root / "classes.txt").read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise DataError(f"'{root / 'classes.txt'}' is not UTF-8 text ({error.reason}); save it as UTF-8") from None
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(set(names)) < max(2, len(names)):
        raise DataError(
            f"'{root / 'classes.txt'}' names {len(names)} classes, which have to be two or more and different; write "
            "the names of the masks' numbers 0, 1, …, one a line"
        )
    return names


def _tabled(listing: Listing, root: Path) -> Listing:
    """Take splits, groups and labels from ``images.csv`` where there is one."""
    file = root / "images.csv"
    if not file.is_file():
        return listing
    table = read_table(str(file))
    rows = {key: row for row, key in enumerate(table.keys)}
    untold = [key for key in listing.keys if key not in rows]
    if untold:
        raise DataError(
            f"'{file}' says nothing of {len(untold)} of {len(listing)} images ({_first(untold)}); add them, with paths "
            f"relative to '{root}', or remove the table"
        )
    index = np.array([rows[key] for key in listing.keys])
    told = {"groups": table.groups[index]}
    if (table.splits != "").any():
        told["splits"] = table.splits[index]
    if table.labels is not None:
        return replace(listing, classes=table.classes, labels=table.labels[index], **told)
    return replace(listing, **told)
