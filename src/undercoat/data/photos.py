"""Source photos, decoded once to a pyramid: in memory, or memory-mapped in the cache where they are many or large."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.data.headers import TooLargeError, guarded
from undercoat.data.listing import ArrayRows, Encoded, Listing
from undercoat.data.photo_pixels import UnusablePhotoError, photo_pixels, photo_size
from undercoat.data.photo_regions import TiffRegions
from undercoat.data.progress import bar
from undercoat.data.pyramid import fill_levels, levels_of, pack
from undercoat.errors import DataError
from undercoat.files import atomic, make_folder
from undercoat.functional.texels import Levels

__all__ = ["Photos", "load_photos"]

VERSION = 1
IN_MEMORY_TEXELS = 100_000_000
"""Photos of up to 75 megapixels in all are kept in memory (400 MB), more of them in a file of the cache."""
LEAST_SIDE_PX = 8
_MOST_NAMED = 3


@dataclass(frozen=True)
class Photos:
    """P photos with all their levels.

    Attributes:
        texels: (T,) int32, in memory or memory-mapped.
        levels: where each photo's levels lie.
        keys: P names.
        digest: hash of their pixels, in order.
        skipped: (key, reason) of each photo that could not be used.
    """

    texels: Tensor
    levels: Levels
    keys: tuple[str, ...]
    digest: str
    skipped: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(P, 2) width and height."""
        return np.stack([self.levels.width[:, 0], self.levels.height[:, 0]], axis=1)

    def pixels(self, photo: int, level: int = 0) -> NDArray[np.uint8]:
        """(H, W, 3) of one level of one photo."""
        levels = self.levels
        start, width, height = (int(part[photo, level]) for part in (levels.start, levels.width, levels.height))
        texels = self.texels[start : start + width * height].numpy()
        return texels.view(np.uint8).reshape(height, width, 4)[:, :, :3]


@dataclass(frozen=True)
class _Found:
    """What the headers say."""

    positions: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    skipped: dict[int, str]


def load_photos(listing: Listing, positions: Sequence[int], *, cache: Path, progress: bool = False) -> Photos:
    """Decode some images of a listing, each to its whole size.

    Args:
        listing: image files.
        positions: which of them, in what order.
        cache: folder in which photos that do not fit in memory are kept.
        progress: show a bar while decoding.

    Raises:
        DataError: for images that are rows of an array, when no image can be used, and for a full disk.
    """
    if isinstance(listing.source, ArrayRows):
        raise DataError(f"{listing.name} is an array, and patches are cut from image files; save it as files")
    stamp = blake2b(f"{VERSION} {listing.stamp} {list(positions)}".encode(), digest_size=12).hexdigest()
    path = cache / "photos" / f"{stamp}.npy"
    kept = _kept(path)
    if kept is not None:
        return kept
    with guarded():
        found = _found(listing, positions)
        _refuse_nothing(listing, found.skipped, bool(found.sizes))
        levels, end = levels_of(found.sizes)
        if end <= IN_MEMORY_TEXELS:
            return _filled(listing, found, levels, np.empty(end, np.int32), progress)
        _refuse_full(path, 4 * end)
        with atomic(path) as temporary:
            texels = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.int32, shape=(end,))
            photos = _filled(listing, found, levels, texels, progress)
            texels.flush()
        _keep(path, photos)
    return _kept(path) or photos


def _found(listing: Listing, positions: Sequence[int]) -> _Found:
    assert not isinstance(listing.source, ArrayRows)
    usable, sizes, skipped = [], [], {}
    for position in positions:
        try:
            size = _size(listing.source, position)
            if min(size) < LEAST_SIDE_PX:
                raise UnusablePhotoError(f"it is {size[0]} × {size[1]} pixels, less than {LEAST_SIDE_PX} a side")
        except Exception as error:
            skipped[position] = _reason(error)
            continue
        usable.append(position)
        sizes.append(size)
    return _Found(tuple(usable), tuple(sizes), skipped)


