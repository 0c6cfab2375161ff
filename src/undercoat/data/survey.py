"""The first look at every image's header, and what it decides for the whole set: size, channels and dtype."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from undercoat.data.decode import CanvasFormat
from undercoat.data.headers import TooLargeError, peek, suggest_size_px
from undercoat.data.listing import ArrayRows, Encoded

__all__ = ["FILE_LIMIT_BYTES", "Survey", "in_order", "reason_of", "survey_files", "survey_rows"]

FILE_LIMIT_BYTES = 1 << 30  # one encoded image; a larger file is no image that we could hold
CHUNK = 16

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass
class Survey:
    """What the headers of N images say.

    Attributes:
        widths: (N,) pixels, as stored.
        heights: (N,) pixels, as stored.
        kinds: (N,) which of ``kind_names`` each image is.
        kind_names: (format, mode, channels, dtype) that occur.
        broken: position → reason.
    """

    widths: NDArray[np.int32]
    heights: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    kind_names: list[tuple[str, str, int, str]] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, count: int) -> Survey:
        """A survey of ``count`` images that have not been looked at."""
        return cls(np.zeros(count, np.int32), np.zeros(count, np.int32), np.zeros(count, np.uint8))

    def good(self) -> NDArray[np.int64]:
        """Positions of the images whose headers are sound."""
        sound = np.ones(len(self.widths), bool)
        sound[list(self.broken)] = False
        return np.flatnonzero(sound)

    def kind(self, name: tuple[str, str, int, str]) -> int:
        """The number of a kind, new ones included (the 256th and later are counted as one)."""
        if name not in self.kind_names and len(self.kind_names) < 255:
            self.kind_names.append(name)
        return self.kind_names.index(name) if name in self.kind_names else len(self.kind_names) - 1

    def decide(self, size_px: int | None) -> CanvasFormat:
        """Choose the set's canvas; images of another number of bands than most become broken."""
        good = self.good()
        channels = self._channels(good)
        odd = [k for k, name in enumerate(self.kind_names) if channels not in (1, 3) and name[2] != channels]
        for position in good[np.isin(self.kinds[good], odd)]:
            found = self.kind_names[self.kinds[position]][2]
            self.broken[int(position)] = f"has {found} channels where most of the set have {channels}"
        good = self.good()
        dtypes = {self.kind_names[kind][3] for kind in np.unique(self.kinds[good])}
        dtype = "float32" if "float32" in dtypes else "uint16" if "uint16" in dtypes else "uint8"
        side = size_px or suggest_size_px(self.widths[good], self.heights[good])
        return CanvasFormat(side, channels, dtype)

    def _channels(self, good: NDArray[np.int64]) -> int:
        counts: Counter[int] = Counter()
        for kind, count in zip(*np.unique(self.kinds[good], return_counts=True), strict=True):
            counts[self.kind_names[kind][2]] += int(count)
        if set(counts) <= {1, 3}:
            return max(counts)
        return counts.most_common(1)[0][0]


def reason_of(error: BaseException) -> str:
    """Say in a few words why an image cannot be used."""
    if isinstance(error, TooLargeError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a format that is read here"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})"
    return f"damaged ({error or type(error).__name__})"


def in_order(function: Callable[[In], Out], items: Iterable[In], workers: int, window: int = 2) -> Iterator[Out]:
    """Map in threads (Pillow decodes and resizes outside the interpreter's lock), results in order.

    Never more than ``window`` items a worker are under way, so that memory stays flat.
    """
    waiting: deque[Future[Out]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="undercoat-decode") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > window * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def survey_files(source: Encoded, count: int, workers: int, advance: Callable[[int], None]) -> Survey:
    """Look at the header of every image file."""
    survey = Survey.empty(count)
    chunks = (range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))

    def look(positions: range) -> list[tuple[int, tuple[int, int, tuple[str, str, int, str]] | str]]:
        return [(position, _look(source, position)) for position in positions]

    for found in in_order(look, chunks, workers):
        for position, facts in found:
            if isinstance(facts, str):
                survey.broken[position] = facts
            else:
                survey.widths[position], survey.heights[position] = facts[:2]
                survey.kinds[position] = survey.kind(facts[2])
        advance(len(found))
    return survey


def _look(source: Encoded, position: int) -> tuple[int, int, tuple[str, str, int, str]] | str:
    try:
        with source.open(position) as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            if size == 0:
                return "empty file (0 bytes)"
            if size > FILE_LIMIT_BYTES:
                return f"a file of {size / 1e9:.1f} GB, more than the 1 GB that one image may have"
            head = peek(stream)
    except Exception as error:  # decoders raise anything on damaged bytes; the run goes on
        return reason_of(error)
    return head.width, head.height, (head.format, head.mode, head.channels, head.dtype)


def survey_rows(rows: ArrayRows) -> Survey:
    """The survey of an array, whose images are all alike."""
    count, height, width, channels = rows.shape
    survey = Survey.empty(count)
    survey.widths[:], survey.heights[:] = width, height
    kind = "uint8" if rows.dtype.kind == "b" else str(rows.dtype)
    stored = kind if kind in ("uint8", "uint16") else "float32"
    survey.kinds[:] = survey.kind(("array", f"{channels} × {rows.dtype}", channels, stored))
    return survey
