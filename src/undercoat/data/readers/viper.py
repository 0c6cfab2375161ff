"""VIPER (Richter, Hayder & Koltun 2017): frames of a game, labelled by the classes that their masks show.

Read are ``{train,val,test}/img/<seq>/<seq>_<frame>.jpg`` and ``…/cls/<seq>/<seq>_<frame>.png``. Masks hold a class's
number in each pixel (grey or with a palette), or its colour (RGB). What the numbers and colours mean could not be made
sure of here, so nothing is built in: ``classes.csv`` beside the folders, or in the folder above, has to say so, with
columns ``id`` and ``name`` (or ``classname``), for coloured masks ``red``, ``green`` and ``blue``, and if only some
classes count, ``evaluated`` (or ``class_eval``), 0 or 1. That Reed et al. (2021) use 23 classes is known; which frames
they took, of more than 250,000, is not, so every frame with a mask is read (``?limit=`` takes fewer).

A part whose folder ``cls`` is missing, as test may come, is passed over; without a labelled test, val is the split
``test`` and ``val`` is one sequence of five of train. Groups are sequences. Masks are read at each listing unless
``write_presence`` has written down once what they show.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

from undercoat.data.listing import Listing
from undercoat.data.readers.annotations import VAL_SHARE, Annotated, files_in, place_of, presence
from undercoat.data.readers.class_masks import ClassTable, Frame, class_table, shown_in
from undercoat.data.readers.complete import stamps_of_all
from undercoat.data.readers.drawn_splits import with_drawn_splits
from undercoat.errors import DataError
from undercoat.files import atomic

__all__ = ["read_viper", "write_presence"]

_PARTS = ("train", "val", "test")
_TABLE = "classes.csv"
_PRESENCE = "presence.csv"
_HEAD = ("mask", "bytes", "classes")


def read_viper(source: str) -> Listing:
    """VIPER: train/, val/ and test/ with img/ and cls/, and a classes.csv that says what the masks' values mean."""
    base, frames, table = _found(source)
    known = _noted(base / _PRESENCE, frames, table)
    shown = shown_in(base, frames, table) if known is None else known
    parts = [frame.part for frame in frames]
    splits = ["test" if part == "val" and "test" not in parts else part for part in parts]
    labels = presence(shown, len(table.names))
    notes = [f"{int(labels.any(axis=0).sum())} of the {len(table.names)} classes of {table.path.name} occur"]
    if "test" not in parts:
        notes += ["test has no masks, so val is the split 'test'"]
    if known is None:
        notes += [f"the masks were read; write_presence notes what they show in {_PRESENCE}, once"]
    listing = Annotated(
        source=source,
        reader="viper",
        base=base,
        files=[frame.image for frame in frames],
        stamps=[frame.stamp for frame in frames],
        beside=[table.path],
        classes=table.names,
        labels=labels,
        splits=splits,
        groups=[frame.sequence for frame in frames],
        notes=notes,
    ).listing()
    return listing if "val" in splits else with_drawn_splits(listing, VAL_SHARE, of="train")


def write_presence(folder: Path | str, *, overwrite: bool = False) -> Path:
    """Read all masks of VIPER once and note in ``presence.csv`` which classes each shows; ``viper:`` then reads that.

    Args:
        folder: that holds ``train/`` and ``classes.csv``.
        overwrite: replace a file that is there.

    Returns:
        the file that was written.

    Raises:
        DataError: for a folder of another layout, a damaged mask, or a file that is there already.
    """
    base, frames, table = _found(os.fspath(folder))
    target = base / _PRESENCE
    if target.exists() and not overwrite:
        raise DataError(f"'{target}' is there already; give overwrite=True to write it again")
    shown = shown_in(base, frames, table)
    with atomic(target) as draft, draft.open("w", newline="", encoding="utf-8") as text:
        rows = csv.writer(text)
        rows.writerow(_HEAD)
        for frame, row in zip(frames, shown, strict=True):
            rows.writerow([frame.mask, frame.mask_bytes, "|".join(table.names[i] for i in sorted(row))])
    return target


def _found(source: str) -> tuple[Path, list[Frame], ClassTable]:
    base = place_of(source, [f"{part}/cls" for part in _PARTS], "train/img, train/cls and the like").parent
    table = class_table(base, _TABLE)
    frames = [frame for part in _PARTS if (base / part / "cls").is_dir() for frame in _frames(base, part)]
    if not any(frame.part == "train" for frame in frames):
        raise DataError(f"'{base}' has no masks in train/cls; unpack the masks of train")
    return base, frames, table


def _frames(base: Path, part: str) -> list[Frame]:
    """The frames of a part that have a mask."""
    frames: list[Frame] = []
    for sequence in sorted(entry.name for entry in (base / part / "cls").iterdir() if entry.is_dir()):
        folder = f"{part}/img/{sequence}"
        masks = files_in(base, f"{part}/cls/{sequence}")
        beside = {Path(name).stem: name for name in files_in(base, folder)}
        images = [f"{folder}/{beside.get(Path(name).stem, f'{Path(name).stem}.jpg')}" for name in masks]
        stamps = stamps_of_all(base, images, f"{part}/cls/{sequence}", "unpack img again")
        for image, stamp, (mask, mask_stamp) in zip(images, stamps, masks.items(), strict=True):
            size = int(mask_stamp.split()[0])
            path = f"{part}/cls/{sequence}/{mask}"
            frames.append(Frame(part, f"{part}/{sequence}", image, path, size, f"{stamp} {mask_stamp}"))
    return frames


def _noted(path: Path, frames: list[Frame], table: ClassTable) -> list[set[int]] | None:
    """What ``write_presence`` noted; None when it has not been called."""
    if not path.is_file():
        return None
    number = {name: position for position, name in enumerate(table.names)}
    with path.open(newline="", encoding="utf-8", errors="replace") as text:
        rows = [row for row in csv.reader(text) if row]
    try:
        noted = {
            mask: (int(size), {number[name] for name in shown.split("|") if name}) for mask, size, shown in rows[1:]
        }
    except (KeyError, ValueError):
        noted = {}
    shown = [noted[frame.mask][1] for frame in frames if noted.get(frame.mask, (-1,))[0] == frame.mask_bytes]
    if len(shown) < len(frames):
        raise DataError(
            f"'{path}' is of other masks or classes than are there now; remove it, or call write_presence with "
            "overwrite=True"
        )
    return shown
