"""A folder of images: flat, nested, split into train/val/test, with one folder a class."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np

from undercoat.data.layout import arrange, is_hidden, is_image_name
from undercoat.data.listing import FilePaths, Listing
from undercoat.data.names import Names
from undercoat.errors import DataError

__all__ = ["read_folder"]

LISTED_PER_KIND = 100  # how many files of one foreign kind are named before they are only counted


@dataclass
class _Walk:
    """The state of one walk through a tree of folders."""

    root: Path
    seen: set[tuple[int, int]] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)

    def names(self, folder: str) -> Iterator[str]:
        """Yield image names below a folder in sorted order; links to folders wait in ``links``."""
        here = os.path.join(self.root, folder)
        before = f"{folder}/" if folder else ""
        try:
            status = os.stat(here)
            files, folders = self._entries(here, before)
        except OSError as error:
            self.skipped.append((folder, f"cannot be read ({error.strerror})"))
            return
        self.seen.add((status.st_dev, status.st_ino))
        for name in files:
            if is_image_name(name):
                yield before + name
            else:
                self._pass_over(before + name)
        del files
        for name in folders:
            yield from self.names(before + name)

    def _entries(self, here: str, before: str) -> tuple[list[str], list[str]]:
        """Sorted names of files and of folders; one list each, for a folder may hold a million files."""
        files, folders = [], []
        with os.scandir(here) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif entry.is_symlink() and entry.is_dir():
                    self.links.append(before + entry.name)
                else:
                    files.append(entry.name)
        self.links.sort()
        files.sort()
        folders.sort()
        return files, folders

    def linked(self) -> Iterator[str]:
        """Yield the images behind links to folders, each folder once, so that a loop of links ends."""
        while self.links:
            link = self.links.pop(0)
            status = os.stat(os.path.join(self.root, link))
            if (status.st_dev, status.st_ino) in self.seen:
                self.skipped.append((link, "a link to a folder that is listed already"))
            else:
                yield from self.names(link)

    def _pass_over(self, name: str) -> None:
        suffix = os.path.splitext(name)[1].lower()
        self.foreign[suffix] += 1
        if self.foreign[suffix] <= LISTED_PER_KIND:
            self.skipped.append((name, f"not an image ({suffix or 'no ending'})"))

    def finish(self) -> tuple[tuple[str, str], ...]:
        for suffix, count in self.foreign.items():
            if count > LISTED_PER_KIND:
                rest = f"and {count - LISTED_PER_KIND} more files ending in {suffix or 'nothing'}"
                self.skipped.append(("…", f"not an image: {rest}"))
        return tuple(sorted(self.skipped))


def _start(root: Path) -> tuple[str, tuple[str, ...]]:
    """Where to begin: in ``images/`` when masks lie beside it, for a mask is no picture."""
    if (root / "images").is_dir() and (root / "masks").is_dir():
        return "images", (f"only {root.name}/images is read; {root.name}/masks is taken for its masks",)
    return "", ()


def _stamped(root: Path, names: Names, walk: _Walk) -> tuple[Names, str]:
    """Drop files that cannot be looked at; hash every name, size and time of change."""
    stamp = blake2b(f"{root.resolve()}\n".encode("utf-8", "surrogateescape"), digest_size=16)
    kept = array("q")
    base = os.path.join(os.fsencode(root), b"")
    for position, name in enumerate(names.raws()):
        try:
            status = os.stat(base + name)
        except OSError as error:
            walk.skipped.append((names[position], f"cannot be read ({error.strerror})"))
            continue
        stamp.update(name + f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        kept.append(position)
    rows = np.frombuffer(kept, np.int64) if kept else np.zeros(0, np.int64)
    return (names if len(rows) == len(names) else names.take(rows)), stamp.hexdigest()


def read_folder(source: str) -> Listing:
    """A folder of images, flat or nested; train/val/test folders are splits, folders below are classes."""
    root = Path(source)
    if root.is_file():  # one picture is a set of one
        walk, found, notes = _Walk(root.parent), iter([root.name]), tuple[str, ...]()
    else:
        start, notes = _start(root)
        walk = _Walk(root)
        found = _both(walk, start)
    root, names = walk.root, Names.of(found)
    names, stamp = _stamped(root, names, walk)
    skipped = walk.finish()
    if not len(names):
        raise DataError(_nothing(source, skipped))
    inside = Names.of(name.removeprefix("images/") for name in names) if notes else names
    classes, labels, splits = arrange(inside)
    return Listing(
        name=source,
        reader="folder",
        keys=names,
        source=FilePaths(root, names),
        stamp=stamp,
        classes=classes,
        labels=labels,
        splits=splits,
        groups=np.zeros(len(names), "<U1"),
        skipped=skipped,
        notes=notes,
    )


def _both(walk: _Walk, start: str) -> Iterator[str]:
    yield from walk.names(start)
    yield from walk.linked()


def _nothing(source: str, skipped: tuple[tuple[str, str], ...]) -> str:
    if not skipped:
        return f"'{source}' is empty; give a folder that holds JPEG, PNG, WebP, TIFF or BMP images"
    key, reason = skipped[0]
    return (
        f"'{source}' holds no image among {len(skipped)} files ({key}: {reason}); "
        "give a folder of JPEG, PNG, WebP, TIFF or BMP images"
    )
