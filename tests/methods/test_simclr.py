import math

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from networks import tiny_backbone
from undercoat.functional.contrastive import nt_xent
from undercoat.methods import Facts, SimCLR
from undercoat.methods.global_norm import GlobalBatchNorm


def test_the_loss_is_nt_xent_of_both_views(make_batch):
    backbone, batch = tiny_backbone(), make_batch()
    method = SimCLR(backbone, dim=8, temperature=0.5)
    views = torch.stack([normalize(method.projector(backbone(view)), dim=1) for view in batch.views])
    output = method(batch)
    assert output["loss"].item() == pytest.approx(nt_xent(views, temperature=0.5).item(), abs=1e-5)
    assert torch.allclose(output["embeddings"], views, atol=1e-5)
    assert not output["embeddings"].requires_grad


def test_an_image_that_is_in_the_batch_twice_is_its_own_negative_only_when_asked(make_batch):
    batch = make_batch()
    same = torch.ones(8, 3, 16, 16)
    batch.views = (same, same)
    batch.index = torch.arange(4).repeat(2)
    loss = {own: SimCLR(tiny_backbone(), own_negatives=own)(batch)["loss"].item() for own in (False, True)}
    assert loss[False] == pytest.approx(math.log(1 + 2 * 6), abs=1e-4)
    assert loss[True] == pytest.approx(math.log(1 + 2 * 7), abs=1e-4)


def test_the_loss_falls_when_views_show_their_image(make_batch):
    method, batch = SimCLR(tiny_backbone(), temperature=0.1), make_batch()
    batch.views = (batch.views[0], (batch.views[0] + 0.02).clamp(0, 1))
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss = method(batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 2.3  # chance is log 15 = 2.7
    assert losses[-1] < 1.0


def test_auto_temperature_follows_the_batch():
    def temperature(batch):
        facts = Facts(images=10**6, batch=batch, steps=100, initialised=False, batch_norm=True)
        return SimCLR.auto(facts)["temperature"].value

    assert (temperature(64), temperature(512), temperature(4096)) == (0.5, 0.5, 0.1)


def test_paper_values_are_those_of_the_large_batch():
    preset = SimCLR.PRESETS["paper"]
    method = SimCLR(tiny_backbone(), **preset.arguments)
    kinds = [type(layer) for layer in method.projector]
    assert kinds == [nn.Linear, GlobalBatchNorm, nn.ReLU, nn.Linear, GlobalBatchNorm]
    assert (method.temperature, preset.batch, preset.augmentation) == (0.1, 4096, "simclr")
    assert preset.optimiser["lr"] == pytest.approx(0.03 * 4096 / 256)


def test_the_picture_shows_the_planted_look_alike(make_batch):
    method, batch = SimCLR(tiny_backbone()).eval(), make_batch(views=2)
    second = batch.views[1].clone()
    second[5] = batch.views[0][2]  # the other image most like image 2 is image 5
    batch.views = (batch.views[0], second)
    with torch.no_grad():
        (picture,) = method.pictures(batch)
    assert torch.equal(picture.rows[2][2], second[5])
    assert picture.captions[2][2] == "other 1.00"
    assert method.pictures(make_batch(size=1)) == []


def test_batch_norm_of_one_process_is_plain_batch_norm():
    rows = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))  # two processes: test_contract, with byol
    ours, plain = GlobalBatchNorm(3), nn.BatchNorm1d(3)
    assert torch.equal(ours(rows), plain(rows))
    assert torch.equal(ours.running_var, plain.running_var)
    assert torch.equal(ours.eval()(rows[:1]), plain.eval()(rows[:1]))
