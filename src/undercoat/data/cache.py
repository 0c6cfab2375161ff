"""The canvas cache: which folder of canvases belongs to a listing, found without reading an image."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from undercoat.data.building import Built, build, survey_of
from undercoat.data.drafts import write_file
from undercoat.data.listing import Listing
from undercoat.data.storing import FORMAT_VERSION
from undercoat.errors import DataError

__all__ = ["DEFAULT_CACHE", "cached"]

DEFAULT_CACHE = Path(".undercoat-cache")


def cached(listing: Listing, cache: Path, size_px: int | None, progress: bool) -> Built:
    """Find the canvases of a listing in the cache, or build them.

    An index maps the names, sizes and times of change of all files to the digest of their content, so a
    second run opens no image; files that were touched, not changed, are read again for the same digest.
    """
    with _writable(cache):
        (cache / "index").mkdir(parents=True, exist_ok=True)
        stamp = blake2b(f"{FORMAT_VERSION} {size_px} {listing.stamp}".encode(), digest_size=12).hexdigest()
        entry = cache / "index" / f"{stamp}.json"
        found = _look_up(entry, cache)
        if found is not None:
            return found
        with _one_builder(cache / "index" / f"{stamp}.lock"):
            found = _look_up(entry, cache)  # another process may have built it while this one waited
            if found is None:
                found = build(listing, survey_of(listing, progress), cache, size_px, progress)
                content = {"digest": found.digest, "source": listing.name, "broken": found.broken}
                write_file(entry, json.dumps(content).encode())
        return found


def _look_up(entry: Path, cache: Path) -> Built | None:
    try:
        content = json.loads(entry.read_text(encoding="utf-8"))
        broken = {int(position): str(reason) for position, reason in content["broken"].items()}
        found = Built(str(content["digest"]), broken)
    except (OSError, ValueError, KeyError, AttributeError):
        return None  # no entry, or one that a person cut: build again
    return found if (cache / found.digest / "meta.json").is_file() else None


@contextmanager
def _one_builder(path: Path) -> Iterator[None]:
    """Let one process of this machine build while the others wait; the lock dies with its process."""
    with path.open("w") as lock:
        with contextlib.suppress(OSError):  # without locks both build, and the second rename gives way
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _writable(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if cache.is_dir() and error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise
        raise DataError(
            f"the cache folder '{cache}' cannot be written ({error.strerror or error}); choose another one with --cache"
        ) from error
