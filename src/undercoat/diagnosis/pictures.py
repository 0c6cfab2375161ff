"""Single pictures from files, within the limits that data sets have, in their true proportions."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from undercoat.data.canvases import Canvases
from undercoat.data.decode import CanvasFormat, decode
from undercoat.data.headers import guarded, peek
from undercoat.data.survey import FILE_LIMIT_BYTES, reason_of
from undercoat.errors import DataError, SpecError

__all__ = ["open_picture", "picture_of", "resized"]

_SIZES_PX = (8, 4096)


def open_picture(path: Path | str, *, size_px: int | None, channels: int = 3) -> Tensor:
    """Read a picture, its longer side ``size_px`` long: (C, H, W) in 0..1, upright, what is transparent on white.

    Args:
        path: of a JPEG, PNG, WebP, TIFF, BMP, GIF or PPM.
        size_px: of the longer side, 8 … 4096; None keeps the picture's own size, up to 4096.
        channels: 3, or 1 for grey.

    Raises:
        SpecError: for a size out of range.
        DataError: when the file is missing, too large, no picture, or damaged.
    """
    if size_px is not None and not _SIZES_PX[0] <= size_px <= _SIZES_PX[1]:
        raise SpecError(f"a picture of {size_px} pixels is out of range; give {_SIZES_PX[0]} to {_SIZES_PX[1]}")
    file = Path(path)
    if not file.is_file():
        raise DataError(f"there is no picture {str(path)!r}; give the path of a JPEG, PNG, WebP, TIFF or BMP file")
    if file.stat().st_size > FILE_LIMIT_BYTES:
        raise DataError(f"{str(path)!r} has {file.stat().st_size:,} bytes, too many for one picture; make it smaller")
    try:
        with guarded():
            data = file.read_bytes()
            if size_px is None:
                header = peek(io.BytesIO(data))
                size_px = min(max(header.width, header.height), _SIZES_PX[1])
            found = decode(data, CanvasFormat(size_px, 3, "float32"))
    except Exception as error:  # decoders raise anything on damaged bytes
        raise DataError(f"{str(path)!r} cannot be read as a picture ({reason_of(error)}); give another one") from error
    canvas = torch.from_numpy(np.ascontiguousarray(found.pixels)).float().permute(2, 0, 1)[:3]
    canvas = canvas if len(canvas) == 3 else canvas[:1].expand(3, -1, -1)
    longer = max(found.width, found.height)
    shape = (max(1, round(size_px * found.height / longer)), max(1, round(size_px * found.width / longer)))
    picture = resized(canvas.clamp(0, 1), shape)
    return picture.mean(dim=0, keepdim=True) if channels == 1 else picture


def resized(picture: Tensor, shape: tuple[int, int]) -> Tensor:
    """Resize (C, H, W) to another height and width, antialiased, staying in 0..1."""
    if tuple(picture.shape[-2:]) == shape:
        return picture
    larger = interpolate(picture[None], size=shape, mode="bicubic", antialias=True, align_corners=False)
    return larger[0].clamp(0, 1)


def picture_of(canvases: Canvases, position: int, *, size_px: int) -> Tensor:
    """Bring one image of a data set back to its true proportions: (C, H, W) in 0..1, the longer side ``size_px``."""
    raw = torch.from_numpy(canvases.batch(np.array([position]))[0].astype(np.float32)).permute(2, 0, 1)
    aspect = float(canvases.aspect[position])
    shape = (max(1, round(size_px * min(1.0, 1 / aspect))), max(1, round(size_px * min(1.0, aspect))))
    return resized(((raw - canvases.low) / (canvases.high - canvases.low)).clamp(0, 1), shape)
