"""The law of random patches of a photo: where each one lies, and what happens to its colours.

A patch is one affine map from its own pixels to the photo's, with rotation, shear, crop and flip composed, and one
linear map of its colours. Both are functions of (seed, number of the patch) and of the photo's size alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from undercoat.functional.draws import Draws

__all__ = ["PATCH_TRIES", "PatchColours", "PatchLaw", "PatchPlaces", "draw_colours", "draw_places"]

PATCH_TRIES = 24
"""How often a crop is drawn again until it fits; after that the first one is shrunk until it does."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PatchLaw:
    """Every parameter of the law; the defaults change nothing: the photo's centre square, the same every time.

    Attributes:
        initial_crop: side of a square, as a share of the photo's shorter side, that is drawn first and that the crop
            then stays in; None for the whole photo.
        scale: lowest and highest share of the area (of the photo, or of the initial crop) that a crop covers, drawn
            uniformly; None for no crop, which is the largest centred square.
        ratio: lowest and highest width / height of a crop in the photo's pixels, its logarithm drawn uniformly.
        rotation: largest angle in degrees, to either side, drawn uniformly.
        shear: largest angle in degrees, to either side, drawn uniformly.
        turn: "before": the photo is turned, and then cropped where it still shows, so no border is ever seen;
            "after": the crop is turned within a margin of √2, and what lies beyond the crop is black.
        flip: how often left and right change places.
        vertical_flip: how often top and bottom change places.
        jitter: how often brightness, contrast, saturation and hue change together.
        brightness: largest change; factors are uniform in 1 ± this, never below 0.
        contrast: largest change of contrast about the patch's mean grey.
        saturation: largest change of saturation.
        hue: largest turn of the colour circle as a fraction of it.
        linear: largest entry of a random matrix that is added to the identity and applied to red, green, blue.
        noise_std: standard deviation of Gaussian noise on every value, in 0..1.
    """

    initial_crop: float | None = None
    scale: tuple[float, float] | None = None
    ratio: tuple[float, float] = (1.0, 1.0)
    rotation: float = 0.0
    shear: float = 0.0
    turn: Literal["before", "after"] = "before"
    flip: float = 0.0
    vertical_flip: float = 0.0
    jitter: float = 0.0
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    linear: float = 0.0
    noise_std: float = 0.0


@dataclass(frozen=True)
class PatchPlaces:
    """Where B patches lie in their photos.

    Attributes:
        matrix: (B, 2, 2) from patch coordinates (u to the right, v down, −½ … ½) to the photo's pixels (x, y).
        centre: (B, 2) x and y of the patch's centre in the photo, in pixels from its left and upper edge.
        turned: (B, 2, 2) from patch coordinates to the uncropped square's, ±½ within the crop; None where a patch
            cannot reach beyond its crop.
    """

    matrix: Numbers
    centre: Numbers
    turned: Numbers | None = None

    def corners(self) -> Numbers:
        """(B, 4, 2) x and y of the corners in the photo, clockwise from the patch's upper left."""
        unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        corners: Numbers = self.centre[:, None] + np.einsum("bij,kj->bki", self.matrix, unit)
        return corners


@dataclass(frozen=True)
class PatchColours:
    """What happens to the colours of B patches: factors that are 1 and turns that are 0 change nothing.

    Attributes:
        brightness: (B,) factor.
        contrast: (B,) factor about the patch's mean grey.
        saturation: (B,) factor about each pixel's grey.
        hue: (B,) fraction of the colour circle.
        linear: (B, 3, 3) matrix that comes last; None for the identity.
        noise: (B,) where in the table of noise each patch begins to read, in [0, 1); None for no noise.
    """

    brightness: Numbers
    contrast: Numbers
    saturation: Numbers
    hue: Numbers
    linear: Numbers | None = None
    noise: Numbers | None = None


def draw_places(law: PatchLaw, draws: Draws, width: NDArray[np.integer], height: NDArray[np.integer]) -> PatchPlaces:
    """Draw where patches lie.

    A crop of area share a and ratio r is drawn up to :data:`PATCH_TRIES` times until it fits, turned and sheared by
    the patch's angles, between the edges; its place is uniform among those at which it does.

    Args:
        law: the parameters.
        draws: the source of random numbers for these B patches.
        width: (B,) of each patch's photo, in pixels.
        height: (B,) of each patch's photo, in pixels.

    Example:
        >>> one = Draws(seed=0, epoch=np.array([0]), index=np.array([7]))
        >>> places = draw_places(PatchLaw(), one, np.array([60]), np.array([40]))
        >>> places.centre.tolist(), places.corners()[0, 0].tolist()
        ([[30.0, 20.0]], [10.0, 0.0])
    """
    corner, area = _initial(law, draws, np.stack([width, height], axis=1).astype(np.float64))
    turn = _turns(law, draws)
    sides, place = _crops(law, draws, area, np.abs(turn) if law.turn == "before" else np.eye(2)[None])
    reach = _reach(np.abs(turn) if law.turn == "before" else np.eye(2)[None], sides)
    centre = corner + reach / 2.0 + place * np.maximum(area - reach, 0.0)
    flips = draws.uniform("patch flip", 2) < [law.flip, law.vertical_flip]
    mirror = np.where(flips, -1.0, 1.0)[:, None, :]  # columns of a map are what its inputs do
    if law.turn == "before":
        return PatchPlaces(turn * sides[:, None, :] * mirror, centre)
    turned = turn / sqrt(2.0) * mirror
    return PatchPlaces(sides[:, :, None] * turned, centre, turned if law.rotation or law.shear else None)


