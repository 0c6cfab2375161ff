import math

import pytest
import torch

from reference import adversarial as slow
from undercoat.functional.adversarial import discriminator_loss, encoder_generator_loss


def logits(count, seed, scale=3.0):
    return scale * torch.randn(count, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["discriminator_loss", "encoder_generator_loss"])
@pytest.mark.parametrize("counts", [(1, 1), (7, 7), (3, 5)])
def test_agrees_with_the_slow_loop(name, counts):
    real, fake = logits(counts[0], 0), logits(counts[1], 1)
    fast = {"discriminator_loss": discriminator_loss, "encoder_generator_loss": encoder_generator_loss}[name]
    expected = getattr(slow, name)(real.double().tolist(), fake.double().tolist())
    assert fast(real, fake).item() == pytest.approx(expected, rel=1e-5)


def test_both_sides_pay_log_two_when_nothing_can_be_told_apart():
    nothing = torch.zeros(4)
    assert discriminator_loss(nothing, nothing).item() == pytest.approx(math.log(2))
    assert encoder_generator_loss(nothing, nothing).item() == pytest.approx(math.log(2))


def test_a_discriminator_that_is_right_pays_nothing_and_the_others_pay_its_certainty():
    real, fake = torch.full((3,), 40.0), torch.full((3,), -40.0)
    assert discriminator_loss(real, fake).item() == pytest.approx(0.0, abs=1e-6)
    assert encoder_generator_loss(real, fake).item() == pytest.approx(40.0)


def test_the_two_pull_every_logit_in_opposite_directions():
    real, fake = logits(5, 2).requires_grad_(), logits(5, 3).requires_grad_()
    mine = torch.autograd.grad(discriminator_loss(real, fake), (real, fake))
    theirs = torch.autograd.grad(encoder_generator_loss(real, fake), (real, fake))
    assert (mine[0] < 0).all()
    assert (mine[1] > 0).all()
    assert (theirs[0] > 0).all()
    assert (theirs[1] < 0).all()
    # together they always pull with the same force: 1/2 for each row's share of the mean
    for one, other in zip(mine, theirs, strict=True):
        assert torch.allclose(one.abs() + other.abs(), torch.full((5,), 0.5 / 5), atol=1e-6)


def test_half_precision_logits_are_taken_in_full_precision():
    real, fake = logits(64, 4).bfloat16(), logits(64, 5).bfloat16()
    assert discriminator_loss(real, fake).dtype == torch.float32
    assert discriminator_loss(real, fake).item() == pytest.approx(discriminator_loss(real.float(), fake.float()).item())
