import math

import pytest
import torch
from torch import nn

from networks import tiny_backbone
from reference.rotation import rotation_loss
from undercoat.backbones import Backbone
from undercoat.errors import SpecError
from undercoat.functional.rotation import disc
from undercoat.methods.rotnet import RotNet


def lit_from_above(make_batch, step=0):
    """Noise that is brighter at the top, so that there is a way up."""
    batch = make_batch(step, size=16, views=1)
    light = torch.linspace(1, 0, 16)[:, None]
    batch.views = (0.5 * batch.views[0] + 0.5 * light,)
    return batch


def test_the_four_copies_are_exact_and_turn_counter_clockwise(make_batch):
    batch = make_batch(views=1)
    copies = RotNet(tiny_backbone()).inputs(batch)
    for quarter, copy in enumerate(copies):
        assert torch.equal(copy, torch.rot90(batch.views[0], quarter, (2, 3)))


def test_loss_is_the_slow_loop_over_copies(make_batch):
    method, batch = RotNet(tiny_backbone()), make_batch(views=1)
    with torch.no_grad():
        logits = [method.classifier(method.backbone(copy)).tolist() for copy in method.inputs(batch)]
    assert method(batch)["loss"].item() == pytest.approx(rotation_loss(logits), abs=1e-5)


@pytest.mark.parametrize("rotations", [2, 3, 4, 8])
def test_a_head_that_says_nothing_is_at_chance(make_batch, rotations):
    method = RotNet(tiny_backbone(), rotations=rotations)
    nn.init.zeros_(method.classifier[-1].weight), nn.init.zeros_(method.classifier[-1].bias)
    output = method(make_batch(views=1))
    assert output["loss"].item() == pytest.approx(math.log(rotations), abs=1e-5)
    assert output["accuracy"].item() == pytest.approx(method.chance["accuracy"]) == 1 / rotations


@pytest.mark.parametrize("rotations", [4, 6])
def test_it_learns_which_way_is_up(make_batch, rotations):
    # brightness at nine places is all this network sees, and all it needs
    trunk = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten())
    backbone = Backbone(trunk, name="", dim=27, channels=3, mean=[0.5] * 3, std=[0.2] * 3)
    method = RotNet(backbone, rotations=rotations)
    optimiser = torch.optim.Adam(method.parameters(), lr=0.03)
    for step in range(60):
        optimiser.zero_grad()
        method(lit_from_above(make_batch, step))["loss"].backward()
        optimiser.step()
    assert method(lit_from_above(make_batch, 1000))["accuracy"] > 0.95


@pytest.mark.parametrize("rotations", [3, 8])
def test_inexact_copies_all_pass_the_kernel_within_one_disc(make_batch, rotations):
    batch = make_batch(views=1)
    copies = RotNet(tiny_backbone(), rotations=rotations).inputs(batch)
    assert len(copies) == rotations
    assert not torch.allclose(copies[0][..., disc(16)], batch.views[0][..., disc(16)], atol=0.05)  # 0° too
    for copy in copies:
        assert (copy[..., ~disc(16)] == 0.5).all()  # the mean that the backbone subtracts
    plain = RotNet(tiny_backbone(), rotations=rotations, fill="zero", resample="turned").inputs(batch)
    assert torch.equal(plain[0], batch.views[0])
    assert (plain[1][..., 0, 0] == 0).all()


def test_the_published_head_has_two_hidden_layers_with_batch_statistics(make_batch):
    preset = RotNet.PRESETS["paper"]
    method = RotNet(tiny_backbone(), **{**preset.arguments, "hidden": [32, 32]})
    kinds = [type(layer).__name__ for layer in method.classifier]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert torch.isfinite(method(make_batch(views=1))["loss"])


@torch.no_grad()
def test_pictures_say_what_is_true_and_what_was_guessed(make_batch):
    method = RotNet(tiny_backbone()).eval()
    nn.init.zeros_(method.classifier[-1].weight)
    method.classifier[-1].bias.copy_(torch.tensor([0.0, 0.0, 1.0, 0.0]))  # says 180° to everything
    (picture,) = method.pictures(make_batch(size=64, views=1))
    assert len(picture.rows) == len(picture.captions) == 8
    assert list(picture.captions[0]) == ["0° as 180°", "90° as 180°", "180°", "270° as 180°"]
    assert all(image.shape == (3, 16, 16) for row in picture.rows for image in row)


def test_bad_settings_and_images_end_in_a_sentence(make_batch):
    for wrong in (1, 0, -4, 2.5):
        with pytest.raises(SpecError, match=r"rotations is .*use 4"):
            RotNet(tiny_backbone(), rotations=wrong)
    with pytest.raises(SpecError, match="did you mean 'turned'"):
        RotNet(tiny_backbone(), resample="turnd")
    with pytest.raises(SpecError, match="fill is 'black', not one of"):
        RotNet(tiny_backbone(), fill="black")
    with pytest.raises(SpecError, match="1 × 1 pixels"):
        RotNet(tiny_backbone())(make_batch(views=1, pixels=1))
