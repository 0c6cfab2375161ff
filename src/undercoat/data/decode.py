"""One image file → one canvas: upright, on white, squeezed to a square, in the set's channels and dtype."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from undercoat.data.bands import is_tiff, read_bands
from undercoat.data.headers import is_grey_palette, open_image

__all__ = ["CanvasFormat", "Decoded", "decode", "to_canvas"]

Transpose = Image.Transpose
# EXIF orientation 2..8: what has to be done to the stored pixels (TIFF 6.0, tag 274)
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112
_ALPHA_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
_FILTER = Image.Resampling.BICUBIC
_REDUCING_GAP = 3.0  # how many times larger than needed an image may be when the exact filter takes over
_FULL = {"uint8": 255.0, "uint16": 65535.0}


@dataclass(frozen=True)
class CanvasFormat:
    """What every canvas of a set looks like: (size_px, size_px, channels) of one dtype."""

    size_px: int
    channels: int
    dtype: str


@dataclass(frozen=True)
class Decoded:
    """One canvas and its original's width and height, seen upright."""

    pixels: NDArray[np.generic]
    width: int
    height: int


def decode(data: bytes, form: CanvasFormat) -> Decoded:
    """Decode an image file to a canvas.

    Grey images are repeated in a set of three channels; alpha is laid on white; 8-bit values in a 16-bit set
    are multiplied by 257, so that white stays white; in a float set, integers become 0..1.

    Raises:
        Exception: whatever the decoder says of a damaged file; the caller lists it.
    """
    stream = io.BytesIO(data)
    try:
        image = open_image(stream)
    except UnidentifiedImageError:
        if not is_tiff(stream):
            raise
        pixels = read_bands(stream)
        return Decoded(to_canvas(pixels, form), pixels.shape[1], pixels.shape[0])
    width, height = image.size
    if image.format in ("JPEG", "MPO"):
        image.draft(None, (2 * form.size_px, 2 * form.size_px))  # decodes at 1/2, 1/4 or 1/8: up to 10× faster
    image.load()
    orientation = _orientation(image)
    turn = _TURNS.get(orientation)
    if 5 <= orientation <= 8:  # stored on its side
        width, height = height, width
    if image.mode[0] in "IF":
        pixels = to_canvas(np.asarray(image)[:, :, None], form)
        return Decoded(_turned(pixels, turn), width, height)
    return Decoded(_as_dtype(_plain_canvas(image, form, turn), form.dtype), width, height)


def _plain_canvas(image: Image.Image, form: CanvasFormat, turn: Image.Transpose | None) -> NDArray[np.generic]:
    """The canvas of an image of 8 bits a channel."""
    plain, side = _on_white(image), form.size_px
    if plain.size != (side, side):
        plain = plain.resize((side, side), _FILTER, reducing_gap=_REDUCING_GAP)
    if turn is not None:
        plain = plain.transpose(turn)
    if plain.mode == "L" and form.channels == 3:
        plain = plain.convert("RGB")
    return np.asarray(plain).reshape(side, side, -1)


def to_canvas(pixels: NDArray[Any], form: CanvasFormat) -> NDArray[np.generic]:
    """Squeeze an array (H, W, C) of any number of channels to a canvas, antialiased.

    Numbers that are not finite take the image's smallest finite value.

    Raises:
        ValueError: when no pixel is finite.
    """
    if pixels.shape[:2] != (form.size_px, form.size_px) or pixels.dtype.kind == "f":
        pixels = _squeezed(pixels, form.size_px)
    if pixels.shape[2] == 1 and form.channels == 3:
        pixels = np.repeat(pixels, 3, axis=2)
    return _as_dtype(pixels, form.dtype)


def _squeezed(pixels: NDArray[Any], side: int) -> NDArray[np.generic]:
    exact = pixels.astype(np.float32)
    finite = np.isfinite(exact)
    if not finite.all():
        if not finite.any():
            raise ValueError("no pixel is a finite number")
        exact = np.where(finite, exact, exact[finite].min())
    if exact.shape[:2] != (side, side):
        low, high = exact.min(), exact.max()
        planes = [
            np.asarray(Image.fromarray(np.ascontiguousarray(exact[:, :, c])).resize((side, side), _FILTER))
            for c in range(exact.shape[2])
        ]
        exact = np.clip(np.stack(planes, axis=2), low, high)  # bicubic overshoots beside edges
    if pixels.dtype.kind == "u":
        exact = np.rint(exact)
        return exact.astype(pixels.dtype)
    return exact


def _as_dtype(pixels: NDArray[Any], dtype: str) -> NDArray[np.generic]:
    if dtype == "float32":
        full = _FULL.get(str(pixels.dtype), 1.0)
        return (pixels.astype(np.float32) / np.float32(full)).astype(np.float32)
    if dtype == "uint16" and pixels.dtype == np.uint8:
        return pixels.astype(np.uint16) * np.uint16(257)
    return np.ascontiguousarray(pixels, dtype=dtype)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        return 1  # damaged EXIF says nothing about the pixels


def _turned(pixels: NDArray[np.generic], turn: Image.Transpose | None) -> NDArray[np.generic]:
    if turn is None:
        return pixels
    places = np.arange(pixels.shape[0] * pixels.shape[1], dtype=np.int32).reshape(pixels.shape[:2])
    order = np.asarray(Image.fromarray(places).transpose(turn))
    turned: NDArray[np.generic] = pixels.reshape(-1, pixels.shape[2])[order.ravel()].reshape(pixels.shape)
    return turned


def _on_white(image: Image.Image) -> Image.Image:
    """Turn any 8-bit mode into L or RGB, with what is transparent laid on white."""
    grey = image.mode in ("1", "L", "LA", "La") or is_grey_palette(image)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        above = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
        sheet = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(sheet, above).convert("RGB")
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image.convert("L") if grey and image.mode != "L" else image
