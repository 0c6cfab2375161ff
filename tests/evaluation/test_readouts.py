from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from undercoat.errors import SpecError
from undercoat.evaluation.readouts import READOUTS, LabelledFeatures, build_readout
from undercoat.evaluation.readouts.batched_probe import Candidates, Schedule, Standardise, train_probes
from undercoat.evaluation.readouts.knn import KNN
from undercoat.evaluation.readouts.linear import Linear

FEATURE_READOUTS = [name for name in READOUTS if hasattr(READOUTS[name], "fit")]  # the others: test_augmented_probe
FEW = {"lrs": (0.003, 0.03, 0.3), "weight_decays": (0.0, 0.1), "epochs": 5, "minimum_steps": 60}


def blobs(count=240, *, dim=8, classes=3, spread=1.5, seed=0, several=False):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, dim)) * 1.5
    labels = np.arange(count) % classes
    features = (centres[labels] + spread * rng.normal(size=(count, dim))).astype(np.float32)
    truth = np.eye(classes, dtype=np.uint8)[labels]
    truth[:, 0] |= (features[:, 0] > 1).astype(np.uint8)
    return LabelledFeatures(
        features=features,
        labels=truth if several else labels,
        classes=tuple("abcdefgh"[:classes]),
        held_out=np.arange(count) % 5 == 0,
    )


def accuracy(fitted, data):
    return (fitted(data.features).argmax(1) == data.labels).mean()


@pytest.mark.parametrize("name", FEATURE_READOUTS)
@pytest.mark.parametrize("several", [False, True])
def test_every_readout_meets_the_contract(name, several):
    train, test = blobs(several=several), blobs(60, seed=1, several=several)
    readout = build_readout(name, FEW if name == "linear" else {})
    before = train.features.copy()
    fitted = readout.fit(train, seed=3)
    scores = fitted(test.features)
    assert scores.shape == (60, 3)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    if not several:
        assert np.allclose(scores.sum(1), 1, atol=1e-5)
    assert np.array_equal(readout.fit(train, seed=3)(test.features), scores)  # bitwise
    assert np.array_equal(train.features, before)
    assert readout.fit(train, seed=3).chosen == fitted.chosen
    shuffled = np.random.default_rng(0).permutation(60)
    assert np.allclose(fitted(test.features[shuffled]), scores[shuffled], atol=1e-5)


@pytest.mark.parametrize("name", FEATURE_READOUTS)
def test_permuted_train_labels_leave_chance(name):
    train, test = blobs(600), blobs(600, seed=1)
    readout = build_readout(name, FEW if name == "linear" else {})
    assert accuracy(readout.fit(train), test) > 0.6
    order = np.random.default_rng(0)
    found = [
        accuracy(readout.fit(replace(train, labels=order.permutation(train.labels))), test)
        for _ in range(8 if name == "linear" else 40)
    ]
    # blobs are few and far apart, so one shuffle can be right for whole blobs: only the mean is at chance
    assert np.mean(found) == pytest.approx(1 / 3, abs=3 * np.std(found) / np.sqrt(len(found)) + 0.01)


def test_knn_agrees_with_scikit_learn():
    train, test = blobs(), blobs(60, seed=1)
    reference = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / 0.07)
    ).fit(train.features, train.labels)
    assert np.allclose(KNN().fit(train)(test.features), reference.predict_proba(test.features), atol=1e-3)


def test_one_neighbour_knows_its_own_bank():
    train = blobs()
    assert accuracy(KNN(k=1).fit(train), train) == 1.0


def test_knn_says_when_all_images_vote():
    fitted = KNN(k=50).fit(blobs(12))
    assert "all 12 training images vote" in fitted.notes[0]
    assert fitted.chosen["k"] == 12


def test_linear_probe_comes_close_to_a_converged_logistic_regression():
    train, test = blobs(900, spread=2.5), blobs(900, spread=2.5, seed=1)
    reference = LogisticRegression(C=1.0).fit(train.features, train.labels)
    fitted = Linear().fit(train)
    assert accuracy(fitted, test) == pytest.approx(reference.score(test.features, test.labels), abs=0.01)
    agree = fitted(test.features).argmax(1) == reference.predict(test.features)
    assert agree.mean() > 0.97


def test_weight_decay_is_the_l2_of_logistic_regression():
    """Decay λ on the mean loss is scikit-learn's C = 1 / (N λ)."""
    train = blobs(300)
    features = torch.from_numpy(train.features)
    standardised = Standardise.of(features)(features)
    targets = torch.eye(3)[torch.from_numpy(train.labels)]
    schedule = Schedule(epochs=1, minimum_steps=1500, batch=300, momentum=0.9, seed=0)
    candidates = Candidates(torch.tensor([0.3]), torch.tensor([0.05]))
    probes = train_probes(standardised, targets, candidates, schedule, multi_label=False)
    reference = LogisticRegression(C=1 / (300 * 0.05), tol=1e-8, max_iter=2000).fit(standardised.numpy(), train.labels)
    assert np.allclose(probes.weight[:, 0].numpy().T, reference.coef_, atol=2e-3)


