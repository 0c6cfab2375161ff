import math

import pytest
import torch
from torch import nn

from undercoat.errors import SpecError
from undercoat.training.optim import OptimiserSpec, build_optimiser, parameter_groups
from undercoat.training.schedule import learning_rate


def test_cosine_starts_at_the_peak_and_ends_near_zero():
    rates = [learning_rate(step, peak=0.03, steps=200) for step in range(200)]
    assert rates[0] == 0.03
    assert rates[100] == pytest.approx(0.015)
    assert rates[-1] == pytest.approx(0.03 * 0.5 * (1 + math.cos(math.pi * 199 / 200)))
    assert rates == sorted(rates, reverse=True)


def test_agrees_with_torch():
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=20)
    for step in range(20):
        assert learning_rate(step, peak=0.1, steps=20) == pytest.approx(reference.get_last_lr()[0], abs=1e-9)
        optimiser.step()
        reference.step()


def test_warm_up_rises_in_a_line():
    assert [learning_rate(s, peak=1.0, steps=10, warmup_steps=4) for s in range(4)] == [0.25, 0.5, 0.75, 1.0]


def test_decay_is_for_weights_only_unless_asked():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    groups = parameter_groups(net, weight_decay=0.1, decay_all=False)
    assert [(g["weight_decay"], len(g["params"])) for g in groups] == [(0.1, 1), (0.0, 3)]
    (everything,) = parameter_groups(net, weight_decay=0.1, decay_all=True)
    assert len(everything["params"]) == 4


def test_frozen_parameters_are_left_out():
    net = nn.Linear(2, 2)
    net.weight.requires_grad_(False)
    groups = parameter_groups(net, weight_decay=0.1, decay_all=False)
    assert [len(g["params"]) for g in groups] == [1]


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_optimisers_are_fused(name, kind):
    optimiser = build_optimiser(OptimiserSpec(name=name, lr=0.1, weight_decay=0.0), nn.Linear(2, 2))
    assert isinstance(optimiser, kind)
    assert optimiser.defaults["fused"]


def test_a_wrong_setting_is_named_with_its_value():
    with pytest.raises(SpecError, match="lr = -1"):
        OptimiserSpec.of({"lr": -1}, where="optimiser")
