import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from undercoat.backbones import build_backbone
from undercoat.backbones.backbone import Backbone
from undercoat.errors import DataError, RunError, SpecError
from undercoat.evaluation import Protocol, evaluate
from undercoat.evaluation.layers import FINAL, LayerReading
from undercoat.evaluation.readouts import build_readout
from undercoat.evaluation.readouts.fine_tune import FineTune
from undercoat.evaluation.readouts.fine_tuning import Budget, Candidate, Tuned
from undercoat.evaluation.readouts.labelled import Trunk
from undercoat.evaluation.view import EvaluationView, Pass
from undercoat.functional.draws import full_batches

ONE = {"lrs": 0.01, "budgets": "4 steps", "batch": 8}
TINY = {"width": "tiny", "stem": 32}


def once(size_px=16, dtype=None):
    return Pass(view=EvaluationView(size_px=size_px), device=torch.device("cpu"), autocast_dtype=dtype, batch=64)


def trunk(backbone=None, *, held_out=None, dtype=None, size_px=16):
    backbone = backbone or build_backbone("timm/test_resnet", seed=0)
    return Trunk(backbone=backbone, reading=LayerReading(layers=(FINAL,)), once=once(size_px, dtype), held_out=held_out)


def last_fifth(train):
    return np.arange(len(train)) >= len(train) * 4 // 5


class Plain(nn.Module):
    """A linear map of the mean colour, so that a run can be written out by hand."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)
        with torch.no_grad():
            self.layer.weight.copy_(torch.arange(12.0).reshape(4, 3) / 10 - 0.5)
            self.layer.bias.zero_()

    def forward(self, images):
        return self.layer(images.mean(dim=(2, 3)))


def plain_backbone():
    return Backbone(Plain(), name="", dim=4, channels=3, mean=[0.5] * 3, std=[0.25] * 3)


# the schedule


def test_the_published_falls_in_both_readings():
    steps, thirds = Budget.of("2500 steps"), FineTune().drops
    assert steps.falls(thirds, steps=2500) == (833, 1667)
    assert steps.falls(thirds, steps=2500, schedule="as_run", accumulation=4) == (208, 417)
    assert steps.falls(thirds, steps=2500, schedule="as_run", accumulation=1) == (833, 1667)
    epochs = Budget.of("90 epochs")
    total = epochs.steps(images=1024, batch=256)
    assert total == 360
    for schedule in ("as_described", "as_run"):  # an epoch is the same in either count
        falls = epochs.falls(thirds, steps=total, schedule=schedule, accumulation=4)
        assert [fall * 256 / 1024 for fall in falls] == [30, 60]


def test_the_first_step_of_a_short_run_has_the_full_rate():
    assert Budget.of("1 step").falls((1 / 3, 2 / 3), steps=1) == (1, 1)
    assert Budget.of("5 steps").falls((1 / 3,), steps=5, schedule="as_run", accumulation=4) == (1,)


@pytest.mark.parametrize(("count", "step", "steps"), [(1000, 256, 352), (256, 256, 90), (100, 100, 90), (10, 10, 90)])
def test_a_step_is_capped_by_the_data(count, step, steps, make):
    run = build_readout("fine_tune", {"preset": "paper"}).run_on(make(4), once(), 0)
    found, planned, falls = run.plan(Candidate(0.01, Budget.of("90 epochs")), count)
    assert (found, planned) == (step, steps)
    assert falls == (round(steps / 3), round(steps * 2 / 3))
    assert run.plan(Candidate(0.01, Budget.of("2500 steps")), count)[1:] == (2500, (833, 1667))


def test_every_image_is_seen_equally_often():
    steps = list(full_batches(10, steps=5, batch=4, seed=3, purpose="fine-tune"))
    assert [len(index) for index, _ in steps] == [4] * 5
    seen = np.concatenate([np.stack([index, epoch]) for index, epoch in steps], axis=1)
    for epoch in (0, 1):
        assert sorted(seen[0, seen[1] == epoch].tolist()) == list(range(10))
    assert seen[0, :10].tolist() != seen[0, 10:].tolist()
    assert [len(index) for index, _ in full_batches(3, steps=2, batch=3, seed=0, purpose="fine-tune")] == [3, 3]


# one run


def by_hand(train, falls, *, lr, steps, seed, factor=100.0):
    """The whole set in every step through torch's own SGD; centre views, so nothing is random but the head."""
    images = torch.from_numpy(train.images).permute(0, 3, 1, 2).float() / 255
    backbone = plain_backbone()
    network = Tuned(backbone, 3, seed)
    optimiser = torch.optim.SGD(
        [{"params": network.backbone.parameters(), "lr": lr}, {"params": network.head.parameters(), "lr": lr * factor}],
        momentum=0.9,
    )
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, list(falls), gamma=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images), torch.from_numpy(train.labels)).backward()
        optimiser.step()
        schedule.step()
    return network


