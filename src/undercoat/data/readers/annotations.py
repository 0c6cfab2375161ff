"""What the readers of annotated sets share: where files lie, presence labels, a part held out of train."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undercoat.data.labelling import UNKNOWN_ROW
from undercoat.data.layout import is_hidden, is_image_name
from undercoat.data.listing import Encoded, FilePaths, Labels, Listing
from undercoat.data.names import Names
from undercoat.data.readers.drawn_splits import with_drawn_splits
from undercoat.data.readers.idx import stamp_of
from undercoat.data.readers.published import a_few
from undercoat.errors import DataError

__all__ = ["VAL_SHARE", "Annotated", "drawn_alike", "files_in", "lack", "place_of", "presence"]

VAL_SHARE = {"val": 0.2}  # of train, where the publisher names no validation part that could be spared


def place_of(source: str, places: Iterable[str], wants: str) -> Path:
    """The folder, or one in it, in which a file or folder lies.

    Args:
        source: folder that a person gave.
        places: paths in it, any of which may be there; the folder above the last part is the answer.
        wants: what the reader expects, for the message.

    Raises:
        DataError: when none is there.
    """
    root = Path(source)
    for place in places:
        if (root / place).exists():
            return (root / place).parent
    raise DataError(f"'{source}' has not the layout that was published; give the folder that holds {wants}")


def files_in(base: Path, folder: str) -> dict[str, str]:
    """The images of a folder, not of those below it: file names, sorted, with size and time of change.

    Raises:
        DataError: when there is no such folder, or nothing in it.
    """
    try:
        with os.scandir(base / folder) as entries:
            images = [entry for entry in entries if is_image_name(entry.name) and not is_hidden(entry.name)]
            stamps = {entry.name: _stamp(entry.stat()) for entry in sorted(images, key=lambda entry: entry.name)}
    except FileNotFoundError:
        raise DataError(f"'{base}' has no folder {folder}/; unpack its images there") from None
    if not stamps:
        raise DataError(f"'{base / folder}' holds no image; unpack the images there")
    return stamps


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def presence(rows: Sequence[Iterable[int] | None], classes: int) -> NDArray[np.uint8]:
    """(N, classes) 1 where an image shows a class; a row of 255 where nothing is known (None).

    Example:
        >>> presence([{0, 2}, set(), None], 3).tolist()
        [[1, 0, 1], [0, 0, 0], [255, 255, 255]]
    """
    labels = np.zeros((len(rows), classes), np.uint8)
    for row, shown in zip(labels, rows, strict=True):
        if shown is None:
            row[:] = UNKNOWN_ROW
        else:
            row[list(shown)] = 1
    return labels


def lack(error: Exception) -> str:
    """What is wrong with an entry of a JSON file that could not be read.

    Example:
        >>> lack(KeyError("file_name")), lack(TypeError("…"))
        ("without 'file_name'", 'of another kind than was published')
    """
    return f"without {error}" if isinstance(error, KeyError) else "of another kind than was published"


def drawn_alike(listing: Listing, shares: Mapping[str, float], *, of: str) -> Listing:
    """Cut a split into others as ``with_drawn_splits`` does, and alike whichever labels of the set were asked for."""
    cut = with_drawn_splits(replace(listing, labels=None, classes=()), shares, of=of)
    return replace(listing, splits=cut.splits, notes=cut.notes)


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """What a reader found: images and their annotations.

    Attributes:
        source: as a person wrote it.
        reader: its name.
        base: folder that the paths are relative to.
        files: (N,) paths, which are also the keys.
        stamps: of all files; another stamp, another listing.
        beside: files that the labels came from.
        classes: names.
        labels: (N,) or (N, classes).
        splits: (N,) names.
        groups: (N,) names; none by default.
        pixels: the way to them, where ``files`` are no files.
        skipped: (key, reason) of what cannot be used.
        notes: what was chosen.
    """

    source: str
    reader: str
    base: Path
    files: Sequence[str]
    stamps: Iterable[str]
    beside: Sequence[Path]
    classes: tuple[str, ...]
    labels: Labels
    splits: Sequence[str]
    groups: Sequence[str] = ()
    pixels: Encoded | None = None
    skipped: Iterable[tuple[str, str]] = ()
    notes: Iterable[str] = ()

    def listing(self) -> Listing:
        """The same as a listing.

        Raises:
            DataError: when there is no image, none to train on, or one twice.
        """
        if "train" not in self.splits:
            what = "no image to train on" if self.files else "no image"
            raise DataError(f"the annotations of '{self.source}' name {what}; unpack images and annotations of one set")
        if len(set(self.files)) < len(self.files):  # such an image could be learned from and tested on
            twice = [file for file, count in Counter(self.files).items() if count > 1]
            raise DataError(
                f"the annotations of '{self.source}' name {len(twice):,} images twice ({a_few(twice)}); fetch them "
                "again"
            )
        names = Names.of(self.files)
        texts = [str(self.base.resolve()), *self.stamps, stamp_of(list(self.beside))]
        return Listing(
            name=self.source,
            reader=self.reader,
            keys=names,
            source=FilePaths(self.base, names) if self.pixels is None else self.pixels,
            stamp=blake2b("\n".join(texts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest(),
            classes=self.classes,
            labels=self.labels,
            splits=np.array(self.splits, "<U5"),
            groups=np.array(self.groups, np.str_) if self.groups else np.zeros(len(names), "<U1"),
            skipped=tuple(sorted(self.skipped)),
            notes=tuple(self.notes),
        )
