"""One image file → red, green and blue of its whole size: upright, on white, 8 bits."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

from undercoat.data.bands import read_bands
from undercoat.data.headers import open_image, peek

__all__ = ["UnusablePhotoError", "full_value", "photo_pixels", "photo_size", "to_bytes"]

_ALPHA_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
_SIDEWAYS, _ORIENTATION = range(5, 9), 0x0112


class UnusablePhotoError(Exception):
    """A photo that can be decoded and still shows nothing."""


def photo_size(stream: BinaryIO) -> tuple[int, int]:
    """Width and height, seen upright, from the header.

    Raises:
        Exception: whatever the decoder says of a damaged file; the caller lists it.
    """
    try:
        image = open_image(stream)
    except UnidentifiedImageError:
        stream.seek(0)
        header = peek(stream)
        return header.width, header.height
    width, height = image.size
    if isinstance(image, TiffImageFile):  # Pillow has its sides upright already
        width, height = int(image.tag_v2[IMAGEWIDTH]), int(image.tag_v2[IMAGELENGTH])
    return (height, width) if _orientation(image) in _SIDEWAYS else (width, height)


def photo_pixels(stream: BinaryIO) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) uint8.

    Grey is repeated; transparent parts are laid on white, as everywhere in this library; palettes and CMYK become
    RGB; of 16 bits a channel the range that is in use (8, 10, 12, … bits) becomes 0..255; of more than four bands the
    first three are taken.

    Raises:
        UnusablePhotoError: for a photo that is transparent throughout.
        Exception: whatever the decoder says of a damaged file; the caller lists it.
    """
    try:
        image = open_image(stream)
    except UnidentifiedImageError:
        stream.seek(0)
        peek(stream)  # refuses what is too large, or no TIFF of many bands
        stream.seek(0)
        return to_bytes(read_bands(stream))
    image.load()
    if _orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode[0] in "IF":
        return to_bytes(np.asarray(image)[:, :, None])
    return np.asarray(_on_white(image))


def to_bytes(pixels: NDArray[Any], full: float | None = None) -> NDArray[np.uint8]:
    """(H, W, bands) of any numbers as (H, W, 3) uint8.

    Args:
        pixels: one band is grey, two are grey and alpha, three or more begin with red, green, blue.
        full: the value that becomes 255; None takes what fits: 255, the next power of two of larger whole
            numbers, 1 for fractions of it, the largest value of other fractions.
    """
    colours = pixels[:, :, :3] if pixels.shape[2] > 2 else pixels[:, :, :1]
    if colours.dtype != np.uint8:
        exact = np.nan_to_num(colours.astype(np.float64), posinf=0.0, neginf=0.0)
        if full is None:
            full = full_value(exact, colours.dtype)
        colours = np.rint(np.clip(exact / full, 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(colours, (*colours.shape[:2], 3)))


def full_value(exact: NDArray[np.float64], dtype: np.dtype[Any]) -> float:
    """The value that stands for white."""
    most = float(exact.max(initial=0.0))
    if dtype.kind in "ui":
        return float(2 ** max(int(most).bit_length(), 8) - 1)
    return max(most, 1.0)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1  # damaged EXIF says nothing about the pixels


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        above = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
        if above.getchannel("A").getextrema() == (0, 0):
            raise UnusablePhotoError("it is transparent throughout")
        sheet = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(sheet, above)
    return image.convert("RGB")
