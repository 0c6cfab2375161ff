"""Image files' first bytes: format, mode and size, before any decoding."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from undercoat.data.bands import is_tiff, peek_bands

__all__ = [
    "CANVAS_SIZES_PX",
    "FORMATS",
    "MEGAPIXEL_LIMIT",
    "Header",
    "TooLargeError",
    "guarded",
    "open_image",
    "peek",
    "suggest_size_px",
]

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
CANVAS_SIZES_PX = (32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 512)
MEGAPIXEL_LIMIT = 89  # Pillow's own limit against decompression bombs
GREY_MODES = frozenset({"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N", "I", "F"})


class TooLargeError(Exception):
    """An image of more pixels than are safe to decode."""


@dataclass(frozen=True)
class Header:
    """What an image file says of itself.

    Attributes:
        format: such as "JPEG".
        mode: Pillow's word for the pixels, such as "RGBA", or "13 × uint16" for a TIFF of many bands.
        width: in pixels, as stored (before EXIF orientation).
        height: in pixels, as stored.
        channels: 1, 3 or the number of bands; alpha is not counted, for it is laid on white.
        dtype: "uint8", "uint16" or "float32".
    """

    format: str
    mode: str
    width: int
    height: int
    channels: int
    dtype: str


@contextmanager
def guarded() -> Iterator[None]:
    """While open, a decompression bomb is an error and Pillow's other warnings are silent, in all threads."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\..*")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def open_image(stream: BinaryIO) -> Image.Image:
    """Open an image of a known format without decoding its pixels.

    Raises:
        TooLargeError: above ``MEGAPIXEL_LIMIT``.
        PIL.UnidentifiedImageError: for anything that is no image of these formats.
    """
    try:
        image = Image.open(stream, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        words = [word for word in str(error).replace("(", "").split() if word.isdigit()]
        size = f"{int(words[0]) / 1e6:.0f} megapixels" if words else "a huge image"
        raise TooLargeError(f"{size}, more than the {MEGAPIXEL_LIMIT} that are safe to decode") from None
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or MEGAPIXEL_LIMIT * 1e6):
        size = f"{image.width * image.height / 1e6:.0f} megapixels"
        raise TooLargeError(f"{size}, more than the {MEGAPIXEL_LIMIT} that are safe to decode")
    return image


def peek(stream: BinaryIO) -> Header:
    """Read an image's header.

    Example:
        >>> import io
        >>> stream = io.BytesIO()
        >>> Image.new("L", (40, 30)).save(stream, "PNG")
        >>> peek(stream)
        Header(format='PNG', mode='L', width=40, height=30, channels=1, dtype='uint8')
    """
    try:
        image = open_image(stream)
    except UnidentifiedImageError:
        if not is_tiff(stream):
            raise
        height, width, channels, dtype = peek_bands(stream)
        if width * height > MEGAPIXEL_LIMIT * 1e6:
            size = f"{width * height / 1e6:.0f} megapixels"
            raise TooLargeError(f"{size}, more than the {MEGAPIXEL_LIMIT} that are safe to decode") from None
        return Header("TIFF", f"{channels} × {dtype}", width, height, channels, dtype)
    return Header(
        format="JPEG" if image.format == "MPO" else str(image.format),
        mode=image.mode,
        width=image.width,
        height=image.height,
        channels=1 if image.mode in GREY_MODES or is_grey_palette(image) else 3,
        dtype=_dtype(image.mode),
    )


def _dtype(mode: str) -> str:
    if mode.startswith("I;16"):
        return "uint16"
    return "float32" if mode in ("I", "F") else "uint8"


def is_grey_palette(image: Image.Image) -> bool:
    """Whether an image has a palette and all its colours are grey."""
    if image.mode != "P" or image.palette is None or image.palette.mode not in ("RGB", "RGBA"):
        return False
    colours = np.frombuffer(bytes(image.palette.palette), np.uint8)
    width = len(image.palette.mode)
    colours = colours[: len(colours) // width * width].reshape(-1, width)[:, :3]
    return bool(len(colours)) and bool((colours == colours[:, :1]).all())


def suggest_size_px(widths: NDArray[np.int32], heights: NDArray[np.int32]) -> int:
    """The smallest usual canvas that keeps the median image's short side, up to 256 pixels.

    Example:
        >>> suggest_size_px(np.array([28]), np.array([28])), suggest_size_px(np.array([900]), np.array([600]))
        (32, 256)
    """
    wanted = min(float(np.median(np.minimum(widths, heights))), 256.0)
    return next(size for size in CANVAS_SIZES_PX if size >= wanted)
