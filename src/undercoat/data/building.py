"""From a listing to canvases on disk: survey the headers, decode in parallel, write, rename into place."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undercoat.data.decode import CanvasFormat, Decoded, decode, to_canvas
from undercoat.data.drafts import draft_folder, publish, space_for
from undercoat.data.headers import guarded
from undercoat.data.listing import ArrayRows, Encoded, Listing
from undercoat.data.progress import bar
from undercoat.data.storing import CanvasWriter, StoredFacts, moments
from undercoat.data.survey import CHUNK, Survey, in_order, reason_of, survey_files, survey_rows
from undercoat.errors import DataError

__all__ = ["Built", "build", "survey_of", "worker_count"]

Row = tuple[int, NDArray[np.generic]]


@dataclass(frozen=True)
class Built:
    """A finished build: its digest, and which positions of the listing it left out, with the reason."""

    digest: str
    broken: dict[int, str]


@dataclass(frozen=True)
class _Made:
    """One image on its way from a decoding thread to the writer."""

    position: int
    reason: str = ""
    content: bytes = b""
    canvas: Decoded | None = None
    sums: NDArray[np.float64] | None = None


def worker_count() -> int:
    """Threads that decode: one for each core this process may use, at most 16."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), 16)
    return min(os.cpu_count() or 1, 16)


def survey_of(listing: Listing, progress: bool) -> Survey:
    """Look at every image's header.

    Raises:
        DataError: when not one image is sound.
    """
    with bar("reading headers", len(listing), progress) as advance, guarded():
        if isinstance(listing.source, ArrayRows):
            survey = survey_rows(listing.source)
        else:
            survey = survey_files(listing.source, len(listing), worker_count(), advance)
    if not len(survey.good()):
        raise _none_readable(listing, survey)
    return survey


def build(listing: Listing, survey: Survey, cache: Path, size_px: int | None, progress: bool) -> Built:
    """Decode every image of a listing into ``cache/<digest>/``.

    Raises:
        DataError: when no image can be decoded or the disk is full; nothing is left behind then.
    """
    form = survey.decide(size_px)
    count = len(survey.good())
    each = form.size_px**2 * form.channels * np.dtype(form.dtype).itemsize + 128
    with (
        space_for(count * each, cache, f"the canvas cache of {count:,} images"),
        draft_folder(cache) as draft,
    ):
        with bar("decoding images", count, progress) as advance, guarded():
            stored = _write(listing, survey, CanvasWriter(draft, form), advance)
        publish(draft, cache / stored.digest)
    return Built(stored.digest, survey.broken)


def _write(listing: Listing, survey: Survey, writer: CanvasWriter, advance: Callable[[int], None]) -> StoredFacts:
    source = listing.source
    work = _from_rows if isinstance(source, ArrayRows) else _from_files
    made = work(source, survey, writer.form)  # type: ignore[arg-type]
    try:
        for chunk in made:
            for one in chunk:
                if one.canvas is None or one.sums is None:
                    survey.broken[one.position] = one.reason
                    continue
                kind = int(survey.kinds[one.position])
                writer.add(listing.keys.raw(one.position), one.content, kind, one.canvas, one.sums)
            advance(len(chunk))
        if not writer.count:
            raise _none_readable(listing, survey)
        return writer.finish(listing.keys.take(survey.good()), survey.kind_names)
    finally:
        made.close()
        writer.close()


def _from_files(source: Encoded, survey: Survey, form: CanvasFormat) -> Generator[list[_Made]]:
    good = survey.good()
    chunks = (good[start : start + CHUNK].tolist() for start in range(0, len(good), CHUNK))

    def work(positions: list[int]) -> list[_Made]:
        return [_one_file(source, position, form) for position in positions]

    yield from in_order(work, chunks, worker_count())


def _one_file(source: Encoded, position: int, form: CanvasFormat) -> _Made:
    try:
        data = source.read(position)
        canvas = decode(data, form)
    except Exception as error:  # decoders raise anything on damaged bytes; the run goes on
        return _Made(position, reason_of(error))
    return _Made(position, "", blake2b(data, digest_size=16).digest(), canvas, moments(canvas.pixels))


def _from_rows(source: ArrayRows, survey: Survey, form: CanvasFormat) -> Generator[list[_Made]]:
    del survey  # every row is alike

    def chunks() -> Iterator[list[Row]]:
        held: list[Row] = []
        for row in enumerate(source.stream()):
            held.append(row)
            if len(held) == CHUNK:
                yield held
                held = []
        yield held

    def work(rows: list[Row]) -> list[_Made]:
        return [_one_row(position, row, form) for position, row in rows]

    yield from in_order(work, chunks(), worker_count())


def _one_row(position: int, row: NDArray[np.generic], form: CanvasFormat) -> _Made:
    content = blake2b(f"{row.dtype.str} {row.shape}".encode(), digest_size=16)
    content.update(np.ascontiguousarray(row).tobytes())
    try:
        canvas = Decoded(to_canvas(row, form), row.shape[1], row.shape[0])
    except ValueError as error:
        return _Made(position, reason_of(error))
    return _Made(position, "", content.digest(), canvas, moments(canvas.pixels))


def _none_readable(listing: Listing, survey: Survey) -> DataError:
    position, reason = next(iter(sorted(survey.broken.items())))
    return DataError(
        f"none of the {len(listing)} image files in '{listing.name}' can be read "
        f"({listing.keys[position]}: {reason}); give a folder with sound JPEG, PNG, WebP, TIFF or BMP files"
    )
