"""From drawn patches to a table of small numbers, with which any device can render them.

All photos and all their halvings lie in one flat array of texels (red, green, blue and a spare byte in 32 bits), so a
batch takes the same few operations whatever photos and levels it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.functional.colour import colour_matrix
from undercoat.functional.patches import PatchColours, PatchPlaces

__all__ = ["Levels", "PatchTable", "patch_table"]

FINER_BY = 0.25
"""Of an octave: how much finer than a patch's pixels its level's texels are, on average."""


@dataclass(frozen=True)
class Levels:
    """Where the levels of P photos lie in the flat array; level k has ⌈side / 2^k⌉ pixels a side.

    Attributes:
        start: (P, L) int64 first texel of each level; the last levels of small photos repeat.
        width: (P, L) int64 pixels.
        height: (P, L) int64 pixels.
        count: (P,) int64 levels of each photo.
    """

    start: NDArray[np.int64]
    width: NDArray[np.int64]
    height: NDArray[np.int64]
    count: NDArray[np.int64]


@dataclass(frozen=True)
class PatchTable:
    """Everything that rendering B patches needs, on the host or on a device.

    Attributes:
        base: (B,) int64 texel nearest to each patch's centre.
        row: (B,) int64 texels from one row of its level to the next.
        map: (B, 6) float32: x and y, in texels from ``base``, of pixel (i, j): first x for i = j = 0, its step along
            i and along j, then the same of y.
        room: (B, 4) float32: least and greatest x and y, in texels from ``base``; the greatest lies a hair before the
            last texel, so that there is always one beyond.
        turned: (B, 6) float32 like ``map``, in uncropped squares from the centre; None where nothing is black.
        colour: (B, 3, 3) float32, to be multiplied with columns of red, green, blue.
        share: (B, 3) float32, how much of the mean grey contrast adds to red, green and blue.
        noise: (B,) float32, as ``PatchColours.noise``; None for no noise.
    """

    base: Tensor
    row: Tensor
    map: Tensor
    room: Tensor
    turned: Tensor | None
    colour: Tensor
    share: Tensor
    noise: Tensor | None

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, part: slice) -> PatchTable:
        return self._each(lambda value: value[part])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> PatchTable:
        """The same on a device."""
        return self._each(lambda value: value.to(device, non_blocking=non_blocking))

    def _each(self, change: Callable[[Tensor], Tensor]) -> PatchTable:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {name: None if value is None else change(value) for name, value in values.items()}
        return PatchTable(**changed)


def patch_table(
    places: PatchPlaces, colours: PatchColours, levels: Levels, photo: NDArray[np.int64], *, size_px: int
) -> PatchTable:
    """Choose each patch's level and express its maps in that level's texels.

    A pixel of a patch is 0.84 to 1.68 texels of its level wide: of the levels at hand the one that comes nearest to
    resizing with an antialiased triangle filter. Where no level is fine enough, texels are enlarged.

    Args:
        places: of B patches.
        colours: of B patches.
        levels: of P photos.
        photo: (B,) which photo each patch is from.
        size_px: S, side of the patches.
    """
    footprint = np.sqrt(np.abs(np.linalg.det(places.matrix))) / size_px
    finer = np.rint(np.log2(np.maximum(footprint, 1e-12)) - FINER_BY).astype(np.int64)
    level = np.clip(finer, 0, levels.count[photo] - 1)
    shrink = 0.5**level
    sides = np.stack([levels.width[photo, level], levels.height[photo, level]], axis=1)
    centre = places.centre * shrink[:, None] - 0.5  # texel k has its middle at k
    nearest = np.clip(np.floor(centre).astype(np.int64), 0, sides - 1)
    row = sides[:, 0]
    colour, share = _colour(colours)
    last = np.float32(sides - 1 - nearest)
    last -= np.maximum(np.abs(last), 1e-3) * np.float32(2**-22)
    room = np.concatenate([-nearest, last], axis=1)[:, [0, 2, 1, 3]]
    return PatchTable(
        base=torch.from_numpy(levels.start[photo, level] + nearest[:, 1] * row + nearest[:, 0]),
        row=torch.from_numpy(row),
        map=_affine(places.matrix * shrink[:, None, None], centre - nearest, size_px),
        room=_float(room),
        turned=None if places.turned is None else _affine(places.turned, np.zeros_like(centre), size_px),
        colour=colour,
        share=share,
        noise=None if colours.noise is None else _float(colours.noise),
    )


def _float(values: NDArray[np.floating] | NDArray[np.integer]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _affine(matrix: NDArray[np.float64], centre: NDArray[np.float64], size_px: int) -> Tensor:
    step = matrix / size_px
    first = centre - step.sum(axis=2) * ((size_px - 1) / 2.0)
    rows = [first[:, 0], step[:, 0, 0], step[:, 0, 1], first[:, 1], step[:, 1, 0], step[:, 1, 1]]
    return _float(np.stack(rows, axis=1))


def _colour(colours: PatchColours) -> tuple[Tensor, Tensor]:
    """(B, 3, 3) and (B, 3): the colour map, and what it makes of the mean grey."""
    exact = {name: torch.from_numpy(getattr(colours, name)) for name in ("brightness", "contrast", "saturation", "hue")}
    gain = exact["brightness"] * exact["contrast"]
    matrix = colour_matrix(gain, exact["saturation"], exact["hue"], torch.zeros_like(gain))
    share = (exact["brightness"] - gain)[:, None].expand(-1, 3)
    if colours.linear is not None:
        linear = torch.from_numpy(colours.linear)
        matrix, share = linear @ matrix, share * linear.sum(2)
    return matrix.float(), share.float().contiguous()
