import math

import pytest
import torch
from torch import nn

from networks import tiny_backbone
from undercoat.errors import SpecError
from undercoat.functional.collapse import effective_rank
from undercoat.functional.contrastive import cosine_regression
from undercoat.methods import BYOL, Facts

SMALL = {"dim": 16, "hidden": 32}


def facts(steps, batch=8):
    return Facts(images=64, batch=batch, steps=steps, initialised=False, batch_norm=True)


def test_the_loss_is_both_predictions_of_the_other_views_target(make_batch):
    method, batch = BYOL(tiny_backbone(), batch_norm=False, **SMALL), make_batch()
    first, second = (method.projector(method.backbone(view)) for view in batch.views)  # the target starts as a copy
    expected = cosine_regression(method.predictor(first), second) + cosine_regression(method.predictor(second), first)
    assert method(batch)["loss"].item() == pytest.approx(expected.item(), abs=1e-5)


def test_swapping_the_views_changes_nothing(make_batch):
    method, batch = BYOL(tiny_backbone(), **SMALL), make_batch()
    loss = method(batch)["loss"].item()
    batch.views = batch.views[::-1]
    assert method(batch)["loss"].item() == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize(("progress", "momentum"), [(0.0, 0.9), (1 / 3, 0.925), (0.5, 0.95), (1.0, 1.0)])
def test_the_target_follows_more_and_more_slowly(progress, momentum):
    method = BYOL(tiny_backbone(), ema_momentum=0.9, **SMALL)
    weight, moved = next(method.backbone.parameters()), next(method.target.parameters())
    before = moved.clone()
    with torch.no_grad():
        weight += 1.0
    method.after_step(progress)
    assert torch.allclose(moved - before, torch.full_like(moved, 1 - momentum), atol=1e-6)


def test_the_target_has_no_predictor_and_no_gradient(make_batch):
    method = BYOL(tiny_backbone(), **SMALL)
    method(make_batch())["loss"].backward()
    assert all(parameter.grad is None for parameter in method.target.parameters())
    assert len(list(method.target.parameters())) == len([*method.backbone.parameters(), *method.projector.parameters()])


def learn(method, make_batch, steps=60):
    optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=3e-3)
    batch = make_batch(size=32)
    colours = torch.rand(32, 3, 1, 1, generator=torch.Generator().manual_seed(1))
    for step in range(steps):
        noise = torch.rand(2, 32, 3, 16, 16, generator=torch.Generator().manual_seed(step))
        batch.views = tuple(0.7 * colours + 0.3 * noise)
        output = method(batch)
        optimiser.zero_grad()
        output["loss"].backward()
        optimiser.step()
        method.after_step((step + 1) / steps)
    return output["loss"].item(), effective_rank(output["embeddings"][0]).item()


def test_it_learns_without_collapse_and_batch_norm_in_the_heads_is_why(make_batch):
    loss, rank = learn(BYOL(tiny_backbone(), ema_momentum=0.9, **SMALL), make_batch)
    _, without = learn(BYOL(tiny_backbone(), ema_momentum=0.9, batch_norm=False, **SMALL), make_batch)
    assert loss < 1.0  # 4 where prediction and target have nothing to do with each other
    assert rank > 4.0
    assert without < 2.0


def test_auto_momentum_remembers_a_tenth_of_the_budget():
    values = [BYOL.auto(facts(steps))["ema_momentum"].value for steps in (1, 50, 300, 10**6)]
    assert values == [0.9, 0.9, 0.9667, 0.996]


def test_a_batch_of_one_is_refused():
    with pytest.raises(SpecError, match="give batch 2 or more"):
        BYOL.auto(facts(100, batch=1))


def test_paper_values_are_arguments_of_the_method():
    preset = BYOL.PRESETS["paper"]
    method = BYOL(tiny_backbone(), **preset.arguments)
    widths = [layer.out_features for layer in method.projector if isinstance(layer, nn.Linear)]
    assert widths == [4096, 256]
    assert (method.ema_momentum, preset.batch) == (0.996, 4096)
    assert preset.optimiser["lr"] == pytest.approx(0.2 * 4096 / 256)


def test_the_picture_begins_with_the_least_predictable_pair(make_batch):
    method, batch = BYOL(tiny_backbone(), **SMALL).eval(), make_batch(size=12)
    with torch.no_grad():
        (picture,) = method.pictures(batch)
    cosines = [float(words.removeprefix("predicted ")) for words in picture.captions[1]]
    assert len(cosines) == 8
    assert cosines == sorted(cosines)
    assert not math.isnan(cosines[0])
