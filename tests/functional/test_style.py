"""Losses of style transfer: closed forms, invariances, gradients."""

import pytest
import torch

from undercoat.functional.style import content_loss, gram_matrix, style_loss, total_variation


def maps(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gram_of_known_maps():
    channels = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, 1.0]]])[None]
    assert gram_matrix(channels)[0].tolist() == [[30 / 4, 6 / 4], [6 / 4, 2 / 4]]


def test_gram_forgets_where_things_are_and_how_large_the_picture_is():
    found = maps(2, 3, 4, 5)
    mixed = found.flatten(2)[..., torch.randperm(20)].view(2, 3, 4, 5)
    assert torch.allclose(gram_matrix(mixed), gram_matrix(found))
    assert torch.allclose(gram_matrix(found.repeat(1, 1, 3, 2)), gram_matrix(found))


def test_published_losses_by_hand():
    found, other = maps(1, 3, 4, 5), maps(1, 3, 4, 5, seed=1)
    rows, targets = found[0].flatten(1), other[0].flatten(1)
    sums = (rows @ rows.T - targets @ targets.T).square().sum()  # Gatys et al. 2016, eq. 3 and 4
    expected = sums / (4 * 3**2 * 20**2)
    assert style_loss(found, gram_matrix(other), relative=False).item() == pytest.approx(expected.item())
    assert content_loss(found, other, relative=False).item() == pytest.approx(
        0.5 * (found - other).square().sum().item()
    )


def test_relative_losses_do_not_care_for_the_strength_of_a_layer():
    found, other = maps(2, 3, 4, 4), maps(2, 3, 4, 4, seed=1)
    assert style_loss(9 * found, gram_matrix(9 * other)).item() == pytest.approx(
        style_loss(found, gram_matrix(other)).item()
    )
    assert content_loss(9 * found, 9 * other).item() == pytest.approx(content_loss(found, other).item())
    assert content_loss(0 * found, other).item() == pytest.approx(1)


def test_equal_pictures_have_no_loss_and_a_finite_gradient():
    found = maps(1, 3, 4, 4).requires_grad_()
    loss = style_loss(found, gram_matrix(found.detach())) + content_loss(found, found.detach())
    assert loss.item() == 0
    loss.backward()
    assert found.grad.abs().max() == 0
    dark = torch.zeros(1, 3, 4, 4, requires_grad=True)
    (style_loss(dark, torch.zeros(1, 3, 3)) + total_variation(dark)).backward()
    assert dark.grad.isfinite().all()


def test_total_variation_of_a_checkerboard_a_ramp_and_a_line():
    board = (torch.arange(6)[:, None] + torch.arange(6)[None]).remainder(2).float()[None, None]
    assert total_variation(board).item() == 2
    assert total_variation(torch.arange(5.0).expand(1, 1, 5, 5)).item() == 1
    assert total_variation(torch.tensor([[[[0.0, 2.0, 2.0]]]])).item() == 1
    assert total_variation(torch.ones(1, 1, 1, 1)).item() == 0


def test_gradients_are_those_of_differences():
    found = maps(1, 2, 3, 3).requires_grad_()
    target = gram_matrix(maps(1, 2, 3, 3, seed=1))
    assert torch.autograd.gradcheck(lambda m: style_loss(m, target), (found,))