def _initial(law: PatchLaw, draws: Draws, whole: Numbers) -> tuple[Numbers, Numbers]:
    """Upper left corner and sides of the part of the photo that crops stay in, both (B, 2)."""
    if law.initial_crop is None:
        return np.zeros_like(whole), whole
    side = np.maximum(np.floor(law.initial_crop * whole.min(axis=1, keepdims=True)), 1.0)
    corner = np.floor(draws.uniform("patch initial crop", 2) * (whole - side + 1.0))
    return corner, np.repeat(side, 2, axis=1)


def _turns(law: PatchLaw, draws: Draws) -> Numbers:
    """(B, 2, 2) shear · rotation; angles are clockwise from the patch to the photo."""
    drawn = np.deg2rad((2.0 * draws.uniform("patch turn", 2) - 1.0) * [law.rotation, law.shear])
    cosine, sine, slant = np.cos(drawn[:, 0]), np.sin(drawn[:, 0]), np.tan(drawn[:, 1])
    turns: Numbers = np.stack([cosine + slant * sine, slant * cosine - sine, sine, cosine], axis=1).reshape(-1, 2, 2)
    return turns


def _reach(turn: Numbers, sides: Numbers) -> Numbers:
    """Width and height of the upright box around a turned rectangle; shapes (…, 2)."""
    width = turn[:, 0, 0] * sides[..., 0].T + turn[:, 0, 1] * sides[..., 1].T
    height = turn[:, 1, 0] * sides[..., 0].T + turn[:, 1, 1] * sides[..., 1].T
    return np.stack([width.T, height.T], axis=-1)


def _crops(law: PatchLaw, draws: Draws, area: Numbers, turn: Numbers) -> tuple[Numbers, Numbers]:
    """Width and height of each crop, and its place as two shares of the free room: both (B, 2)."""
    count = len(area)
    if law.scale is None:
        square = np.repeat(area.min(axis=1, keepdims=True), 2, axis=1)
        return _shrunk(square, area, turn), np.full((count, 2), 0.5)
    uniform = draws.uniform("patch crop", 2 * PATCH_TRIES + 2)
    share = law.scale[0] + (law.scale[1] - law.scale[0]) * uniform[:, :PATCH_TRIES]
    ratio = np.exp(log(law.ratio[0]) + log(law.ratio[1] / law.ratio[0]) * uniform[:, PATCH_TRIES:-2])
    covered = share * area.prod(axis=1, keepdims=True)
    tries = np.stack([np.sqrt(covered * ratio), np.sqrt(covered / ratio)], axis=2)  # (B, tries, 2)
    fits = (_reach(turn, tries) <= area[:, None] * (1.0 + 1e-9)).all(axis=2)
    chosen = tries[np.arange(count), np.argmax(fits, axis=1)]
    return _shrunk(chosen, area, turn), uniform[:, -2:]


def _shrunk(sides: Numbers, area: Numbers, turn: Numbers) -> Numbers:
    """Rectangles that reach beyond the area made smaller, in proportion, until they fit."""
    share: Numbers = np.minimum((area / _reach(turn, sides)).min(axis=1, keepdims=True), 1.0)
    return sides * share


def draw_colours(law: PatchLaw, draws: Draws) -> PatchColours:
    """Draw what happens to the colours of patches.

    Example:
        >>> one = Draws(seed=0, epoch=np.array([0]), index=np.array([7]))
        >>> draw_colours(PatchLaw(), one).contrast.tolist()
        [1.0]
    """
    uniform = draws.uniform("patch colour", 5)
    jittered = uniform[:, 0] < law.jitter

    def factor(column: int, strength: float) -> Numbers:
        low = max(0.0, 1.0 - strength)
        return np.where(jittered, low + (1.0 + strength - low) * uniform[:, column], 1.0)

    linear = None
    if law.linear:
        linear = np.eye(3) + law.linear * (2.0 * draws.uniform("patch linear", 9).reshape(-1, 3, 3) - 1.0)
    return PatchColours(
        brightness=factor(1, law.brightness),
        contrast=factor(2, law.contrast),
        saturation=factor(3, law.saturation),
        hue=np.where(jittered, law.hue * (2.0 * uniform[:, 4] - 1.0), 0.0),
        linear=linear,
        noise=draws.uniform("patch noise", 1)[:, 0] if law.noise_std else None,
    )
