"""Maximum-margin correlation filters: both ends in closed form, and what lies between."""

import pytest
import torch

from undercoat.functional.correlation_filter import inverse_root, plane_energy, sharpened


def windows(count=5, channels=3, height=4, width=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, channels, height, width, generator=generator, dtype=torch.float64)


def plane(weights, window):
    """Circular correlation by hand: what the filter says at every place."""
    height, width = window.shape[1:]
    values = [[(weights * window.roll((-y, -x), dims=(1, 2))).sum() for x in range(width)] for y in range(height)]
    return torch.tensor(values, dtype=torch.float64)


def quadratic(weights, energy):
    spectrum = torch.fft.fft2(weights, norm="ortho").flatten(1).T[:, :, None]
    return (spectrum.mH @ energy @ spectrum).real.sum().item()


def test_energy_is_that_of_the_planes():
    seen, weights = windows(), windows(1, seed=1)[0]
    expected = torch.stack([plane(weights, window).square().mean() for window in seen])
    assert quadratic(weights, plane_energy(seen)) == pytest.approx(expected.mean().item())
    share = torch.tensor([0.5, 0.5, 0, 0, 0], dtype=torch.float64)
    assert quadratic(weights, plane_energy(seen, share)) == pytest.approx(expected[:2].mean().item())


def test_the_pure_margin_changes_nothing():
    seen = windows()
    assert torch.allclose(sharpened(seen, inverse_root(plane_energy(seen), margin=1.0)), seen)


def test_the_root_is_the_root_of_the_inverse():
    seen = windows()
    energy = plane_energy(seen)
    root = inverse_root(energy, margin=0.3)
    mean = energy.diagonal(dim1=1, dim2=2).real.mean()
    whole = 0.3 * torch.eye(3, dtype=energy.dtype) + 0.7 * energy / mean
    assert torch.allclose(root @ whole @ root, torch.eye(3, dtype=energy.dtype).expand_as(whole), atol=1e-8)


def test_scores_in_the_changed_space_are_scores_of_the_filter():
    seen, weights = windows(), windows(1, seed=1)
    root = inverse_root(plane_energy(seen), margin=0.2)
    changed = (sharpened(seen, root) * weights).sum(dim=(1, 2, 3))
    plain = (seen * sharpened(weights, root)).sum(dim=(1, 2, 3))
    assert torch.allclose(changed, plain)


def test_without_margin_the_peak_is_a_single_point():
    # one window, one channel: MACE answers 1 there and, but for the ridge, 0 everywhere else
    seen = windows(1, channels=1)
    root = inverse_root(plane_energy(seen), margin=0.0)
    changed = sharpened(seen, root)
    mace = sharpened(changed / changed.square().sum(), root)[0]
    answers = plane(mace, seen[0])
    assert answers[0, 0].item() == pytest.approx(1)
    assert answers.flatten()[1:].abs().max() < 0.05
    matched = plane(seen[0] / seen[0].square().sum(), seen[0])  # the SVM's end: the window itself
    assert matched.flatten()[1:].abs().max() > 0.2


@pytest.mark.parametrize("low", [0.01, 0.1, 0.4])
def test_less_margin_means_a_sharper_peak(low):
    seen = windows(1, channels=2)

    def spill(margin):
        root = inverse_root(plane_energy(seen), margin=margin)
        changed = sharpened(seen, root)
        answers = plane(sharpened(changed / changed.square().sum(), root)[0], seen[0])
        return (answers.square().sum() - answers[0, 0] ** 2).item()

    assert spill(low) < spill(min(1.0, 2 * low))


def test_a_margin_that_is_no_share_is_refused():
    with pytest.raises(ValueError, match=r"0\.\.1, not"):
        inverse_root(plane_energy(windows()), margin=1.5)
