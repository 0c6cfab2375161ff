import math

import pytest
import torch
from torch.nn.functional import mse_loss, softplus

from networks import tiny_backbone
from undercoat.errors import SpecError
from undercoat.methods import BiGAN, Facts
from undercoat.methods.bigan_networks import Generator, JointDiscriminator

NORMS = ["batch", "spectral", "none"]


@pytest.fixture
def batch(make_batch):
    return make_batch(views=1)


def method_for(**arguments):
    paper = {"game": 1.0, "reconstruction": 0.0, "regression": 0.0}
    settings = {"latent": 6, "size_px": 16, "width": 8, **paper, **arguments}
    method = BiGAN(tiny_backbone(), **settings)
    with torch.no_grad():  # away from the start, where the logit says nothing
        for logit in method.discriminator.logit.parameters():
            logit.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    return method


def gradients(loss, parameters):
    return torch.autograd.grad(loss, list(parameters), retain_graph=True)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("terms", [{}, {"game": 0.1, "reconstruction": 5.0}, {"regression": 3.0}])
def test_one_backward_gives_every_player_the_gradient_of_its_own_game(norm, terms, batch):
    method = method_for(norm=norm, **terms)
    method(batch)["loss"].backward()

    view = batch.views[0]
    code, z = method.encode(view), method._codes(batch.draws, view.device)
    drawn = method.generator(z)
    real, fake = method.discriminator(view, code), method.discriminator(drawn, z)
    of_discriminator = softplus(-real).mean() / 2 + softplus(fake).mean() / 2
    of_others = terms.get("game", 1.0) * (softplus(real).mean() / 2 + softplus(-fake).mean() / 2)
    if "reconstruction" in terms:
        of_others = of_others + 5.0 * mse_loss(method.generator(code), view)
    if "regression" in terms:
        of_others = of_others + 3.0 * mse_loss(method.encode(drawn), z)
    encoder = [*method.backbone.parameters(), *method.code.parameters()]
    for loss, players in (
        (of_discriminator, list(method.discriminator.parameters())),
        (of_others, list(method.generator.parameters())),
        (of_others, encoder),
    ):
        for parameter, expected in zip(players, gradients(loss, players), strict=True):
            assert torch.allclose(parameter.grad, expected, atol=1e-6, rtol=1e-4)


def test_spectral_norm_keeps_the_players_apart_too(batch):
    method = method_for(norm="spectral")
    for own, key in (("discriminator", "discriminator_loss"), ("generator", "encoder_generator_loss")):
        output = method(batch)
        assert output[key].requires_grad is False  # logged, not trained on
        parameters = list(getattr(method, own).parameters())
        assert all(g.abs().sum() > 0 for g in gradients(output["loss"], parameters))


def test_at_the_published_start_nothing_can_be_told_apart(batch):
    method = BiGAN(tiny_backbone(), latent=6, size_px=16, width=8, norm="batch")
    output = method(batch)
    assert output["discriminator_loss"].item() == pytest.approx(math.log(2), abs=1e-6)
    assert output["encoder_generator_loss"].item() == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("size_px", "channels"), [(8, 1), (16, 3), (64, 3)])
def test_networks_draw_and_judge_images_of_any_power_of_two(norm, size_px, channels):
    shape = {"latent": 5, "channels": channels, "size_px": size_px, "width": 8, "norm": norm}
    z = torch.rand(4, 5) * 2 - 1
    images = Generator(**shape)(z)
    assert images.shape == (4, channels, size_px, size_px)
    assert 0 <= images.min() < images.max() <= 1
    assert JointDiscriminator(**shape)(images, z).shape == (4,)


def test_paper_widths_are_the_published_ones():
    shape = {"latent": 200, "channels": 3, "size_px": 64, "width": 64, "norm": "batch"}
    generator, discriminator = Generator(**shape), JointDiscriminator(**shape)
    assert generator.first.out_features == 512 * 4 * 4
    assert [up.out_channels for up in generator.ups] == [256, 128, 64, 3]
    assert [down.out_channels for down in discriminator.downs] == [64, 128, 256, 512]
    assert len(generator.codes) == len(discriminator.codes) == 3


def test_the_judge_looks_at_the_code():
    shape = {"latent": 5, "channels": 3, "size_px": 16, "width": 8}
    for norm in ("spectral", "none"):
        judge = JointDiscriminator(**shape, norm=norm).eval()
        torch.nn.init.normal_(next(judge.logit.parameters()))
        images, codes = torch.rand(3, 3, 16, 16), torch.rand(3, 5)
        assert (judge(images, codes) - judge(images, -codes)).abs().min() > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size_px": 48}, "size_px 48"),
        ({"size_px": 4}, "size_px 4"),
        ({"size_px": 0}, "size_px 0"),
        ({"width": 12}, "width 12"),
        ({"norm": "layer"}, "norm 'layer' .* batch, spectral, none"),
        ({"latent": 0}, "latent is 0"),
    ],
)
def test_shapes_that_cannot_be_are_refused_in_a_sentence(arguments, words):
    with pytest.raises(SpecError, match=words):
        BiGAN(tiny_backbone(), **arguments)


def test_codes_fill_the_range_and_depend_on_the_image_alone(make_batch):
    method = method_for(latent=50)
    one, other = make_batch(0, size=8, views=1), make_batch(0, size=8, views=1)
    z = method._codes(one.draws, torch.device("cpu"))
    assert torch.equal(z, method._codes(other.draws, torch.device("cpu")))
    assert -1 <= z.min() < -0.95
    assert 0.95 < z.max() <= 1
    assert len(z.unique()) == z.numel()


@pytest.mark.parametrize("pixels", [8, 16, 40])
def test_views_of_any_size_are_judged_at_the_same_size(pixels, make_batch):
    method = method_for(regression=1.0, reconstruction=1.0)
    output = method(make_batch(views=1, pixels=pixels))
    assert torch.isfinite(output["loss"])
    assert method._small(make_batch(views=1, pixels=pixels).views[0]).shape[-2:] == (16, 16)


@pytest.mark.parametrize("norm", NORMS)
def test_half_precision_trains(norm, batch):
    method = method_for(norm=norm, reconstruction=1.0)
    with torch.autocast("cpu", torch.bfloat16):
        output = method(batch)
    assert output["loss"].dtype == torch.float32
    output["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in method.parameters())


def test_pictures_pair_images_with_their_reconstructions_and_repeat_the_same_codes(make_batch):
    method = method_for().eval()
    with torch.no_grad():
        first, second = (method.pictures(make_batch(step, size=12, views=1)) for step in (0, 1))
    assert [picture.name for picture in first] == ["reconstructions", "samples"]
    assert [len(row) for row in first[0].rows] == [8, 8]
    assert torch.equal(first[0].rows[0][0], make_batch(0, size=12, views=1).views[0][0])
    assert torch.equal(first[1].rows[3][5], second[1].rows[3][5])


def test_auto_draws_small_images():
    for view, side in ((224, 32), (48, 32), (24, 16)):
        facts = Facts(images=100, batch=8, steps=10, initialised=False, batch_norm=False, size_px=view)
        assert BiGAN.auto(facts)["size_px"].value == side
