"""A layer's maps as cells of unit length on a regular grid, so that a window's score is one convolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from undercoat.backbones import Backbone
from undercoat.errors import RunError, SpecError

__all__ = ["DenseMaps"]

_BATCH = 32
_PROBE_PX = 64  # two sizes this far apart tell a layer's stride


class DenseMaps:
    """Pictures → maps of a layer, each channel standardised and each cell of length 1.

    Cells of one length make every window of a template's size equally long, so that a linear score compares windows by
    direction alone, as normalised histograms of gradients do in the papers.

    Args:
        backbone: frozen by the caller.
        layer: one that gives maps.
        device: where it runs.
        size_px: of the pictures, for the probe of the stride.

    Attributes:
        stride: pixels from one cell to the next.

    Raises:
        SpecError: for an unknown layer, or one that gives a single cell.
        RunError: when the layer's numbers are not finite, then and later.
    """

    def __init__(self, backbone: Backbone, layer: str, *, device: torch.device, size_px: int) -> None:
        self.backbone, self.layer, self.device = backbone, layer, device
        self.mean: Tensor | None = None
        self.std: Tensor | None = None
        cells = [self._raw(torch.zeros(1, 3, side, side)).shape[-1] for side in (size_px, size_px + _PROBE_PX)]
        if cells[1] <= cells[0]:
            raise SpecError(f"layer {layer!r} has no places at {size_px} px; take an earlier one, or a larger size_px")
        self.stride = max(1, round(_PROBE_PX / (cells[1] - cells[0])))

    def _raw(self, pictures: Tensor) -> Tensor:
        shown = pictures.to(self.device)
        if self.backbone.channels == 1 and shown.shape[1] == 3:
            shown = shown.mean(dim=1, keepdim=True)
        with torch.no_grad():
            found = self.backbone.maps(shown, [self.layer])[self.layer].float().cpu()
        if not bool(found.isfinite().all()):
            label = self.backbone.name or "this network"
            raise RunError(f"layer {self.layer!r} of {label} gives numbers that are not finite; look at its loss")
        return found

    def fit(self, pictures: list[Tensor]) -> None:
        """Take the channels' mean and deviation from pictures (C, H, W); labels play no part."""
        cells = torch.cat([maps.flatten(1) for maps in self._raw_many(pictures)], dim=1)
        self.mean = cells.mean(dim=1)[:, None, None]
        self.std = cells.std(dim=1).clamp(min=1e-6)[:, None, None]

    def __call__(self, picture: Tensor) -> Tensor:
        """Maps (c, h, w) of one picture (C, H, W); each cell has length 1, or 0 where nothing differs from the mean."""
        return self.many([picture])[0]

    def many(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        """Maps of several pictures, which need not be of one size; those that are go through the network together."""
        return [normalize(self._standardised(maps), dim=0) for maps in self._raw_many(pictures)]

    def _standardised(self, maps: Tensor) -> Tensor:
        return maps if self.mean is None or self.std is None else (maps - self.mean) / self.std

    def _raw_many(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for position, picture in enumerate(pictures):
            by_shape.setdefault(tuple(picture.shape), []).append(position)
        found: dict[int, Tensor] = {}
        for positions in by_shape.values():
            for start in range(0, len(positions), _BATCH):
                part = positions[start : start + _BATCH]
                found.update(zip(part, self._raw(torch.stack([pictures[i] for i in part])), strict=True))
        return [found[position] for position in range(len(pictures))]