@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize(("schedule", "falls"), [("as_described", (3, 6)), ("as_run", None)])
def test_a_run_is_what_torch_trains(accumulation, schedule, falls, make):
    train = make(18)
    settings = {
        "lrs": 0.003,
        "budgets": "9 steps",
        "augmentation": "centre",
        "crop_fraction": 1.0,
        "head_lr_factor": 100,
    }
    readout = FineTune(**settings, batch=18 // accumulation, accumulation=accumulation, schedule=schedule)
    fitted = readout.fit_images(trunk(plain_backbone(), size_px=8), train, seed=5)
    falls = falls or (3 // accumulation, 6 // accumulation)
    assert fitted.chosen["falls"] == list(falls)
    expected = by_hand(train, falls, lr=0.003, steps=9, seed=5)
    found = fitted.predict.network
    for name, value in expected.state_dict().items():
        assert torch.allclose(found.state_dict()[name], value, atol=1e-5), name


def test_the_head_has_its_own_rate(make):
    readout = FineTune(lrs=0.01, weight_decay=0.1, head_lr_factor=100)
    optimiser = readout.run_on(make(6), once(), 0).optimiser(Tuned(plain_backbone(), 3, 0), 0.01)
    found = [([tuple(p.shape) for p in g["params"]], g["lr"], g["weight_decay"]) for g in optimiser.param_groups]
    assert found == [
        ([(4, 3)], 0.01, 0.1), ([(4,)], 0.01, 0.0), ([(3, 4)], 1.0, 0.1), ([(3,)], 1.0, 0.0),
    ]  # fmt: skip


def test_the_head_starts_narrow_and_by_its_seed():
    backbone = build_backbone("timm/test_resnet", seed=0)
    head = Tuned(backbone, 200, 0).head
    assert head.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert head.bias.abs().max() == 0
    assert torch.equal(head.weight, Tuned(backbone, 200, 0).head.weight)
    assert not torch.equal(head.weight, Tuned(backbone, 200, 1).head.weight)


@pytest.mark.parametrize("name", ["timm/test_resnet", "undercoat/alexnet"])
def test_all_layers_move_and_the_backbone_that_was_given_does_not(name, make):
    backbone = build_backbone(name, arguments=TINY if "alexnet" in name else {}, seed=0)
    for parameter in backbone.parameters():
        parameter.requires_grad_(False)  # as norm-only training leaves it
    backbone.train()
    state = {key: value.clone() for key, value in backbone.state_dict().items()}
    fitted = FineTune(**ONE | {"lrs": 0.2}, head_lr_factor=1).fit_images(trunk(backbone, size_px=32), make(24))
    tuned = fitted.predict.network.backbone
    assert [key for key, value in tuned.named_parameters() if torch.equal(value, state[key])] == []
    moved = [
        key for key in state if key.endswith("running_mean") and not torch.equal(tuned.state_dict()[key], state[key])
    ]
    assert len(moved) == sum(key.endswith("running_mean") for key in state) > 0
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())
    assert backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


def test_colours_are_learnt_from_few_labels(make):
    train, test = make(96, noise=60), make(60, seed=1, noise=60)
    readouts = {"fine_tune": {"budgets": ["20 steps"], "lrs": [0.01, 1e-6], "batch": 12, "head_lr_factor": 10}}
    protocol = Protocol(data="coloured", size_px=32, labels_limit=60, readouts=readouts)
    (row,) = evaluate(build_backbone("undercoat/alexnet", arguments=TINY, seed=0), train, test, protocol).rows
    assert (row.layer, row.metric, row.labels) == ("final", "accuracy", 60)
    assert row.value > 0.9


# the contract


@pytest.mark.parametrize("several", [False, True])
def test_it_meets_the_contract_of_readouts(several, make):
    train, test = make(30, multi_label=several), make(18, seed=1, multi_label=several)
    frozen = trunk(held_out=last_fifth(train))
    readout = build_readout("fine_tune", {"lrs": [0.01, 0.001], "budgets": ["3 steps"], "batch": 8})
    torch.manual_seed(11)
    random.seed(11)
    fitted = readout.fit_images(frozen, train, seed=3)
    drawn = torch.rand(3), random.random()
    torch.manual_seed(12)
    again = readout.fit_images(frozen, train, seed=3)
    scores = fitted.predict(test)[FINAL]
    assert scores.shape == (18, 3)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    assert several or np.allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(scores, again.predict(test)[FINAL])  # the same bits, whatever came before
    assert not np.array_equal(scores, readout.fit_images(frozen, train, seed=4).predict(test)[FINAL])
    assert np.allclose(fitted.predict(test.take(np.arange(18)[::-1]))[FINAL][::-1], scores, atol=1e-5)
    torch.manual_seed(11)
    random.seed(11)
    assert torch.equal(torch.rand(3), drawn[0])  # the generators of the caller are as they were
    assert random.random() == drawn[1]


def test_arms_do_not_depend_on_their_order(make):
    train, test = make(30), make(12, seed=1)
    arms = [build_backbone("timm/test_resnet", seed=seed) for seed in (0, 1)]
    protocol = Protocol(data="coloured", size_px=16, readouts={"fine_tune": ONE, "knn": {"k": 3}})
    forth = [evaluate(arm, train, test, protocol).predictions for arm in arms]
    back = [evaluate(arm, train, test, protocol).predictions for arm in arms[::-1]][::-1]
    for one, other in zip(forth, back, strict=True):
        assert all(np.array_equal(one[name].scores, other[name].scores) for name in one)


def test_bfloat16_runs_and_float16_falls_back(make):
    train, test = make(24), make(12, seed=1)
    full = FineTune(**ONE).fit_images(trunk(), train).predict(test)[FINAL]
    half = FineTune(**ONE).fit_images(trunk(dtype=torch.float16), train).predict(test)[FINAL]
    brief = FineTune(**ONE).fit_images(trunk(dtype=torch.bfloat16), train).predict(test)[FINAL]
    assert np.array_equal(full, half)
    assert not np.array_equal(full, brief)
    assert np.isfinite(brief).all()


# the choice


def test_the_choice_never_looks_at_test(make):
    train, test = make(40, noise=80), make(20, seed=1, noise=80)
    protocol = Protocol(
        data="coloured", size_px=16, readouts={"fine_tune": {"budgets": ["3 steps", "6 steps"], "batch": 16}}
    )
    turned = replace(test, labels=np.roll(test.labels, 1))
    one, two = (evaluate(trunk().backbone, train, asked, protocol) for asked in (test, turned))
    assert one.rows[0].readout_args == two.rows[0].readout_args
    assert np.array_equal(one.predictions["fine_tune"].scores, two.predictions["fine_tune"].scores)
    chosen = json.loads(one.rows[0].readout_args)
    assert list(chosen["held_out_scores"]) == [
        "lr 0.003, 3 steps", "lr 0.003, 6 steps", "lr 0.01, 3 steps", "lr 0.01, 6 steps",
    ]  # fmt: skip
    assert chosen["held_out_score"] == max(chosen["held_out_scores"].values())
    assert (chosen["candidates"], chosen["held_out"]) == (4, 8)


def test_the_best_on_held_out_images_is_trained_on_all_labels(make):
    train, test = make(40), make(12, seed=1)
    held_out = last_fifth(train)
    both = FineTune(lrs=(1e-12, 0.01), budgets="12 steps", batch=16)
    fitted = both.fit_images(trunk(held_out=held_out), train, seed=2)
    assert fitted.chosen["lr"] == 0.01
    alone = FineTune(lrs=0.01, budgets="12 steps", batch=16).fit_images(trunk(), train, seed=2)
    assert np.array_equal(fitted.predict(test)[FINAL], alone.predict(test)[FINAL])


def test_a_single_candidate_needs_no_held_out_images(make):
    readout = FineTune(lrs=[0.01, 0.01], budgets=["2 steps", "2 step"])
    assert not readout.chooses
    assert "held_out_scores" not in readout.fit_images(trunk(), make(12)).chosen
    assert FineTune().chooses
    with pytest.raises(SpecError, match="2 settings but no held-out images"):
        FineTune().fit_images(trunk(), make(12))


def test_what_diverges_is_never_chosen(make):
    train = make(40)
    readout = FineTune(lrs=(1e30, 0.01), budgets="3 steps", batch=16)
    fitted = readout.fit_images(trunk(held_out=last_fifth(train)), train)
    assert fitted.chosen["lr"] == 0.01
    assert fitted.chosen["held_out_scores"]["lr 1e+30, 3 steps"] is None
    assert "1 of 2 settings diverged (lr 1e+30, 3 steps)" in fitted.notes[0]
    with pytest.raises(RunError, match="all 2 settings of fine_tune diverged on 32 images; give smaller lrs than 1e"):
        FineTune(lrs=(1e30, 1e31), budgets="3 steps").fit_images(trunk(held_out=last_fifth(train)), train)
    with pytest.raises(RunError, match="diverged on all 40 labels"):
        FineTune(lrs=1e30, budgets="3 steps").fit_images(trunk(), train)


def test_a_choice_no_better_than_chance_is_said(make):
    train = make(40)
    train = replace(train, labels=np.repeat(np.arange(2), 20)[np.argsort(np.arange(40) % 7, kind="stable")])
    fitted = FineTune(lrs=(1e-12, 2e-12), budgets="1 steps").fit_images(trunk(held_out=last_fifth(train)), train)
    assert any("no better than not looking" in note for note in fitted.notes)


def test_held_out_labels_that_rank_nothing_are_refused(make):
    train = make(12, multi_label=True)
    train.labels[:] = [1, 0, 0]
    train.labels[0] = [0, 1, 1]
    with pytest.raises(DataError, match="cannot choose"):
        FineTune().fit_images(trunk(held_out=last_fifth(train)), train)


# settings


def test_presets():
    paper = build_readout("fine_tune", {"preset": "paper"})
    assert (paper.lrs, paper.head_lr_factor, paper.momentum, paper.weight_decay) == ((0.01, 0.001), 100, 0.9, 0)
    assert (paper.batch * paper.accumulation, paper.batch, paper.budgets) == (256, 64, ("2500 steps", "90 epochs"))
    assert (paper.schedule, paper.augmentation, paper.crop_fraction) == ("as_described", "inception_crop", 0.875)
    assert build_readout("fine_tune", {"preset": "paper_as_run"}) == replace(paper, schedule="as_run")
    assert build_readout("fine_tune", {"preset": "cpu"}) == FineTune()
    assert FineTune(lrs=[0.01], budgets=["2 epoch"]) == FineTune(lrs=(0.01,), budgets="2 epochs")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"lrs": []}, "nothing to try"),
        ({"lrs": [0]}, "give numbers > 0"),
        ({"lrs": ["fast"]}, "cannot use"),
        ({"head_lr_factor": 0}, "give numbers > 0"),
        ({"budgets": [100]}, "give a text such as '2500 steps'"),
        ({"budgets": ["0 steps"]}, "'0 steps' is no budget"),
        ({"budgets": ["10 hours"]}, "no budget"),
        ({"drops": [30, 60]}, "fractions of the budget"),
        ({"schedule": "as_published"}, "give 'as_described' or 'as_run'"),
        ({"momentum": 1}, "momentum"),
        ({"weight_decay": -1}, "weight_decay of 0 or more"),
        ({"batch": 1}, "two images"),
        ({"accumulation": 0}, "accumulation ≥ 1"),
        ({"accumulation": 1.5}, "whole number"),
        ({"crop_fraction": 0}, "crop_fraction"),
        ({"augmentation": "inception"}, "did you mean 'inception_crop'"),
        ({"preset": "papers"}, "did you mean 'paper'"),
        ({"lr": 0.1}, "did you mean 'lrs'"),
    ],
)
def test_bad_settings_get_one_sentence(wrong, sentence):
    with pytest.raises(SpecError, match=sentence):
        build_readout("fine_tune", wrong)