def test_candidates_do_not_touch_each_other():
    """Trained beside others, one of which diverges, a candidate ends where it ends alone."""
    train = blobs()
    features = Standardise.of(torch.from_numpy(train.features))(torch.from_numpy(train.features))
    targets = torch.eye(3)[torch.from_numpy(train.labels)]
    schedule = Schedule(epochs=3, minimum_steps=30, batch=64, momentum=0.9, seed=0)
    several = Candidates(torch.tensor([0.01, 1e30, 0.1]), torch.tensor([0.0, 1.0, 0.01]))
    together = train_probes(features, targets, several, schedule, multi_label=False)
    assert not torch.isfinite(together.weight[:, 1]).all()
    for place in (0, 2):
        one = Candidates(several.lr[place : place + 1], several.weight_decay[place : place + 1])
        alone = train_probes(features, targets, one, schedule, multi_label=False)
        assert torch.allclose(alone.weight[:, 0], together.weight[:, place], atol=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_a_step_follows_autograd(several):
    """One full-batch step from zero weights against torch's own loss and optimiser."""
    train = blobs(60, several=several)
    features = torch.from_numpy(train.features)
    targets = torch.from_numpy(train.labels).float() if several else torch.eye(3)[torch.from_numpy(train.labels)]
    layer = torch.nn.Linear(8, 3)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimiser = torch.optim.SGD(
        [{"params": [layer.weight], "weight_decay": 0.1}, {"params": [layer.bias]}], lr=0.5, momentum=0.9
    )
    for step in range(4):
        optimiser.param_groups[0]["lr"] = optimiser.param_groups[1]["lr"] = 0.25 * (1 + np.cos(np.pi * step / 4))
        optimiser.zero_grad()
        logits = layer(features)
        if several:
            torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum").div(60).backward()
        else:
            torch.nn.functional.cross_entropy(logits, targets).backward()
        optimiser.step()
    schedule = Schedule(epochs=1, minimum_steps=4, batch=60, momentum=0.9, seed=0)
    ours = train_probes(
        features, targets, Candidates(torch.tensor([0.5]), torch.tensor([0.1])), schedule, multi_label=several
    )
    assert torch.allclose(ours.weight[:, 0], layer.weight.T, atol=1e-5)
    assert torch.allclose(ours.bias[0], layer.bias, atol=1e-5)


def test_the_choice_sees_only_held_out_images():
    """Candidates are fitted without held-out images: flipping their labels turns the choice, not the fit."""
    train = blobs(300, spread=0.3)
    fitted = Linear(lrs=(1e-9, 0.1), weight_decays=(0.0,)).fit(train)
    assert fitted.chosen["lr"] == 0.1
    assert fitted.chosen["held_out_score"] == 1.0
    wrong = np.where(train.held_out, (train.labels + 1) % 3, train.labels)
    assert (
        Linear(lrs=(1e-9, 0.1), weight_decays=(0.0,)).fit(replace(train, labels=wrong)).chosen["held_out_score"] < 0.4
    )


def test_an_edge_of_the_grid_is_said():
    fitted = Linear(lrs=(1e-6, 1e-5), weight_decays=(0.0,)).fit(blobs(300))
    assert "highest tried" in fitted.notes[0]
    one = Linear(lrs=(0.1,), weight_decays=(0.0,)).fit(replace(blobs(300), held_out=None))
    assert one.notes == ()
    assert one.chosen == {"lr": 0.1, "weight_decay": 0.0}


def test_a_diverging_candidate_is_not_chosen():
    assert Linear(lrs=(0.1, 1e30), weight_decays=(0.01,)).fit(blobs()).chosen["lr"] == 0.1
    with pytest.raises(SpecError, match="diverged"):
        Linear(lrs=(1e30, 1e31), weight_decays=(0.01,)).fit(blobs())


def test_features_that_stand_still_or_are_tiny_do_no_harm():
    train, test = blobs(300), blobs(90, seed=1)
    expected = accuracy(Linear(**FEW).fit(train), test)

    def changed(data, constant):
        tiny = data.features * 1e-6 + 1e-4
        return replace(data, features=np.column_stack([tiny, np.full(len(data), constant, np.float32)]))

    found = accuracy(Linear(**FEW).fit(changed(train, 7.0)), changed(test, 8.0))
    assert found == pytest.approx(expected, abs=0.03)


def test_nothing_held_out_is_refused_when_there_is_a_choice():
    with pytest.raises(SpecError, match="no held-out images"):
        Linear().fit(replace(blobs(), held_out=None))


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("knm", {}, "did you mean 'knn'"),
        ("knn", {"temprature": 1}, "did you mean 'temperature'"),
        ("knn", {"k": 0}, "at least one neighbour"),
        ("knn", {"temperature": 0}, "above 0"),
        ("knn", {"k": "many"}, "cannot use"),
        ("linear", {"lrs": []}, "above 0"),
        ("linear", {"lrs": [-1]}, "above 0"),
        ("linear", {"lrs": 0.1}, "cannot use"),
        ("linear", {"weight_decays": [-1]}, "0 or more"),
        ("linear", {"momentum": 1}, "momentum"),
        ("linear", {"epochs": 0}, "epochs"),
        ("linear", {"epochs": 1.5}, "whole number"),
        ("linear", {"lrs": [0.1, float("nan")]}, "above 0"),
        ("linear", {"weight_decays": [float("inf")]}, "0 or more"),
        ("linear", {"preset": ["paper"]}, "no preset"),
        ("knn", {"k": 2.5}, "whole number"),
        ("augmented_probe", {"epochs": 40.0}, "whole number"),
    ],
)
def test_bad_settings_get_one_sentence(name, arguments, sentence):
    with pytest.raises(SpecError, match=sentence) as caught:
        build_readout(name, arguments)
    assert "\n" not in str(caught.value)


def test_lists_and_tuples_make_equal_readouts():
    assert build_readout("linear", {"lrs": [0.1, 0.01]}) == Linear(lrs=(0.01, 0.1))
