"""Probes of several layers at once: as good as alone, from memory or from disk, by the paper's schedule or ours."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from undercoat.errors import SpecError
from undercoat.evaluation.readouts import READOUTS, LabelledFeatures, build_readout, fit_layers, settings_of
from undercoat.evaluation.readouts import rows as rows_module
from undercoat.evaluation.readouts.batched_probe import Candidates, Schedule, Standardise, train_layers, train_probes
from undercoat.evaluation.readouts.linear import Linear
from undercoat.evaluation.readouts.rows import Rows

FEW = {"lrs": (0.003, 0.03, 0.3), "weight_decays": (0.0, 0.1), "epochs": 5, "minimum_steps": 60}


def layers(count=240, *, seed=0, several=False, dims=(8, 30, 3)):
    """The same images as several layers see them, in float16; each is noisier than the one before."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    truth = np.eye(3, dtype=np.uint8)[labels]
    truth[:, 0] |= (np.arange(count) % 4 == 0).astype(np.uint8)
    found = {}
    for place, dim in enumerate(dims):
        centres = np.random.default_rng(place).normal(size=(3, dim)) * 2
        features = (centres[labels] + (1 + place) * rng.normal(size=(count, dim))).astype(np.float16)
        found[f"layer{place}"] = LabelledFeatures(
            features=features,
            labels=truth if several else labels,
            classes=("a", "b", "c"),
            held_out=np.arange(count) % 5 == 0,
        )
    return found


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("name", [name for name in READOUTS if hasattr(READOUTS[name], "fit")])
def test_layers_together_are_the_layers_alone(name, several):
    train, test = layers(several=several), layers(60, seed=1)
    readout = build_readout(name, FEW if name == "linear" else {})
    together = dict(fit_layers(readout, train, seed=3))
    assert list(together) == list(train)
    for layer, fitted in together.items():
        alone = readout.fit(train[layer], seed=3)
        assert fitted.chosen == alone.chosen
        scores = fitted(test[layer].features)
        assert scores.dtype == np.float32
        assert np.array_equal(scores, alone(test[layer].features))


def test_each_layer_has_a_choice_of_its_own():
    train = layers()
    tiny = replace(train["layer0"], features=train["layer0"].features[:, :1])
    noise = np.random.default_rng(5).normal(size=(240, 200)).astype(np.float16)
    chosen = {
        layer: fitted.chosen
        for layer, fitted in fit_layers(Linear(**FEW), {"easy": tiny, "noise": replace(tiny, features=noise)})
    }
    assert chosen["easy"]["held_out_score"] > chosen["noise"]["held_out_score"]
    assert (chosen["easy"]["lr"], chosen["easy"]["weight_decay"]) != (
        chosen["noise"]["lr"],
        chosen["noise"]["weight_decay"],
    )


def test_layers_share_every_minibatch():
    """A layer given twice ends twice in the same place; another order of images would not."""
    rows = torch.randn(50, 4)
    targets = torch.eye(3)[torch.arange(50) % 3]
    one = Candidates(torch.tensor([0.1]), torch.tensor([0.0]))
    schedule = Schedule(epochs=3, minimum_steps=1, batch=16, momentum=0.9, seed=0)
    first, second = train_layers([rows, rows], targets, [one, one], schedule, multi_label=False)
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.weight, train_probes(rows, targets, one, schedule, multi_label=False).weight)


@pytest.fixture
def no_room(monkeypatch):
    """Pretend that memory is full, so that every layer is read from disk."""
    monkeypatch.setattr(rows_module, "_ROOM_BYTES", {"cpu": 0})
    monkeypatch.setattr(rows_module, "_BLOCK", 7)


@pytest.mark.parametrize("several", [False, True])
def test_streaming_from_disk_changes_nothing_that_matters(several, tmp_path, request):
    train, test = layers(several=several), layers(60, seed=1)
    expected = dict(fit_layers(Linear(**FEW), train))
    request.getfixturevalue("no_room")
    kept = {}
    for layer, part in train.items():
        np.save(tmp_path / f"{layer}.npy", part.features)
        kept[layer] = replace(part, features=np.load(tmp_path / f"{layer}.npy", mmap_mode="r"))
        assert Rows(kept[layer].features, None, "cpu").streamed
    for layer, fitted in fit_layers(Linear(**FEW), kept):
        assert fitted.chosen == expected[layer].chosen
        assert np.allclose(fitted(test[layer].features), expected[layer](test[layer].features), atol=1e-4)


def test_the_backbones_own_features_are_never_streamed(no_room):
    assert not Rows(np.ones((10, 4), dtype=np.float32), None, "cpu").streamed


def test_statistics_of_blocks_are_those_of_the_whole():
    rows = torch.randn(1000, 5) * torch.tensor([1.0, 100.0, 1e-3, 1.0, 0.0]) + torch.tensor([0.0, 1e3, 0.0, 7.0, 3.0])
    whole, parts = Standardise.of(rows), Standardise.over(rows.split(17))
    assert torch.allclose(whole.mean, parts.mean, rtol=1e-5, atol=1e-5)
    assert torch.allclose(whole.scale, parts.scale, rtol=1e-4)
    assert parts.scale[4] == 0


