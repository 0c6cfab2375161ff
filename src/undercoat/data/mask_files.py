"""Mask files → raw numbers on canvases: one channel, checked against its image, squeezed by nearest neighbour."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from undercoat.data.building import worker_count
from undercoat.data.headers import open_image
from undercoat.data.listing import MaskFiles
from undercoat.data.survey import CHUNK, in_order, reason_of

__all__ = ["ReadMask", "read_masks"]

_LARGEST = 255


@dataclass(frozen=True)
class ReadMask:
    """One mask, read.

    Attributes:
        pixels: (size, size) raw numbers up to 255, of a mask with a threshold 0 and 1; None when it cannot be used.
        values: which numbers occur in the file.
        fault: what is wrong with it.
        detail: a word on that.
    """

    pixels: NDArray[np.uint8] | None
    values: NDArray[np.int64]
    fault: str = ""
    detail: str = ""


def read_masks(
    files: MaskFiles, sizes: NDArray[np.void], size_px: int, advance: Callable[[int], None]
) -> Iterator[tuple[int, ReadMask]]:
    """Read all masks in threads, in order.

    Args:
        files: N masks.
        sizes: (N,) width and height of the images.
        size_px: side of the canvases.
        advance: is told how many were read.
    """
    chunks = (range(start, min(start + CHUNK, len(files))) for start in range(0, len(files), CHUNK))

    def work(positions: range) -> list[tuple[int, ReadMask]]:
        return [(position, _read(files, position, sizes[position], size_px)) for position in positions]

    for found in in_order(work, chunks, worker_count()):
        yield from found
        advance(len(found))


def _read(files: MaskFiles, position: int, size: NDArray[np.void], side: int) -> ReadMask:
    threshold = files.thresholds[files.part[position]]
    try:
        values = _values(files.source.read(int(files.rows[position])), grey=threshold is not None)
    except Exception as error:  # decoders raise anything on damaged bytes
        return _unfit("cannot be read", f": {reason_of(error)}")
    height, width = values.shape
    if (width, height) != (int(size["width"]), int(size["height"])):
        detail = f": {width} × {height} beside {size['width']} × {size['height']}"
        return _unfit("have another size than their image", detail)
    if threshold is not None:
        values = (values > threshold).astype(np.uint8)
    found = np.unique(values)
    if found[0] < 0 or found[-1] > _LARGEST or not np.array_equal(found, np.rint(found)):
        return _unfit("hold greys, not class numbers", f": {found[0]:g} … {found[-1]:g}")
    small = Image.fromarray(values.astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    return ReadMask(np.asarray(small), found.astype(np.int64))


def _unfit(fault: str, detail: str) -> ReadMask:
    return ReadMask(None, np.zeros(0, np.int64), fault, detail)


def _values(data: bytes, *, grey: bool) -> NDArray[Any]:
    """The numbers of a mask file: of a palette its indices, unless greys are asked for.

    Raises:
        ValueError: for colours.
    """
    image = open_image(io.BytesIO(data))
    image.load()
    if image.mode in ("1", "L") or image.mode[0] in "IF" or (image.mode == "P" and not grey):
        return np.asarray(image.convert("L") if image.mode == "1" else image)
    if image.mode in ("LA", "La"):
        return np.asarray(image)[:, :, 0]
    colours = np.asarray(image.convert("RGB"))
    if (colours != colours[:, :, :1]).any():
        raise ValueError("it is in colour; save class numbers in one channel")
    return colours[:, :, 0]
