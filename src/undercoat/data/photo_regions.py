"""TIFF photos of any number of pixels, read tile by tile or strip by strip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from undercoat.data.bands import is_tiff
from undercoat.data.photo_pixels import UnusablePhotoError, full_value, to_bytes
from undercoat.data.pyramid import pack

__all__ = ["TiffRegions"]

REGION_LIMIT_PIXELS = 1 << 26
_GREY_INVERTED, _GREY, _RGB = 0, 1, 2  # TIFF 6.0, tag 262
_TOGETHER = 1  # tag 284: the bands of a pixel lie side by side
_ALPHA = (1, 2)  # tag 338
_READ_BYTES = 1 << 24

Region = tuple[int, int, NDArray[Any]]  # top, left, (h, w, bands)


class TiffRegions:
    """The first image of a TIFF, one region at a time, so that memory does not grow with its size.

    Args:
        stream: the open file.

    Attributes:
        size: width and height.
    """

    def __init__(self, stream: BinaryIO) -> None:
        import tifffile

        stream.seek(0)
        self._stream = stream
        page: Any = tifffile.TiffFile(stream).pages[0]
        self._page = page
        self.size = (int(page.imagewidth), int(page.imagelength))

    @classmethod
    def of(cls, stream: BinaryIO, refused: Exception) -> TiffRegions:
        """Open what was too large to be decoded at once.

        Raises:
            UnusablePhotoError: for another format, or a TIFF that cannot be read by region.
        """
        if not is_tiff(stream):
            raise UnusablePhotoError(f"{refused}; save it as a tiled TIFF, which is read by region") from refused
        regions = cls(stream)
        page = regions._page
        side = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, page.rowsperstrip)
        if page.photometric not in (_GREY_INVERTED, _GREY, _RGB) or page.planarconfig != _TOGETHER:
            raise UnusablePhotoError(f"{refused}; save it as a tiled TIFF of grey or RGB, which is read by region")
        if side[0] * side[1] > REGION_LIMIT_PIXELS and not page.is_memmappable:
            raise UnusablePhotoError(f"{refused}, and so are its strips; save it as a tiled TIFF") from refused
        return regions

    def read(self, out: NDArray[np.int32]) -> None:
        """Fill (H, W) texels, in memory or memory-mapped."""
        full = None
        if self._page.dtype != np.uint8:  # one white for all regions: look at all of them first
            full = max(full_value(pixels.astype(np.float64), pixels.dtype) for _, _, pixels in self._regions())
        out[:] = -1  # regions that a sparse file leaves out are white
        seen = False
        for top, left, pixels in self._regions():
            colours, visible = self._colours(pixels, full)
            seen = seen or visible
            into = out[top : top + len(colours), left : left + colours.shape[1]]
            into[:] = pack(colours)[: into.shape[0], : into.shape[1]]
        if not seen:
            raise UnusablePhotoError("it is transparent throughout")

    def _colours(self, pixels: NDArray[Any], full: float | None) -> tuple[NDArray[np.uint8], bool]:
        """Red, green, blue on white, and whether any of it can be seen."""
        alpha = None
        if self._page.extrasamples and self._page.extrasamples[0] in _ALPHA:
            colours = self._page.samplesperpixel - len(self._page.extrasamples)
            alpha = to_bytes(pixels[:, :, colours : colours + 1], full)
            pixels = pixels[:, :, :colours]
        found = to_bytes(pixels, full)
        if self._page.photometric == _GREY_INVERTED:
            found = 255 - found
        if alpha is None:
            return found, True
        mixed = found.astype(np.uint32) * alpha + 255 * (255 - alpha.astype(np.uint32))
        return ((mixed + 127) // 255).astype(np.uint8), bool(alpha.any())

    def _regions(self) -> Iterator[Region]:
        page = self._page
        if page.is_memmappable:
            shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
            dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
            mapped: NDArray[Any] = np.memmap(self._stream, dtype, "r", page.dataoffsets[0], shape)
            step = max(1, (1 << 22) // shape[1])
            for top in range(0, shape[0], step):
                yield top, 0, np.asarray(mapped[top : top + step]).astype(page.dtype)
            return
        for pixels, place, shape in page.segments(sort=True, maxworkers=1, buffersize=_READ_BYTES):
            if pixels is not None:
                yield int(place[-3]), int(place[-2]), pixels[0, : shape[-3], : shape[-2]]