def _size(source: Encoded, position: int) -> tuple[int, int]:
    with closing(source.open(position)) as stream:
        try:
            return photo_size(stream)
        except TooLargeError as error:
            return TiffRegions.of(stream, error).size


def _filled(listing: Listing, found: _Found, levels: Levels, texels: NDArray[np.int32], progress: bool) -> Photos:
    """Decode what the headers promised; a file that breaks its promise is left out."""
    content, skipped, usable = blake2b(digest_size=12), dict(found.skipped), []
    with bar("photos", len(found.positions), progress) as advance:
        for row, (position, (width, height)) in enumerate(zip(found.positions, found.sizes, strict=True)):
            start = int(levels.start[row, 0])
            last = int(levels.count[row]) - 1
            end = int(levels.start[row, last] + levels.width[row, last] * levels.height[row, last])
            try:
                _decode(listing, position, texels[start : start + width * height].reshape(height, width))
            except Exception as error:
                skipped[position] = _reason(error)
                advance(1)
                continue
            fill_levels(texels[start:end], width, height)
            content.update(f"{width}x{height}\n".encode())
            content.update(texels[start : start + width * height].data)
            usable.append(row)
            advance(1)
    _refuse_nothing(listing, skipped, bool(usable))
    rows = np.array(usable)
    return Photos(
        texels=torch.from_numpy(texels),
        levels=Levels(levels.start[rows], levels.width[rows], levels.height[rows], levels.count[rows]),
        keys=tuple(listing.keys[found.positions[row]] for row in usable),
        digest=content.hexdigest(),
        skipped=tuple((listing.keys[position], reason) for position, reason in sorted(skipped.items())),
    )


def _decode(listing: Listing, position: int, out: NDArray[np.int32]) -> None:
    assert not isinstance(listing.source, ArrayRows)
    with closing(listing.source.open(position)) as stream:
        try:
            out[:] = pack(photo_pixels(stream))
        except TooLargeError as error:
            TiffRegions.of(stream, error).read(out)
    first = out[0, 0]
    if all((band == first).all() for band in np.array_split(out, max(1, out.size >> 22))):
        raise UnusablePhotoError("it is of one colour throughout")


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


def _refuse_nothing(listing: Listing, skipped: dict[int, str], usable: bool) -> None:
    if usable:
        return
    named = "; ".join(f"{listing.keys[position]}: {why}" for position, why in sorted(skipped.items())[:_MOST_NAMED])
    more = f" and {len(skipped) - _MOST_NAMED} more" if len(skipped) > _MOST_NAMED else ""
    raise DataError(f"no patch can be cut from {listing.name!r} ({named or 'no image'}{more}); give another photo")


def _refuse_full(path: Path, wanted: int) -> None:
    """A memory map on a full disk ends the process instead of raising an error."""
    make_folder(path.parent)
    free = shutil.disk_usage(path.parent).free
    if free < wanted:
        raise DataError(
            f"the photos take {wanted:,} bytes with their halvings, and {path.parent} has {free:,} free; make room, "
            "choose another --cache, or fewer images="
        )


def _keep(path: Path, photos: Photos) -> None:
    """Write beside the texels what they are."""
    levels = photos.levels
    about = {name: getattr(levels, name).tolist() for name in ("start", "width", "height", "count")}
    about |= {"keys": photos.keys, "digest": photos.digest, "skipped": photos.skipped}
    with atomic(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(about), encoding="utf-8")


def _kept(path: Path) -> Photos | None:
    try:
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        texels = np.load(path, mmap_mode="c")  # PyTorch warns of maps that it may not write
        levels = Levels(*(np.array(about[name], np.int64) for name in ("start", "width", "height", "count")))
        skipped = tuple((str(key), str(reason)) for key, reason in about["skipped"])
        return Photos(torch.from_numpy(texels), levels, tuple(about["keys"]), about["digest"], skipped)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there, or not whole: decode again
