import math

import numpy as np
import pytest
import torch

from networks import tiny_backbone
from undercoat.errors import DataError, SpecError
from undercoat.methods import METHODS, Facts, Supervised


def facts(**labels):
    return Facts(images=64, batch=8, steps=10, initialised=False, batch_norm=False, **labels)


def labelled(make_batch, labels):
    batch = make_batch(views=1, size=len(labels))
    batch.labels = labels
    return batch


def set_logits(method, logits):
    """Make the method say ``logits`` whatever it sees."""
    with torch.no_grad():
        method.classifier.weight.zero_()
        method.classifier.bias.copy_(torch.tensor(logits))
    return method


def test_loss_and_accuracy_of_known_logits(make_batch):
    method = set_logits(Supervised(tiny_backbone(), classes=3), [2.0, 0.0, 1.0])
    output = method(labelled(make_batch, torch.tensor([0, 0, 1, 2])))
    total = math.log(math.e**2 + 1 + math.e)
    assert output["loss"].item() == pytest.approx(total - (2 + 2 + 0 + 1) / 4, abs=1e-6)
    assert output["accuracy"].item() == 0.5


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothing_spreads_the_target_evenly(make_batch, smoothing):
    logits, labels = [0.5, -1.0, 2.0, 0.0], [2, 0, 3]
    method = set_logits(Supervised(tiny_backbone(), classes=4, label_smoothing=smoothing), logits)
    probability = np.exp(logits) / np.exp(logits).sum()
    expected = 0.0
    for label in labels:
        for c in range(4):
            expected -= ((1 - smoothing) * (c == label) + smoothing / 4) * math.log(probability[c]) / 3
    assert method(labelled(make_batch, torch.tensor(labels)))["loss"].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_several_labels_at_once_are_scored_class_by_class(make_batch, smoothing):
    logits, labels = [1.0, -2.0], [[1.0, 0.0], [1.0, 1.0]]
    method = Supervised(tiny_backbone(), classes=2, multi_label=True, label_smoothing=smoothing)
    expected = 0.0
    for row in labels:
        for logit, label in zip(logits, row, strict=True):
            yes, target = 1 / (1 + math.exp(-logit)), label * (1 - smoothing) + smoothing / 2
            expected -= (target * math.log(yes) + (1 - target) * math.log(1 - yes)) / 4
    output = set_logits(method, logits)(labelled(make_batch, torch.tensor(labels)))
    assert output["loss"].item() == pytest.approx(expected, abs=1e-6)
    assert set(output) == {"loss"}
    assert method.chance == {}


def test_training_starts_near_chance(make_batch):
    method = Supervised(tiny_backbone(), classes=10)
    loss = method(labelled(make_batch, torch.arange(8)))["loss"].item()
    assert loss == pytest.approx(math.log(10), abs=0.02)
    assert method.chance == {"accuracy": 0.1}


def test_it_learns_planted_classes(make_batch):
    method = Supervised(tiny_backbone(), classes=3)
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    for step in range(40):
        batch = make_batch(step, size=24, views=1, classes=3)
        images = 0.5 * batch.views[0]
        images[torch.arange(24), batch.labels] += 0.5  # the class is the brightest channel
        batch.views = (images,)
        output = method(batch)
        optimiser.zero_grad()
        output["loss"].backward()
        optimiser.step()
    assert output["accuracy"].item() == 1.0


def test_it_is_the_one_method_that_reads_labels():
    assert [name for name, method in METHODS.items() if method.reads_labels] == ["supervised"]


def test_classes_come_from_the_data():
    auto = Supervised.auto(facts(classes=14, multi_label=True))
    assert {name: value.value for name, value in auto.items()} == {"classes": 14, "multi_label": True}
    assert all(value.reason for value in auto.values())


def test_data_without_labels_is_refused_in_a_sentence():
    with pytest.raises(SpecError, match="name labelled data, or choose a self-supervised method"):
        Supervised.auto(facts())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "None classes"),
        ({"classes": 1}, "give 2 or more"),
        ({"classes": 0, "multi_label": True}, "give 1 or more"),
        ({"classes": 3, "label_smoothing": 1.0}, "give 0 to below 1"),
    ],
)
def test_senseless_arguments_are_refused_in_a_sentence(arguments, words):
    with pytest.raises(SpecError, match=words):
        Supervised(tiny_backbone(), **arguments)


@pytest.mark.parametrize(
    ("arguments", "labels", "words"),
    [
        ({}, None, "without labels"),
        ({}, torch.zeros(8, 3), "set multi_label"),
        ({"multi_label": True}, torch.zeros(8, dtype=torch.long), "each of 3 classes"),
        ({}, torch.full((8,), 3), "leave classes auto"),
        ({}, torch.full((8,), -1), "leave classes auto"),
    ],
)
def test_labels_that_do_not_fit_are_refused_in_a_sentence(make_batch, arguments, labels, words):
    batch = make_batch(views=1)
    batch.labels = labels
    with pytest.raises(DataError, match=words):
        Supervised(tiny_backbone(), classes=3, **arguments)(batch)


def test_the_picture_shows_the_worst_mistakes_first(make_batch):
    method = set_logits(Supervised(tiny_backbone(), classes=3).eval(), [2.0, 0.0, 1.0])
    with torch.no_grad():
        (picture,) = method.pictures(labelled(make_batch, torch.tensor([0, 2, 1])))
        assert method.pictures(make_batch(views=1)) == []
    assert picture.captions == [["1: 0.09, said 0", "2: 0.24, said 0", "0: 0.67, said 0"]]


def test_paper_values_can_be_built():
    preset = Supervised.PRESETS["paper"]
    Supervised(tiny_backbone(), classes=1000, **preset.arguments)
    assert (preset.optimiser["lr"], preset.batch, preset.augmentation) == (0.1, 256, "inception_crop")
