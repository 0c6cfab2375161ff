import math

import pytest
import torch
from torch.nn.functional import normalize

from networks import tiny_backbone
from undercoat.errors import SpecError
from undercoat.functional.contrastive import info_nce
from undercoat.methods import Facts, MoCoV2, method_class


def test_first_loss_is_info_nce_against_the_first_queue(make_batch):
    backbone = tiny_backbone()
    method = MoCoV2(backbone, queue_size=32, dim=8, random_negatives=True)
    queue = method.queue.rows.clone()
    batch = make_batch()
    q = normalize(method.projector(backbone(batch.views[0])), dim=1)
    k = normalize(method.projector(backbone(batch.views[1])), dim=1)  # the target starts as a copy
    expected = info_nce(q, k, queue, temperature=0.2)
    assert method(batch)["loss"].item() == pytest.approx(expected.item(), abs=1e-5)


def test_keys_enter_the_queue_in_the_order_of_their_images(make_batch):
    method = MoCoV2(tiny_backbone(), queue_size=8, dim=8)
    batch = make_batch(size=8)
    with torch.no_grad():
        keys = normalize(method.target(batch.views[1]), dim=1)
    method(batch)
    assert method.queue.index.tolist() == batch.index.tolist()
    assert torch.allclose(method.queue.rows, keys, atol=1e-5)


def test_an_image_is_never_its_own_negative(make_batch):
    method = MoCoV2(tiny_backbone(), queue_size=8, dim=8)
    asked = MoCoV2(tiny_backbone(), queue_size=8, dim=8, own_negatives=True)
    for net in (method, asked):
        net(make_batch())
    # the queue now holds nothing but this batch's keys, so each query has seven negatives, or eight when asked
    same = torch.ones(8, 3, 16, 16)
    batch = make_batch()
    batch.views = (same, same)
    for net in (method, asked):
        net.queue.rows.copy_(normalize(net.target(same), dim=1))
    assert method(batch)["loss"].item() == pytest.approx(math.log(8), abs=1e-4)
    assert asked(batch)["loss"].item() == pytest.approx(math.log(9), abs=1e-4)


def test_groups_normalise_keys_apart_and_change_nothing_without_batch_norm(make_batch):
    def loss(norm, groups):
        arguments = {"queue_size": 8, "dim": 8, "norm_groups": groups, "random_negatives": True}
        return MoCoV2(tiny_backbone(norm=norm), **arguments)(make_batch())["loss"].item()

    assert loss(False, 1) == pytest.approx(loss(False, 2), abs=1e-6)
    assert abs(loss(True, 1) - loss(True, 2)) > 1e-6


@pytest.mark.parametrize("images", [3, 100, 1525, 10**7])
def test_auto_queue_is_shorter_than_the_data(images):
    facts = Facts(images=images, batch=min(128, images), steps=150, initialised=True, batch_norm=True)
    auto = MoCoV2.auto(facts)
    assert 1 <= auto["queue_size"].value < images
    assert auto["queue_size"].value <= 65536
    assert 0.99 <= auto["ema_momentum"].value <= 0.999
    assert all(value.reason for value in auto.values())


def test_paper_values_are_arguments_of_the_method():
    method = method_class("moco_v2")(tiny_backbone(), **{**MoCoV2.PRESETS["paper"].arguments, "queue_size": 64})
    assert (method.temperature, method.ema_momentum) == (0.2, 0.999)


def test_random_rows_are_no_negatives_unless_asked(make_batch):
    method = MoCoV2(tiny_backbone(), queue_size=32, dim=8)
    assert method(make_batch(0))["loss"].item() == pytest.approx(0.0, abs=1e-6)
    second = make_batch(1)
    same = torch.ones(8, 3, 16, 16)
    second.views = (same, same)
    method.queue.rows[:8] = normalize(method.target(same[:1]), dim=1)
    assert method(second)["loss"].item() == pytest.approx(math.log(1 + 8), abs=1e-4)  # eight keys so far, no more


def test_version_one_is_a_preset_with_a_linear_head():
    preset = MoCoV2.PRESETS["moco_v1"]
    method = MoCoV2(tiny_backbone(), **{**preset.arguments, "queue_size": 64})
    assert [type(layer).__name__ for layer in method.projector] == ["Linear"]
    assert (method.temperature, preset.augmentation) == (0.07, "moco_v1")
    assert (preset.optimiser["schedule"], preset.optimiser["milestones"]) == ("step", (0.6, 0.8))


def test_the_linear_head_is_one_linear_map(make_batch):
    backbone, batch = tiny_backbone(), make_batch()
    method = MoCoV2(backbone, head="linear", queue_size=32, dim=8, temperature=0.07, random_negatives=True)
    weight, bias = method.projector[0].weight, method.projector[0].bias
    q, k = (normalize(backbone(view) @ weight.T + bias, dim=1) for view in batch.views)
    expected = info_nce(q, k, method.queue.rows.clone(), temperature=0.07)
    assert method(batch)["loss"].item() == pytest.approx(expected.item(), abs=1e-4)


def test_another_head_is_refused_in_a_sentence():
    with pytest.raises(SpecError, match="did you mean 'linear'"):
        MoCoV2(tiny_backbone(), head="linar")


def test_the_default_head_is_the_one_it_always_was():
    method = MoCoV2(tiny_backbone(), queue_size=8, dim=4)
    assert [tuple(weight.shape) for weight in method.projector.parameters()] == [(16, 16), (16,), (4, 16), (4,)]
    torch.manual_seed(0)
    first = torch.nn.Linear(16, 16)
    assert torch.equal(method.projector[0].weight, first.weight)
