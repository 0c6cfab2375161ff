"""One photo, or a few, as a data set of any size: patches that are rendered when they are asked for.

Patch i is a function of (the photos, the options, the seed, i) alone: it needs no file, and is the same whatever
batch, process or run asks for it. It is cut from photo i mod N of the N chosen ones.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.data.canvases import Canvases
from undercoat.data.listing import Listing
from undercoat.data.patch_settings import PatchSettings
from undercoat.data.photos import Photos, load_photos
from undercoat.data.virtual import EveryRow, NumberedNames, alike
from undercoat.errors import DataError, SpecError
from undercoat.functional.draws import Draws, permutation
from undercoat.functional.patch_rendering import render_patches
from undercoat.functional.patches import PatchColours, PatchLaw, PatchPlaces, draw_colours, draw_places
from undercoat.functional.texels import PatchTable, patch_table
from undercoat.spec import digest

__all__ = ["LAW_VERSION", "PatchBatch", "PatchImages", "patch_canvases"]

LAW_VERSION = 1
"""Part of every digest; a change of what is drawn or rendered makes other data."""
DEFAULT_SIZE_PX = 64
_MEASURED, _MEASURED_PX = 256, 64
_NOISE_PERIOD = 1 << 20


class PatchImages:
    """N patches as an array (N, S, S, 3) uint8 that is rendered where it is read.

    Args:
        photos: the sources.
        law: of places and colours.
        count: N.
        size_px: S.
        seed: of everything random.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, photos: Photos, law: PatchLaw, *, count: int, size_px: int, seed: int) -> None:
        self.photos, self.law, self.count, self.size_px, self.seed = photos, law, count, size_px, seed
        self._on: dict[str, tuple[Tensor, Tensor | None]] = {}

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, S, S, 3)."""
        return self.count, self.size_px, self.size_px, 3

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        rows = EveryRow(self.count)[index]
        pixels: NDArray[np.uint8] = self.deferred(np.atleast_1d(rows)).to("cpu").numpy()
        return pixels if rows.ndim else pixels[0]

    def drawn(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], PatchPlaces, PatchColours]:
        """Which photo each patch is from, where in it, and what happens to its colours."""
        photo = rows % len(self.photos)
        draws = Draws(seed=self.seed, epoch=np.zeros_like(rows), index=rows)
        sizes = self.photos.sizes[photo]
        return photo, draw_places(self.law, draws, sizes[:, 0], sizes[:, 1]), draw_colours(self.law, draws)

    def deferred(self, rows: NDArray[np.int64]) -> PatchBatch:
        """Everything but the pixels of some patches, to be rendered on a device of choice."""
        photo, places, colours = self.drawn(rows)
        return PatchBatch(self, patch_table(places, colours, self.photos.levels, photo, size_px=self.size_px))

    def render(self, table: PatchTable, device: torch.device) -> Tensor:
        """(B, S, S, 3) uint8 on a device; the photos are copied there once."""
        key = str(device)
        if key not in self._on:
            noise = _noise(self.law.noise_std, 3 * self.size_px**2) if self.law.noise_std else None
            self._on[key] = (self.photos.texels.to(device), None if noise is None else noise.to(device))
        texels, noise = self._on[key]
        return render_patches(texels, table.to(device), size_px=self.size_px, noise=noise)


class PatchBatch:
    """Patches of one batch before they have pixels; ``to`` renders them on the device."""

    def __init__(self, images: PatchImages, table: PatchTable) -> None:
        self.images, self.table = images, table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, part: slice) -> PatchBatch:
        return PatchBatch(self.images, self.table[part])

    @torch.no_grad()
    def to(self, device: torch.device | str, non_blocking: bool = False) -> Tensor:
        """(B, S, S, 3) uint8 on the device."""
        return self.images.render(self.table, torch.device(device))


@lru_cache(maxsize=4)
def _noise(std: float, patch: int) -> Tensor:
    """A table of Gaussian noise in levels of 0..255, of which each patch reads a stretch."""
    rows = -(-(_NOISE_PERIOD + patch) // 1024)
    draws = Draws(seed=0, epoch=np.zeros(rows, np.int64), index=np.arange(rows))
    return torch.from_numpy((255.0 * std * draws.normal("patch noise table", 1024)).astype(np.float32).ravel())


def patch_canvases(
    spec: str,
    listing: Listing,
    settings: PatchSettings,
    *,
    cache: Path,
    size_px: int | None = None,
    progress: bool = False,
) -> Canvases:
    """The patches of a listing's images as canvases.

    Args:
        spec: as it was written.
        listing: the source images.
        settings: what was asked for.
        cache: folder in which photos that do not fit in memory are kept.
        size_px: side that a caller asks for; None leaves it to the settings.
        progress: show a bar while photos are decoded.

    Raises:
        SpecError: for two different sizes.
        DataError: when no image can be used, or all are too small for the smallest crop.
    """
    law, size = settings.law(), _size_px(spec, settings, size_px)
    photos = load_photos(listing, _chosen(listing, settings), cache=cache, progress=progress)
    _refuse_small(spec, photos, law)
    images = PatchImages(photos, law, count=settings.n, size_px=size, seed=settings.seed)
    mean, std = _statistics(images)
    about = {"version": LAW_VERSION, "photos": photos.digest, "law": _values(law)}
    about |= {"n": settings.n, "size": size, "seed": settings.seed}
    count = settings.n
    return Canvases(
        name=spec,
        digest=f"{photos.digest[:8]}{digest(about)}",
        images=images,  # type: ignore[arg-type]  # it is read like an array
        low=0.0,
        high=255.0,
        mean=mean,
        std=std,
        aspect=alike(1.0, count, np.float32),
        keys=NumberedNames(EveryRow(count)),
        classes=(),
        labels=None,
        splits=alike("", count, "<U5"),
        groups=alike("", count, "<U1"),
        rows=EveryRow(count),  # type: ignore[arg-type]
        skipped=tuple(sorted(listing.skipped + photos.skipped)),
        folder=cache,
        notes=(*listing.notes, _note(photos, settings)),
    )


def _size_px(spec: str, settings: PatchSettings, asked: int | None) -> int:
    if asked is not None and settings.size is not None and asked != settings.size:
        raise SpecError(f"'{spec}' makes patches of {settings.size} pixels, and {asked} are asked for; give one size")
    return asked or settings.size or DEFAULT_SIZE_PX


def _chosen(listing: Listing, settings: PatchSettings) -> list[int]:
    """Positions of the source images: those of the split (by default all but test), then the first of a shuffle."""
    splits = np.asarray(listing.splits)
    if settings.split:
        kept = np.flatnonzero(np.isin(splits, settings.split.split(",")))
    else:
        kept = np.flatnonzero(splits != "test")
    if not len(kept):
        raise DataError(
            f"{listing.name} has no image in split {settings.split or 'train or val'!r}; choose another split="
        )
    if settings.images is None:
        return [int(position) for position in kept]
    if settings.images > len(kept):
        raise DataError(f"{listing.name} has {len(kept):,} images, not {settings.images:,}; lower images=")
    order = permutation(len(kept), seed=settings.seed, epoch=0, purpose="patches: source images")
    return [int(position) for position in kept[order[: settings.images]]]


def _refuse_small(spec: str, photos: Photos, law: PatchLaw) -> None:
    """A crop of less than a pixel shows nothing."""
    if law.scale is None:
        return
    sides = photos.sizes.astype(np.float64)
    if law.initial_crop is not None:
        sides = np.repeat(np.floor(law.initial_crop * sides.min(axis=1, keepdims=True)), 2, axis=1)
    flattest = min(law.ratio[0], 1.0 / law.ratio[1])
    least = np.sqrt(law.scale[0] * sides.prod(axis=1) * flattest)
    worst = int(np.argmin(least))
    if least[worst] < 1.0:
        width, height = photos.sizes[worst]
        raise DataError(
            f"the smallest crop of {photos.keys[worst]} ({width} × {height}) in '{spec}' would be {least[worst]:.2f} "
            "pixels high; give a larger photo, or a larger scale="
        )


def _statistics(images: PatchImages) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel in 0..1, over patches spread evenly over the set."""
    small = PatchImages(
        images.photos, images.law, count=images.count, size_px=min(images.size_px, _MEASURED_PX), seed=images.seed
    )
    rows = np.unique(np.linspace(0, images.count - 1, _MEASURED).astype(np.int64))
    values = small[rows].reshape(-1, 3).astype(np.float64) / 255.0
    return tuple(values.mean(axis=0).tolist()), tuple(values.std(axis=0).tolist())


def _values(law: PatchLaw) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(law).items()}


def _note(photos: Photos, settings: PatchSettings) -> str:
    number = f"{len(photos):,} photos" if len(photos) > 1 else f"one photo ({photos.keys[0]})"
    return f"{settings.n:,} patches of {number}, preset {settings.preset}, rendered when they are read"
