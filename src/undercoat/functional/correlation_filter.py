"""Maximum-margin correlation filters: a linear SVM that also wants a sharp peak at the right place.

Rodriguez, Boddeti, Kumar & Mahalanobis 2013 ask of a filter h, for windows x_i with sides t_i = ±1,

    min  hᵀ (λ I + (1 - λ) Z) h  +  C Σ ξ_i      so that  t_i (hᵀx_i + b) ≥ 1 - ξ_i,  ξ_i ≥ 0,

where hᵀ Z h is the mean energy of the planes that h makes when it is moved over the x_i. The peak itself is the
constraint's business; everything else on the plane should be low, and that is how a peak gets sharp. λ = 1 is the
linear SVM; towards λ = 0 the filter is a correlation filter, which for one window that has to give exactly 1 is MACE
(Mahalanobis et al. 1987): h ∝ Z⁻¹ x.

In the frequency domain Z is one matrix (C, C) for each frequency, because moving a filter never mixes frequencies
(several channels: Boddeti, Kanade & Kumar 2013). So S = λ I + (1 - λ) Z has an inverse root in closed form, and with
x' = S^(-1/2) x and h' = S^(1/2) h the problem is an ordinary linear SVM. Here Z is divided by its mean eigenvalue, so
that λ has no unit. Planes are circular, as in the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["inverse_root", "plane_energy", "sharpened"]

_RIDGE = 1e-3  # share of the identity that stays, without which frequencies that no window has would blow up


def _spectra(windows: Tensor) -> Tensor:
    """(N, C, a, b) → (a · b, C, N): what each channel has of each frequency, with the same total energy."""
    spectra: Tensor = torch.fft.fft2(windows, norm="ortho")
    return spectra.flatten(2).permute(2, 1, 0)


def plane_energy(windows: Tensor, weights: Tensor | None = None) -> Tensor:
    """The matrices of Z: (a · b, C, C), complex and Hermitian, one for each frequency.

    Args:
        windows: (N, C, a, b) real.
        weights: (N,) how much each counts, summing to 1; by default alike.

    Returns:
        Z, for which hᵀ Z h is the mean over windows and places of h's squared responses.

    Example:
        >>> plane_energy(torch.ones(1, 1, 2, 2)).real.flatten().tolist()
        [4.0, 0.0, 0.0, 0.0]
    """
    spectra = _spectra(windows)
    if weights is None:
        weights = torch.full((len(windows),), 1 / len(windows))
    return (spectra * weights.to(spectra)) @ spectra.mH


def inverse_root(energy: Tensor, *, margin: float) -> Tensor:
    """S^(-1/2) of S = λ I + (1 - λ) Z: (a · b, C, C).

    Args:
        energy: Z, as :func:`plane_energy` gives it.
        margin: λ in [0, 1]: 1 for the pure SVM, 0 for the pure correlation filter (a ridge of 0.001 stays).

    Raises:
        ValueError: for a margin outside 0..1.
    """
    if not 0 <= margin <= 1:
        raise ValueError(f"margin must lie in 0..1, not {margin}")
    mean = energy.diagonal(dim1=1, dim2=2).real.mean().clamp(min=torch.finfo(torch.float32).tiny)
    identity = torch.eye(energy.shape[1], dtype=energy.dtype, device=energy.device)
    share = max(margin, _RIDGE)
    values, vectors = torch.linalg.eigh(share * identity + (1 - share) * energy / mean)
    root: Tensor = (vectors * values.clamp(min=_RIDGE / 2).rsqrt()[:, None].to(vectors)) @ vectors.mH
    return root


def sharpened(windows: Tensor, root: Tensor) -> Tensor:
    """Multiply windows or filters (N, C, a, b) by S^(-1/2); the result is real and of the same shape.

    Applied to windows before the SVM is trained and to its weights afterwards, it turns the SVM into the filter.

    Example:
        >>> windows = torch.randn(3, 2, 4, 4)
        >>> alone = inverse_root(plane_energy(windows), margin=1.0)
        >>> torch.allclose(sharpened(windows, alone), windows, atol=1e-5)
        True
    """
    count, channels, height, width = windows.shape
    changed = (root @ _spectra(windows)).permute(2, 1, 0).reshape(count, channels, height, width)
    spatial: Tensor = torch.fft.ifft2(changed, norm="ortho")
    return spatial.real