@pytest.mark.parametrize("blocks", [1, 7])
def test_statistics_of_channels_are_those_of_batch_norm(blocks):
    maps = torch.randn(40, 4, 3, 2) * torch.tensor([1.0, 5.0, 0.0, 0.1])[:, None, None] + torch.rand(4, 3, 2)
    maps[:, 2] = 7.0  # a channel that stands still
    rows = maps.flatten(1)
    whole = Standardise.of(rows, channels=4) if blocks == 1 else Standardise.over(rows.chunk(blocks), channels=4)
    expected = torch.nn.BatchNorm2d(4, affine=False, eps=1e-12).double()(maps.double()).nan_to_num().float().flatten(1)
    assert torch.allclose(whole(rows), expected, atol=1e-4)
    assert (whole(rows)[:, 12:18] == 0).all()


def test_the_paper_preset_is_torchs_sgd_with_its_schedule():
    """Against BatchNorm2d, a linear map, SGD and MultiStepLR of torch, from the same first weights."""
    train = layers(192)["layer1"]
    probe = build_readout("linear", {"preset": "paper"})
    assert settings_of(probe) == {
        "lrs": (0.01,), "weight_decays": (1e-5,), "epochs": 36, "minimum_steps": 1, "batch": 192, "momentum": 0.9,
        "drops": (10, 20, 30), "initial": "uniform", "statistics": "channel",
    }  # fmt: skip
    features = torch.from_numpy(train.features.astype(np.float32))
    maps, labels = features.reshape(192, 5, 3, 2), torch.from_numpy(train.labels)
    candidates = Candidates(torch.tensor([0.01]), torch.tensor([1e-5]), (4,), 6)
    norm, layer = torch.nn.BatchNorm2d(5, affine=False, eps=1e-12), torch.nn.Linear(30, 3)
    rows = norm(maps).flatten(1)  # one batch is all images, so its statistics are theirs
    with torch.no_grad():
        layer.weight.copy_(candidates.first_weights(30, 3).T)
        layer.bias.zero_()
    parts = [{"params": [layer.weight], "weight_decay": 1e-5}, {"params": [layer.bias]}]
    optimiser = torch.optim.SGD(parts, lr=0.01, momentum=0.9)
    falls = torch.optim.lr_scheduler.MultiStepLR(optimiser, [10, 20, 30], gamma=0.1)
    for _ in range(36):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(layer(rows), labels).backward()
        optimiser.step()
        falls.step()
    expected = layer(rows).softmax(dim=1).detach().numpy()
    lesson = replace(train, held_out=None, channels=5)
    assert np.allclose(probe.fit(lesson, seed=4)(train.features), expected, atol=1e-5)


def test_first_weights_are_glorots():
    drawn = Candidates(torch.ones(3), torch.zeros(3), (7, 8, 7)).first_weights(600, 10).reshape(600, 3, 10)
    bound = np.sqrt(6 / 610)
    assert drawn.abs().max() <= bound
    assert drawn.std() == pytest.approx(bound / np.sqrt(3), rel=0.03)
    assert torch.equal(drawn[:, 0], drawn[:, 2])
    assert not torch.equal(drawn[:, 0], drawn[:, 1])
    as_convolution = Candidates(torch.ones(1), torch.zeros(1), (7,), 25).first_weights(600, 10)
    assert torch.allclose(as_convolution, drawn[:, 0] * np.sqrt(610 / 850), rtol=1e-5)


def test_several_seeds_are_trained_at_once_and_the_first_is_the_number():
    train, test = layers()["layer1"], layers(60, seed=1)["layer1"]
    early = {"lrs": (1e-4, 1e-3), "epochs": 1, "minimum_steps": 1, "initial": "uniform", "seeds": 3}
    chosen = Linear(**early).fit(train).chosen
    assert chosen["probe_seeds"] == 3
    assert chosen["held_out_std"] > 0
    only = {"lrs": (0.03,), "weight_decays": (0.0,), "epochs": 2, "minimum_steps": 1, "initial": "uniform"}
    three, one = Linear(**only, seeds=3).fit(train), Linear(**only).fit(train)
    assert np.allclose(three(test.features), one(test.features), atol=1e-5)
    starts = [Linear(**only).fit(train, seed=seed)(test.features) for seed in (0, 1)]
    assert not np.allclose(*starts)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"preset": "papper"}, "did you mean 'paper'"),
        ({"preset": "paper", "epochs": 5}, "give drops between"),
        ({"drops": [0]}, "give drops between"),
        ({"initial": "ones"}, "first weights are 'zeros' or 'uniform'"),
        ({"seeds": 3}, "add initial: uniform"),
        ({"seeds": 0}, "seeds is 0"),
        ({"statistics": "channels"}, "of a 'feature' or a 'channel'"),
        ({"momentum": 1}, "momentum"),
    ],
)
def test_bad_settings_get_one_sentence(arguments, sentence):
    with pytest.raises(SpecError, match=sentence):
        build_readout("linear", arguments)


def test_what_is_given_beside_a_preset_comes_first():
    probe = build_readout("linear", {"preset": "paper", "epochs": 12, "drops": [4, 8]})
    assert (probe.epochs, probe.drops, probe.lrs) == (12, (4, 8), (0.01,))
    with pytest.raises(SpecError, match="no argument 'preset'"):
        build_readout("knn", {"preset": "paper"})


def test_a_single_candidate_needs_no_held_out_images():
    assert build_readout("linear").chooses
    assert not build_readout("linear", {"preset": "paper"}).chooses
    assert not build_readout("augmented_probe").chooses
