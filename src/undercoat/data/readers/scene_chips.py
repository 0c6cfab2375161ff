"""Chips: squares of large scenes as if they were files, cut out when they are read and never written."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from undercoat.data.names import Names
from undercoat.data.photo_pixels import UnusablePhotoError

__all__ = ["SceneChips", "chip_corners", "read_region"]

_TOGETHER = 1  # TIFF 6.0, tag 284: the bands of a pixel lie side by side


@dataclass(frozen=True)
class SceneChips:
    """Chips of TIFF scenes; each is read by region, so that a scene is never held whole unless it is one strip.

    Attributes:
        root: folder of the scenes.
        scenes: (N,) each chip's scene, relative to ``root``.
        boxes: (N, 4) left, top, width and height in pixels.
    """

    root: Path
    scenes: Names
    boxes: NDArray[np.int64]

    def read(self, position: int) -> bytes:
        """One chip as an image file without compression: PPM or PGM for 8 bits, otherwise TIFF."""
        with (self.root / self.scenes.path(position)).open("rb") as stream:
            pixels = read_region(stream, *self.boxes[position].tolist())
        return _encoded(pixels)

    def open(self, position: int) -> BinaryIO:
        """The same as a stream."""
        return io.BytesIO(self.read(position))


def chip_corners(length: int, side: int) -> list[int]:
    """Where chips begin along one side of a scene: every ``side`` pixels, the last one shifted back to the border.

    Example:
        >>> chip_corners(1200, 512), chip_corners(1024, 512), chip_corners(300, 512)
        ([0, 512, 688], [0, 512], [0])
    """
    corners = list(range(0, max(length - side, 0) + 1, side))
    return corners if corners[-1] + side >= length else [*corners, length - side]


def read_region(stream: BinaryIO, left: int, top: int, width: int, height: int) -> NDArray[Any]:
    """Read a part (height, width, bands) of the first image of a TIFF; only the tiles or strips that it touches.

    Raises:
        UnusablePhotoError: when the bands are stored one after the other.
    """
    import tifffile

    page: Any = tifffile.TiffFile(stream).pages[0]
    if page.planarconfig != _TOGETHER:
        raise UnusablePhotoError("its bands lie one after the other; save it with the bands of a pixel side by side")
    if page.is_memmappable:
        shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
        dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
        mapped: NDArray[Any] = np.memmap(stream, dtype, "r", page.dataoffsets[0], shape)
        return np.asarray(mapped[top : top + height, left : left + width]).astype(page.dtype)
    out = np.zeros((height, width, page.samplesperpixel), page.dtype)  # what a sparse file leaves out is 0
    for y, x, pixels in _touched(page, left, top, width, height):
        first, start = max(y, top), max(x, left)
        last, end = min(y + pixels.shape[0], top + height), min(x + pixels.shape[1], left + width)
        out[first - top : last - top, start - left : end - left] = pixels[first - y : last - y, start - x : end - x]
    return out


def _touched(page: Any, left: int, top: int, width: int, height: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Top, left and pixels of the tiles or strips that share a pixel with a region."""
    long, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    across = -(-page.imagewidth // wide)
    for down in range(top // long, -(-(top + height) // long)):
        for right in range(left // wide, -(-(left + width) // wide)):
            index = down * across + right
            page.parent.filehandle.seek(page.dataoffsets[index])
            data = page.parent.filehandle.read(page.databytecounts[index])
            pixels, _, shape = page.decode(data, index, jpegtables=page.jpegtables)
            if pixels is not None:
                yield down * long, right * wide, pixels[0, : shape[1], : shape[2]]


def _encoded(pixels: NDArray[Any]) -> bytes:
    height, width, bands = pixels.shape
    if pixels.dtype == np.uint8 and bands in (1, 3):
        head = f"P{5 if bands == 1 else 6} {width} {height} 255\n".encode()
        return head + pixels.tobytes()
    import tifffile

    out = io.BytesIO()
    if bands == 1:
        tifffile.imwrite(out, pixels[:, :, 0], photometric="minisblack")
    else:
        tifffile.imwrite(out, pixels, photometric="minisblack", planarconfig="contig")
    return out.getvalue()
