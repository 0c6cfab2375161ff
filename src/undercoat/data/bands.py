"""TIFF files of many bands (satellite, microscopy), which Pillow does not read: through tifffile."""

from __future__ import annotations

import logging
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_tiff", "peek_bands", "read_bands"]

_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ACCEPTED = {"uint8": "uint8", "uint16": "uint16"}


def is_tiff(stream: BinaryIO) -> bool:
    """Whether a file starts like a TIFF; the stream is left at its start."""
    stream.seek(0)
    mark = stream.read(4)
    stream.seek(0)
    return mark in _MARKS


def peek_bands(stream: BinaryIO) -> tuple[int, int, int, str]:
    """Read (height, width, channels, dtype) of a TIFF's first image.

    Raises:
        ValueError: for a layout that is no stack of bands.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # damaged files are reported as skipped
    with tifffile.TiffFile(stream) as file:
        series = file.series[0]
        height, width, channels = _layout(series.shape, series.axes)
        return height, width, channels, _ACCEPTED.get(str(series.dtype), "float32")


def read_bands(stream: BinaryIO) -> NDArray[np.generic]:
    """Decode a TIFF's first image to (H, W, C): uint8, uint16 or float32."""
    import tifffile

    with tifffile.TiffFile(stream) as file:
        series = file.series[0]
        shape, axes = series.shape, series.axes
        height, width, channels = _layout(shape, axes)
        pixels = np.asarray(series.asarray())
    if len(shape) == 3 and not _bands_last(shape, axes):
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = pixels.reshape(height, width, channels)
    return pixels if str(pixels.dtype) in _ACCEPTED else pixels.astype(np.float32)


def _bands_last(shape: tuple[int, ...], axes: str) -> bool:
    return axes.endswith("S") or (not axes.startswith("S") and shape[2] < shape[0])


def _layout(shape: tuple[int, ...], axes: str) -> tuple[int, int, int]:
    if len(shape) == 2:
        return shape[0], shape[1], 1
    if len(shape) != 3:
        raise ValueError(f"TIFF of shape {shape} is no stack of bands")
    return shape if _bands_last(shape, axes) else (shape[1], shape[2], shape[0])
