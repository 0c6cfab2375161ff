"""The scattering transform (Bruna & Mallat 2013; Oyallon et al. 2017): features of images that nobody has to train.

Wavelets, modulus, wavelets, modulus, average: what an image has in each direction at each scale, and how that changes
in turn, with small shifts averaged out. It is computed here rather than by kymatio, whose 0.3.0 (2022) cannot be
imported beside SciPy 1.15 or later; a test holds the two equal. Angles are computed together, and the average is a
product with two small matrices, which is faster besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import cos, pi, prod, sin
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["ANGLES", "number_of_paths", "scattering"]

ANGLES = 8
#: of the filters: width of the envelope at scale 0 in px, its centre frequency, and how much longer than wide it is
_SIGMA, _CENTRE, _SLANT = 0.8, 0.75 * pi, 4 / ANGLES
#: complex numbers in one product, so that it stays in the processor's cache
_AT_ONCE = 300_000


def number_of_paths(scales: int, order: int = 2) -> int:
    """Channels for each channel of the image: 1 + 8 J, and 64 J (J − 1) / 2 more with the second order.

    Example:
        >>> number_of_paths(2), number_of_paths(3), number_of_paths(3, order=1)
        (81, 217, 25)
    """
    return 1 + ANGLES * scales + (ANGLES**2 * scales * (scales - 1) // 2 if order == 2 else 0)


def scattering(images: Tensor, *, scales: int) -> Tensor:
    """Images (B, C, H, W) → (B, C, paths, H / 2^J, W / 2^J), sizes rounded down.

    Paths are ordered by order, then by scale and angle of the first wavelet, then of the second. Images are reflected
    at their border. It is computed in float32 whatever the precision around it, and differentiable.

    Args:
        images: of at least 2^J pixels on each side.
        scales: J: the average is over 2^J pixels; 2 for images of 32 px, 3 for those of 224 (Oyallon et al. 2017).

    Raises:
        ValueError: for smaller images.

    Example:
        >>> scattering(torch.rand(4, 3, 32, 32), scales=2).shape
        torch.Size([4, 3, 81, 8, 8])
    """
    height, width = images.shape[-2:]
    if min(height, width) < 2**scales:
        raise ValueError(f"scattering over {scales} scales needs images of {2**scales} px or more")
    with torch.autocast(images.device.type, enabled=False):
        flat = images.float().reshape(-1, height, width)
        bank = _bank(height, width, scales, str(images.device))
        portion = max(1, _AT_ONCE // (ANGLES * prod(bank.padded)))
        parts = [_scatter(part, bank, scales) for part in torch.split(flat, portion)]
    return torch.cat(parts).reshape(*images.shape[:-2], *parts[0].shape[1:])


class _Bank(NamedTuple):
    """What images of one size are multiplied with.

    Attributes:
        padded: H, W with the reflected border.
        wavelets: by scale and by the scale whose grid they are on, real in the frequency domain: (angles, h, w);
            divided by how many parts of the spectrum are added up afterwards.
        averages: by the grid's scale, the matrices from left and right that average, subsample and cut off the border.
    """

    padded: tuple[int, int]
    wavelets: dict[tuple[int, int], Tensor]
    averages: list[tuple[Tensor, Tensor]]


def _scatter(images: Tensor, bank: _Bank, scales: int) -> Tensor:
    """(N, H, W) → (N, paths, H / 2^J, W / 2^J)."""
    before = [(large - small) // 2 for large, small in zip(bank.padded, images.shape[1:], strict=True)]
    after = [large - small - b for large, small, b in zip(bank.padded, images.shape[1:], before, strict=True)]
    padded = _reflected(images, (before[1], after[1], before[0], after[0]))
    spectrum = torch.fft.fft2(padded)
    zeroth = _averaged(padded, bank, 0)[:, None]
    first: list[Tensor] = []
    second: list[Tensor] = []
    for scale in range(scales):
        changes = _modulus(spectrum[:, None], bank.wavelets[scale, 0], scale)  # (N, angles, h, w)
        first.append(_averaged(changes, bank, scale))
        second += _second_order(changes, bank, scale, scales)
    return torch.cat([zeroth, *first, *second], dim=1)


def _second_order(changes: Tensor, bank: _Bank, scale: int, scales: int) -> Iterator[Tensor]:
    """Paths that go on from one scale: for each of its angles, all later scales with their angles."""
    if scale == scales - 1:
        return
    for spectrum in torch.fft.fft2(changes).unbind(1):
        for later in range(scale + 1, scales):
            again = _modulus(spectrum[:, None], bank.wavelets[later, scale], later - scale)
            yield _averaged(again, bank, later)


def _modulus(spectrum: Tensor, wavelets: Tensor, octaves: int) -> Tensor:
    """Filter in the frequency domain, keep every 2^octaves-th pixel, and take the modulus."""
    height, width = (side >> octaves for side in spectrum.shape[-2:])
    kept: Tensor | None = None
    for top in range(0, spectrum.shape[-2], height):  # keeping every k-th pixel adds up the k × k parts of a spectrum
        for left in range(0, spectrum.shape[-1], width):
            here = (..., slice(top, top + height), slice(left, left + width))
            part = spectrum[here] * wavelets[here]
            kept = part if kept is None else kept.add_(part)
    assert kept is not None
    changes: Tensor = torch.fft.ifft2(kept).abs()
    return changes


def _averaged(maps: Tensor, bank: _Bank, grid: int) -> Tensor:
    rows, columns = bank.averages[grid]
    return rows @ maps @ columns.T


def _reflected(images: Tensor, border: tuple[int, int, int, int]) -> Tensor:
    """Mirror images at their border; a border as wide as the image takes its last row from further inside."""
    left, right, top, bottom = border
    rows = _mirror(images.shape[1], top, bottom, images.device)
    columns = _mirror(images.shape[2], left, right, images.device)
    return images[:, rows][:, :, columns]


def _mirror(size: int, before: int, after: int, device: torch.device) -> Tensor:
    place = torch.arange(-before, size + after, device=device)
    period = max(1, 2 * (size - 1))
    place = place.remainder(period)
    return torch.minimum(place, period - place)


@lru_cache(maxsize=16)
def _bank(height: int, width: int, scales: int, device: str) -> _Bank:
    """Make the filters for one size of image."""
    step = 2**scales
    padded = ((height + step) // step + 1) * step, ((width + step) // step + 1) * step
    with torch.inference_mode(False), torch.no_grad():  # for the tensors are kept
        wavelets = {}
        for scale in range(scales):
            whole = _wavelets(padded, scale)
            for grid in range(min(scale, scales - 2) + 1 if scales > 1 else 1):
                kept = _low_frequencies(whole, grid) / 4 ** (scale - grid)  # the mean over the parts of a spectrum
                wavelets[scale, grid] = kept.float().to(device)
        averages = [
            (_average(padded[0], grid, scales).float().to(device), _average(padded[1], grid, scales).float().to(device))
            for grid in range(scales)
        ]
    return _Bank(padded, wavelets, averages)


def _frequencies(size: int) -> Tensor:
    """Angular frequencies of a discrete transform, with those that sampling makes equal to them: (size, 3).

    Beyond these the narrowest filter is under 2e-7.
    """
    cycles: Tensor = torch.fft.fftfreq(size, dtype=torch.float64)[:, None] + torch.arange(-1, 2)
    return 2 * pi * cycles


def _wavelets(size: tuple[int, int], scale: int) -> Tensor:
    """Morlet wavelets of one scale in all directions, in the frequency domain: (angles, H, W), 0 at frequency 0.

    In space each is a Gaussian, twice as long across its wave as along it, times a wave, less as much of the Gaussian
    as makes its mean zero (Oyallon et al. 2017; the constants are those of kymatio).
    """
    sigma, centre = _SIGMA * 2**scale, _CENTRE / 2**scale
    down, across = (_frequencies(side) for side in size)
    down, across = down[:, None, :, None], across[None, :, None, :]
    found = []
    for angle in (pi * (ANGLES // 2 - 1 - number) / ANGLES for number in range(ANGLES)):
        along, beside = cos(angle) * down + sin(angle) * across, cos(angle) * across - sin(angle) * down

        def gauss(shift: float, along: Tensor = along, beside: Tensor = beside) -> Tensor:
            exponent = (along - shift) ** 2 + (beside / _SLANT) ** 2
            return torch.exp(-0.5 * sigma**2 * exponent).sum(dim=(-2, -1))

        wave, envelope = gauss(centre), gauss(0.0)
        found.append(wave - envelope * (wave[0, 0] / envelope[0, 0]))
    return torch.stack(found)


def _low_frequencies(filters: Tensor, octaves: int, *, dims: tuple[int, ...] = (-2, -1)) -> Tensor:
    """Filters for the grid of every 2^octaves-th pixel: their lowest frequencies."""
    for dim in dims:
        size, half = filters.shape[dim], filters.shape[dim] >> (octaves + 1)
        filters = torch.cat([filters.narrow(dim, 0, half), filters.narrow(dim, size - half, half)], dim=dim)
    return filters


def _average(size: int, grid: int, scales: int) -> Tensor:
    """Along one side, the Gaussian average at every 2^J-th pixel but the outermost: (size / 2^J − 2, size / 2^grid)."""
    sigma = _SIGMA * 2 ** (scales - 1)
    gauss = torch.exp(-0.5 * (sigma * _frequencies(size)) ** 2).sum(dim=1)
    gauss = _low_frequencies(gauss, grid, dims=(0,))
    here = len(gauss)
    place = torch.arange(0, here, 2 ** (scales - grid))[1:-1, None] - torch.arange(here)
    kernel: Tensor = torch.fft.ifft(gauss).real
    return kernel[place.remainder(here)]
