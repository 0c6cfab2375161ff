"""The one example: a crop with its surroundings, and small changes of it that stay the same thing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

from undercoat.diagnosis.dense_maps import DenseMaps
from undercoat.diagnosis.pictures import open_picture, resized
from undercoat.errors import DataError, SpecError

__all__ = ["Box", "Example", "open_example", "parse_box"]

_MARGIN_CELLS = 4  # seen around the crop, so that the network's padding stays outside it


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, from its upper left corner."""

    left: float
    top: float
    width: float
    height: float

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0..1.

        Example:
            >>> Box(0, 0, 2, 2).overlap(Box(1, 0, 2, 2)) == 1 / 3
            True
        """
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        inside = max(across, 0) * max(down, 0)
        return inside / (self.width * self.height + other.width * other.height - inside)


def parse_box(text: str) -> Box:
    """Read ``left,top,width,height``.

    Raises:
        SpecError: when it is not four numbers, or a side is not above 0.

    Example:
        >>> parse_box("10,20,30,40")
        Box(left=10.0, top=20.0, width=30.0, height=40.0)
    """
    try:
        left, top, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise SpecError(f"box {text!r} is not left,top,width,height in pixels; give four numbers") from None
    if not (width > 0 and height > 0):
        raise SpecError(f"box {text!r} has no area; give a width and height above 0")
    return Box(left, top, width, height)


@dataclass(frozen=True)
class Example:
    """A picture at the scale of the data, and where in it the example is."""

    picture: Tensor
    box: Box

    @property
    def crop(self) -> Tensor:
        """The example alone, (C, h, w)."""
        top, left = round(self.box.top), round(self.box.left)
        return self.picture[:, top : top + round(self.box.height), left : left + round(self.box.width)]

    def cells(self, stride: int) -> tuple[int, int]:
        """Rows and columns of cells that the example fills.

        Raises:
            DataError: when it is smaller than one cell.
        """
        rows, columns = round(self.box.height / stride), round(self.box.width / stride)
        if min(self.box.height, self.box.width) < stride:
            raise DataError(
                f"the example is {self.box.width:.0f} × {self.box.height:.0f} pixels at the data's scale, smaller than "
                f"one cell of the layer ({stride} pixels); take an earlier layer, a larger size_px or a larger crop"
            )
        return max(1, rows), max(1, columns)

    def windows(self, maps: DenseMaps, *, flips: bool) -> Tensor:
        """Maps (P, c, rows, columns) of the example, of half a cell's shift each way, and of their mirror images."""
        step = max(1, maps.stride // 2)
        shifts = [(0, 0)] + [(y, x) for y in (-step, 0, step) for x in (-step, 0, step) if (y, x) != (0, 0)]
        views = [self._window(maps, y, x, flip) for flip in ((False, True) if flips else (False,)) for y, x in shifts]
        return torch.stack(views)

    def _window(self, maps: DenseMaps, down: int, across: int, flip: bool) -> Tensor:
        rows, columns = self.cells(maps.stride)
        margin = _MARGIN_CELLS * maps.stride
        height, width = rows * maps.stride + 2 * margin, columns * maps.stride + 2 * margin
        reach = margin + maps.stride
        bordered = pad(self.picture[None], (reach, reach + width, reach, reach + height), mode="replicate")[0]
        top, left = round(self.box.top) + reach - margin + down, round(self.box.left) + reach - margin + across
        seen = bordered[:, top : top + height, left : left + width]
        seen = seen.flip(2) if flip else seen
        return maps(seen)[:, _MARGIN_CELLS : _MARGIN_CELLS + rows, _MARGIN_CELLS : _MARGIN_CELLS + columns]


def open_example(
    path: Path | str, *, box: str | None, scale: float, size_px: int, example_px: int | None, channels: int
) -> Example:
    """Read the example and bring it to the scale at which the data's images are seen.

    Args:
        path: of a crop, or with ``box`` of a whole picture.
        box: ``left,top,width,height`` in the picture's own pixels.
        scale: seen pixels for one pixel of the data's originals, which holds for a crop too.
        size_px: longer side of the data's images as they are seen, and so of a whole picture.
        example_px: longer side of a crop as it is seen; None trusts ``scale``.
        channels: of the data, 3 or 1.

    Raises:
        SpecError: for a box that is none or lies outside the picture, or an ``example_px`` that is below 1 or comes
            with a box.
        DataError: when the file cannot be read, or the example is larger than the data's images.
    """
    if example_px is not None and (example_px < 1 or box is not None):
        wrong = "below 1; give at least 1" if box is None else "of a crop; leave it out with box"
        raise SpecError(f"example_px {example_px} is {wrong}")
    whole = open_picture(path, size_px=None, channels=channels)
    height, width = whole.shape[-2:]
    given = Box(0, 0, width, height) if box is None else parse_box(box)
    if not (0 <= given.left <= width - given.width and 0 <= given.top <= height - given.height):
        raise SpecError(f"box {box} reaches outside {str(path)!r}, which is {width} × {height} pixels; move it inside")
    longer = max(height, width)
    target = size_px if box is not None else scale * longer if example_px is None else example_px
    factor = target / longer
    found = Box(*(value * factor for value in (given.left, given.top, given.width, given.height)))
    if max(found.width, found.height) > size_px:
        raise DataError(
            f"the example is {found.width:.0f} × {found.height:.0f} pixels where the data's images are {size_px} "
            "on their longer side; give example_px, or a smaller crop"
        )
    shape = (max(1, round(height * factor)), max(1, round(width * factor)))
    return Example(resized(whole, shape), found)
