"""``open_data``: from a data spec to canvases, and ``list_data``: only what is there."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path

import numpy as np

from undercoat.data.address import Address, parse_address
from undercoat.data.building import Built
from undercoat.data.cache import DEFAULT_CACHE, cached
from undercoat.data.canvases import Canvases
from undercoat.data.cards.checking import check_layout, check_whole
from undercoat.data.joining import join, parts_of
from undercoat.data.layout import is_image_name
from undercoat.data.limiting import limited
from undercoat.data.listing import Listing
from undercoat.data.masks import with_masks
from undercoat.data.names import Names
from undercoat.data.patch_settings import is_patches, parse_patches
from undercoat.data.readers.cifar import holds_cifar, is_cifar_name
from undercoat.data.readers.idx import holds_idx, is_idx_name
from undercoat.data.readers.registry import READERS, readers_with
from undercoat.data.storing import StoredFacts
from undercoat.errors import DataError, SpecError

__all__ = ["READERS", "list_data", "open_data"]

_MOST_NAMED = 3


def list_data(spec: str | Path) -> Listing:
    """List what a data spec holds, without decoding anything.

    Raises:
        SpecError: for an unknown reader, option or sample.
        DataError: for a source that is missing, empty or malformed.

    Example:
        >>> len(list_data("sample:digits"))
        1797
    """
    return _find(os.fspath(spec))[1]


def open_data(
    spec: str | Path,
    *,
    size_px: int | None = None,
    cache: Path | str | None = None,
    strict: bool = False,
    progress: bool = True,
) -> Canvases:
    """Open a data set as canvases, decoding it once into the cache when it is new.

    Args:
        spec: a folder, ``.csv``, IDX file, ``.npy``, ``.npz``, ``.zip`` or ``sample:NAME``; ``?split=train``
            (or ``train,val``) keeps those splits, ``?limit=5000`` so many images of each split, ``?low=0&high=4095``
            sets the raw values of 0 and 1. Several sets of image files with their readers' names are joined by
            ``+``: ``sample:noto+folder:scans``.
            ``patches:PHOTO?n=50000`` is any number of patches of a photo (``docs/patches.md``).
        size_px: side of the square canvases; None takes the suggestion for these images.
        cache: folder of the canvas cache; None is ``.undercoat-cache`` in the current folder.
        strict: refuse a set of which any file cannot be used, instead of listing it in ``skipped``.
        progress: show a bar while decoding, when there is a terminal.

    Raises:
        SpecError: for an unknown reader, option, sample or split.
        DataError: for data that is missing, empty or unreadable, and for a full disk.

    Example:
        >>> import tempfile
        >>> digits = open_data("sample:digits", cache=tempfile.mkdtemp())
        >>> len(digits), digits.size_px, digits.channels
        (1797, 32, 1)
    """
    if size_px is not None and not 8 <= size_px <= 2048:
        raise SpecError(f"a canvas of {size_px} pixels is out of range; give a size from 8 to 2048")
    if is_patches(spec):
        return _patches(os.fspath(spec), size_px, cache, strict=strict, progress=progress)
    address, listing = _find(os.fspath(spec))
    if strict:
        _refuse(listing.name, listing.skipped, len(listing) + len(listing.skipped))
    folder = Path(cache if cache is not None else DEFAULT_CACHE).absolute()
    built = cached(listing, folder, size_px, progress)
    canvases = _ranged(_assembled(listing, built, folder / built.digest, progress=progress), address)
    if strict:
        _refuse(listing.name, canvases.skipped, len(listing))
    return _selected(canvases, address)


def _patches(spec: str, size_px: int | None, cache: Path | str | None, *, strict: bool, progress: bool) -> Canvases:
    """``patches:PHOTO``: the photos are listed by the readers, the patches rendered when they are asked for."""
    from undercoat.data.patches import patch_canvases  # needs PyTorch, which a listing does not

    listing, settings = _find(spec)[1], parse_patches(spec)[1]
    folder = Path(cache if cache is not None else DEFAULT_CACHE).absolute()
    canvases = patch_canvases(spec, listing, settings, cache=folder, size_px=size_px, progress=progress)
    if strict:
        _refuse(canvases.name, canvases.skipped, len(listing))
    return canvases


def _joined_photos(source: str) -> str:
    """Photos parted by commas, as one spec: ``a.jpg,photo:coffee`` is ``folder:a.jpg+photo:coffee``."""
    if "," not in source or os.path.exists(source):
        return source
    readers = tuple(f"{reader}:" for reader in (*READERS, "card"))
    parts = [part if part.startswith(readers) else f"folder:{part}" for part in source.split(",")]
    return "+".join(parts)


def _find(spec: str) -> tuple[Address, Listing]:
    """What a spec, or several joined by ``+``, asks for and holds; of patches, their photos."""
    if is_patches(spec):
        return _photos(spec)
    parts = [spec] if os.path.exists(spec) else parts_of(spec, (*READERS, "card"))
    addresses = [parse_address(part, tuple(READERS)) for part in parts]
    listings = [_listing(address) for address in addresses]
    if len(parts) == 1:
        return addresses[0], listings[0]
    if any((address.low, address.high) != (None, None) for address in addresses):
        raise SpecError(f"'{spec}' sets low or high of a part; joined sets share one range, so leave them out")
    joined = join(spec, listings, [address.splits for address in addresses])
    return Address(text=spec, reader="", source=spec), joined


def _photos(spec: str) -> tuple[Address, Listing]:
    """The photos of ``patches:PHOTO?…``; options before its own that canvases heed, and photos do not, are errors."""
    source = parse_patches(spec)[0]
    if is_patches(source):
        raise SpecError(f"'{spec}' asks for patches of patches; leave out one patches:")
    address, listing = _find(_joined_photos(source))
    if address.splits:
        raise SpecError(f"'{spec}' has a split before the patches' own options; write split= after the last ?")
    if (address.low, address.high) != (None, None):
        raise SpecError(f"'{spec}' sets low or high, which photos have not; leave them out")
    return address, listing


def _listing(address: Address) -> Listing:
    if address.reader not in ("sample", "photo") and not os.path.exists(address.source):
        raise DataError(f"'{address.source}' does not exist{_near(Path(address.source))}")
    reader = address.reader or _reader_of(address)
    try:
        if address.card:
            address = replace(address, source=check_layout(address.card, address.source))
        listing = replace(_read(reader, address), name=address.text)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"'{address.source}' cannot be read as {reader} ({reason}); check it") from error
    if address.card:
        check_whole(address.card, address.source, listing, other_labels=bool(address.labels))
    return listing if address.limit is None else limited(listing, address.limit)


def _read(reader: str, address: Address) -> Listing:
    if address.masks:
        if reader != "pairs":
            raise SpecError(
                f"option '{next(iter(address.masks))}' in '{address.text}' is for pairs of images and masks; "
                f"write pairs:{address.source}?…, or leave it out"
            )
        return READERS[reader](address.source, **address.masks)
    given = {"labels": address.labels, "uncertain": address.uncertain}
    for option in filter(given.get, given):
        if reader not in readers_with(option):
            readers = ", ".join(readers_with(option))
            raise SpecError(f"option '{option}' in '{address.text}' is for {readers}; {reader} has one set of labels")
    return READERS[reader](address.source, **{option: value for option, value in given.items() if value})


def _reader_of(address: Address) -> str:
    path = Path(address.source)
    name = path.name.lower()
    if path.is_dir():
        return "idx" if holds_idx(path) else "cifar" if holds_cifar(path) else "folder"
    if is_idx_name(name):
        return "idx"
    if is_cifar_name(name):
        return "cifar"
    for reader, suffixes in (("csv", ".csv"), ("arrays", (".npy", ".npz")), ("zip", ".zip")):
        if name.endswith(suffixes):
            return reader
    if is_image_name(name):
        return "folder"
    raise DataError(
        f"'{address.source}' is no kind of file that is read here; give a folder, a .csv, .npy, .npz, .zip "
        "or IDX file, or sample:NAME"
    )


def _near(path: Path) -> str:
    from undercoat.samples import SAMPLES

    if path.parent.is_dir():
        near = get_close_matches(path.name, os.listdir(path.parent), n=1, cutoff=0.5)
        if near:
            return f"; did you mean '{path.parent / near[0]}'?"
    sample = get_close_matches(path.name, list(SAMPLES), n=1, cutoff=0.6)
    return f"; did you mean 'sample:{sample[0]}'?" if sample else "; give a folder, a file or sample:NAME"


def _refuse(name: str, skipped: tuple[tuple[str, str], ...], total: int) -> None:
    if not skipped:
        return
    named = ", ".join(f"{key}: {reason}" for key, reason in skipped[:_MOST_NAMED])
    more = f" and {len(skipped) - _MOST_NAMED} more" if len(skipped) > _MOST_NAMED else ""
    raise DataError(
        f"{len(skipped)} of {total} files in '{name}' cannot be used ({named}{more}); "
        "repair or remove them, or leave out --strict to go on without them"
    )


def _assembled(listing: Listing, built: Built, folder: Path, *, progress: bool) -> Canvases:
    facts = StoredFacts.load(folder)
    kept = np.delete(np.arange(len(listing)), list(built.broken))
    broken = tuple((listing.keys[position], reason) for position, reason in sorted(built.broken.items()))
    scale = facts.high - facts.low
    canvases = Canvases(
        name=listing.name,
        digest=facts.digest,
        images=np.load(folder / "images.npy", mmap_mode="r"),
        low=facts.low,
        high=facts.high,
        mean=tuple((value - facts.low) / scale for value in facts.raw_mean),
        std=tuple(value / scale for value in facts.raw_std),
        aspect=np.load(folder / "aspect.npy", mmap_mode="r"),
        keys=Names.load(folder),
        classes=listing.classes,
        labels=None if listing.labels is None else listing.labels[kept],
        splits=listing.splits[kept],
        groups=listing.groups[kept],
        rows=np.arange(len(kept)),
        skipped=tuple(sorted(listing.skipped + broken)),
        folder=folder,
        notes=listing.notes,
    )
    return canvases if listing.masks is None else with_masks(canvases, listing.masks, kept, progress=progress)


def _ranged(canvases: Canvases, address: Address) -> Canvases:
    """Map other raw values to 0 and 1 when the spec asks for it."""
    if address.low is None and address.high is None:
        return canvases
    low = canvases.low if address.low is None else address.low
    high = canvases.high if address.high is None else address.high
    if high <= low:
        raise SpecError(f"'{address.text}' maps {low:g}..{high:g} to 0..1; high has to be above low")
    old, new = canvases.high - canvases.low, high - low
    text = f"{canvases.digest} {low!r} {high!r}".encode()
    return replace(
        canvases,
        digest=blake2b(text, digest_size=12).hexdigest(),
        low=low,
        high=high,
        mean=tuple((value * old + canvases.low - low) / new for value in canvases.mean),
        std=tuple(value * old / new for value in canvases.std),
    )


def _selected(canvases: Canvases, address: Address) -> Canvases:
    if not address.splits:
        return canvases
    counts = Counter(canvases.splits.tolist())
    for name in address.splits:
        if not counts[name]:
            there = ", ".join(f"{key} ({count:,})" for key, count in sorted(counts.items()) if key)
            raise DataError(
                f"'{address.source}' has no split '{name}'; it has "
                f"{there or 'none (make folders train/ and test/, or a CSV with a split column)'}"
            )
    return canvases.in_split(*address.splits)
