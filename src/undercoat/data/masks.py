"""Masks: a class number for every pixel, decoded once to the images' canvases and memory-mapped beside them.

A mask file has one channel of class numbers (0 is the background, 255 is ignored), or of two values, or of greys with a
threshold. What the numbers mean is decided for a whole part of a set, never file by file, so that an image of which
only a little is marked is read like the others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undercoat.data.canvases import Canvases
from undercoat.data.drafts import draft_folder, publish, space_for, write_file
from undercoat.data.headers import guarded
from undercoat.data.listing import MaskFiles
from undercoat.data.mask_files import read_masks
from undercoat.data.progress import bar
from undercoat.data.storing import read_facts
from undercoat.errors import DataError

__all__ = ["IGNORED", "mask_view", "with_masks"]

IGNORED = 255
_VERSION = 1
_MOST_CLASSES = 64  # numbers above are greys, unless classes are named
_NAMED = 3
_BLOCK = 256


def with_masks(canvases: Canvases, files: MaskFiles, kept: NDArray[np.int64], *, progress: bool = False) -> Canvases:
    """Put masks beside canvases, decoding them once into the cache when they are new.

    Args:
        canvases: a whole set, in the order of its listing.
        files: the masks of the listing.
        kept: positions in the listing of the images that became canvases.
        progress: show a bar while decoding, when there is a terminal.

    Raises:
        DataError: for masks that cannot be read, have another size than their image, or hold what are no classes.
    """
    files = files.take(kept)
    cache = canvases.folder.parent
    text = f"{_VERSION} {canvases.digest} {canvases.size_px} {files.stamp} {files.classes} {files.thresholds}"
    rows = np.stack([files.rows, files.part]).astype("<i8").tobytes()
    stamp = blake2b(text.encode("utf-8", "surrogateescape") + rows, digest_size=12).hexdigest()
    folder = cache / f"masks-{stamp}"
    if not (folder / "meta.json").is_file():
        _build(canvases, files, folder, progress)
    about = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return replace(
        canvases,
        masks=np.load(folder / "masks.npy", mmap_mode="r"),
        mask_classes=tuple(about["classes"]),
        mask_digest=about["digest"],
        notes=(*canvases.notes, *about["notes"]),
    )


def mask_view(
    masks: NDArray[np.uint8], boxes: NDArray[np.float64], *, size_px: int, flipped: NDArray[Any] | None = None
) -> NDArray[np.uint8]:
    """Cut boxes out of masks by nearest neighbour: what a view with these boxes shows, pixel by pixel.

    Args:
        masks: (B, S, S) class numbers on canvases.
        boxes: (B, 4) left, top, width, height as fractions of the canvas, such as
            :func:`~undercoat.functional.geometry.centre_boxes` gives.
        size_px: side of the view.
        flipped: (B, 2) 1 where the view is mirrored left to right, and top to bottom; None mirrors none.

    Returns:
        (B, size_px, size_px) class numbers.

    Example:
        >>> mask_view(np.eye(4, dtype=np.uint8)[None], np.array([[0.0, 0.0, 0.5, 0.5]]), size_px=2).tolist()
        [[[1, 0], [0, 1]]]
    """
    places = (np.arange(size_px) + 0.5) / size_px
    side = masks.shape[1]
    across, down = (
        np.clip((boxes[:, axis, None] + boxes[:, axis + 2, None] * places) * side, 0, side - 1).astype(np.int64)
        for axis in (0, 1)
    )
    if flipped is not None:
        turned = np.asarray(flipped, bool)
        across = np.where(turned[:, :1], across[:, ::-1], across)
        down = np.where(turned[:, 1:], down[:, ::-1], down)
    return np.asarray(masks[np.arange(len(masks))[:, None, None], down[:, :, None], across[:, None, :]])


def _build(canvases: Canvases, files: MaskFiles, folder: Path, progress: bool) -> None:
    side, count = canvases.size_px, len(files)
    sizes = read_facts(canvases.folder)[["width", "height"]]
    seen = np.zeros((len(files.thresholds), 256), np.bool_)  # which numbers occur in each part
    faults: dict[str, list[str]] = {}
    with (
        space_for(count * side**2 + 4096, folder.parent, f"the cache of {count:,} masks"),
        draft_folder(folder.parent) as draft,
    ):
        masks = np.lib.format.open_memmap(draft / "masks.npy", mode="w+", dtype=np.uint8, shape=(count, side, side))
        with bar("decoding masks", count, progress) as advance, guarded():
            for position, found in read_masks(files, sizes, side, advance):
                seen[files.part[position], found.values] = True
                if found.pixels is None:
                    faults.setdefault(found.fault, []).append(f"{canvases.keys[position]}{found.detail}")
                else:
                    masks[position] = found.pixels
        _refuse(faults, canvases.name, count)
        meanings, notes = _meanings(seen, files, canvases.name)
        classes = files.classes or _class_names(seen, meanings)
        content = blake2b("\n".join(classes).encode(), digest_size=12)
        for start in range(0, count, _BLOCK):
            part = files.part[start : start + _BLOCK, None, None]
            masks[start : start + _BLOCK] = meanings[part, masks[start : start + _BLOCK]]
            content.update(masks[start : start + _BLOCK].tobytes())
        masks.flush()
        del masks
        about = {"version": _VERSION, "digest": content.hexdigest(), "classes": classes, "notes": notes}
        write_file(draft / "meta.json", json.dumps(about).encode())
        publish(draft, folder)


def _meanings(seen: NDArray[np.bool_], files: MaskFiles, name: str) -> tuple[NDArray[np.uint8], list[str]]:
    """(parts, 256) the class of every raw number in each part, and what a reader of the masks should know."""
    meanings = np.tile(np.arange(256, dtype=np.uint8), (len(seen), 1))
    notes = []
    for part, threshold in enumerate(files.thresholds):
        numbers = np.flatnonzero(seen[part])
        if threshold is not None:
            notes.append(f"masks: values above {threshold:g} are marked")
        elif not files.classes and IGNORED in numbers and set(numbers.tolist()) <= {0, IGNORED}:
            meanings[part, IGNORED] = 1
            notes.append("masks of 0 and 255 are read as two classes: above 127 is marked")
        else:
            notes += _checked(numbers[numbers != IGNORED], files.classes, name)
    found = meanings[seen]
    if not ((found > 0) & (found < IGNORED)).any():
        raise DataError(
            f"no mask of {name!r} marks anything: all {len(files)} are empty; check them, and their threshold"
        )
    return meanings, list(dict.fromkeys(notes))


def _checked(numbers: NDArray[np.int64], classes: Sequence[str], name: str) -> list[str]:
    """Refuse what are no class numbers."""
    most = int(numbers.max(initial=0))
    if classes and most >= len(classes):
        raise DataError(
            f"masks of {name!r} hold the number {most}, but classes.txt names {len(classes)} classes, numbered from 0; "
            "add the missing names"
        )
    if not classes and most >= _MOST_CLASSES:
        raise DataError(
            f"masks of {name!r} hold {len(numbers)} values from {numbers.min()} to {most}, which are neither two nor "
            f"class numbers below {_MOST_CLASSES}; name a threshold, as in pairs:FOLDER?threshold=127, or put the "
            "names of the classes into FOLDER/classes.txt, one a line"
        )
    return [] if classes or most < 2 else [f"masks hold class numbers 0 … {most}"]


def _class_names(seen: NDArray[np.bool_], meanings: NDArray[np.uint8]) -> tuple[str, ...]:
    found = meanings[seen]
    most = int(found[found != IGNORED].max())
    return ("background", "foreground") if most < 2 else ("background", *(f"class {n}" for n in range(1, most + 1)))


def _refuse(faults: dict[str, list[str]], name: str, count: int) -> None:
    for fault, keys in faults.items():
        more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
        remedy = "name a threshold, as in pairs:FOLDER?threshold=127" if "greys" in fault else "repair or remove them"
        raise DataError(
            f"{len(keys)} of {count} masks of {name!r} {fault} ({', '.join(keys[:_NAMED])}{more}); {remedy}"
        )
