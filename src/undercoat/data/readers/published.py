"""Image files of a published set: a part for training and the part that papers test on, checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np

from undercoat.data.listing import FilePaths, Listing
from undercoat.data.names import Names
from undercoat.data.readers.folder import read_folder
from undercoat.data.readers.idx import stamp_of
from undercoat.errors import DataError

__all__ = ["Part", "a_few", "listing_of", "one_folder", "walk"]

_NAMED = 3


@dataclass(frozen=True)
class Part:
    """The images of one split.

    Attributes:
        name: of the part, as it was published: ``train`` or ``val``; the keys begin with it.
        folder: that the images lie in, relative to the set's.
        files: N paths relative to the set's folder.
        classes: of each image, its class's name.
        stamp: changes whenever a file does.
        skipped: (path, reason) of what cannot be used.
    """

    name: str
    folder: str
    files: Sequence[str]
    classes: Sequence[str]
    stamp: str
    skipped: tuple[tuple[str, str], ...] = ()


def walk(name: str, base: Path, folder: str, class_of: Callable[[str], str]) -> Part:
    """List the images below a folder.

    Args:
        name: of the part.
        base: the set's folder.
        folder: a folder in it.
        class_of: from a path below that folder to a class's name; "" for files that have none.
    """
    found = read_folder(str(base / folder))
    below = [raw.decode("utf-8", "surrogateescape") for raw in found.keys.raws()]
    known: dict[str, str] = {}  # a class's name is kept once, not a million times
    classes = [known.setdefault(label, label) for label in map(class_of, below)]
    skipped = tuple((f"{folder}/{path}", reason) for path, reason in found.skipped)
    return Part(name, folder, [f"{folder}/{path}" for path in below], classes, found.stamp, skipped)


def one_folder(base: Path, names: Iterable[str]) -> str:
    """The first of some folders that is there, or ""."""
    return next((name for name in names if (base / name).is_dir()), "")


def a_few(names: Iterable[str]) -> str:
    """The first names of many, in order.

    Example:
        >>> a_few(["n5", "n1", "n2", "n3", "n4"])
        'n1, n2, n3 and 2 more'
    """
    ranked = sorted(names)
    more = f" and {len(ranked) - _NAMED} more" if len(ranked) > _NAMED else ""
    return ", ".join(ranked[:_NAMED]) + more


def listing_of(
    source: str,
    reader: str,
    base: Path,
    parts: Sequence[Part],
    *,
    classes: Sequence[str] = (),
    beside: Sequence[Path] = (),
    notes: Sequence[str] = (),
) -> Listing:
    """Put the parts together; ``val`` becomes the split ``test``, for it is what results are published on.

    Args:
        source: as a person wrote it.
        reader: its name.
        base: folder that the files' paths are relative to.
        parts: train first.
        classes: names in the published order; those of train, sorted, when none are given.
        beside: files that the labels came from.
        notes: what was chosen.

    Raises:
        DataError: when val lacks a class of train: the usual sign of a val folder that is broken; when
            ``classes`` lacks one.
    """
    trained = set(parts[0].classes)
    order = tuple(name for name in classes if name in trained) if classes else tuple(sorted(trained))
    if len(order) < len(trained):
        raise DataError(
            f"'{base}' has classes in train that {beside[0].name} does not name ({a_few(trained - set(order))}); "
            "take both from one set, or move that file away"
        )
    for part in parts[1:]:
        _check_classes(part, trained, str(base))
    kept = [[i for i, label in enumerate(part.classes) if label in trained] for part in parts]
    for part, rows in zip(parts[1:], kept[1:], strict=True):
        rows.sort(key=partial(_key, part))  # class by class, also where val is flat, so that both have one digest
    number = {name: position for position, name in enumerate(order)}
    pairs = list(zip(parts, kept, strict=True))
    counts = [len(rows) for rows in kept]
    stamp = blake2b(digest_size=16)
    for text in (*(part.stamp for part in parts), stamp_of(list(beside))):
        stamp.update(text.encode())
    return Listing(
        name=source,
        reader=reader,
        keys=Names.of(_key(part, i) for part, rows in pairs for i in rows),
        source=FilePaths(base, Names.of(part.files[i] for part, rows in pairs for i in rows)),
        stamp=stamp.hexdigest(),
        classes=order,
        labels=np.array([number[part.classes[i]] for part, rows in pairs for i in rows], np.int64),
        splits=np.repeat(np.array(["test" if part.name == "val" else part.name for part in parts], "<U5"), counts),
        groups=np.zeros(sum(counts), "<U1"),
        skipped=tuple(sorted(entry for part in parts for entry in part.skipped)),
        notes=(*notes, *(note for pair in pairs[1:] for note in _val_notes(*pair))),
    )


def _key(part: Part, position: int) -> str:
    """``val/n01440764/….JPEG`` whether val is flat or not."""
    label, below = part.classes[position], part.files[position].removeprefix(f"{part.folder}/")
    inside = below.removeprefix(f"{label}/") if below.startswith(f"{label}/") else below.rsplit("/", 1)[-1]
    return f"{part.name}/{label}/{inside}"


def _check_classes(part: Part, trained: set[str], base: str) -> None:
    here = set(part.classes)
    missing, others = trained - here, here - trained
    if missing:
        instead = f"; there are {a_few(others)}" if others else ""
        raise DataError(
            f"'{base}' has in {part.name} only {len(trained) - len(missing):,} of the {len(trained):,} classes of "
            f"train (no {a_few(missing)}{instead}), so accuracies would be wrong; unpack {part.name} again"
        )


def _val_notes(part: Part, rows: list[int]) -> list[str]:
    notes = ["val is what results are published on, so it is the split 'test' here"] if part.name == "val" else []
    left = len(part.classes) - len(rows)
    return notes + ([f"{left:,} images of {part.name} are of classes that train has not"] if left else [])
