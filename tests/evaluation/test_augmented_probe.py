import numpy as np
import pytest
import torch
from torch import nn

from undercoat.backbones import build_backbone
from undercoat.errors import SpecError
from undercoat.evaluation import Protocol, evaluate
from undercoat.evaluation.layers import LayerReading
from undercoat.evaluation.readouts import ImageReadout, build_readout
from undercoat.evaluation.readouts.augmented_probe import AugmentedProbe
from undercoat.evaluation.readouts.batched_probe import Candidates
from undercoat.evaluation.readouts.labelled import Trunk
from undercoat.evaluation.ten_crop import ten_crops
from undercoat.evaluation.view import EvaluationView, Pass

SHORT = {"epochs": 6, "drops": (4,), "batch": 16, "lr": 0.02}
LAYERS = ("conv1", "layer2", "final")


def trunk(seed=0, size_px=16, **reading):
    return Trunk(
        backbone=build_backbone("timm/test_resnet", seed=seed),
        reading=LayerReading(**({"layers": LAYERS, "max_features": 64} | reading)),
        once=Pass(view=EvaluationView(size_px=size_px), device=torch.device("cpu"), autocast_dtype=None, batch=64),
    )


@pytest.mark.parametrize("name", ["augmented_probe"])  # others: test_fine_tune, test_segmentation
@pytest.mark.parametrize("several", [False, True])
def test_every_readout_of_images_meets_the_contract(name, several, make):
    train, test = make(60, multi_label=several), make(24, seed=1, multi_label=several)
    readout = build_readout(name, SHORT)
    assert isinstance(readout, ImageReadout)
    frozen = trunk()
    state = {key: value.clone() for key, value in frozen.backbone.state_dict().items()}
    fitted = readout.fit_images(frozen, train, seed=3)
    scores = fitted.predict(test)
    assert list(scores) == list(LAYERS)
    again = readout.fit_images(frozen, train, seed=3).predict(test)
    other = readout.fit_images(frozen, train, seed=4).predict(test)
    backwards = fitted.predict(test.take(np.arange(24)[::-1]))
    for layer, found in scores.items():
        assert found.shape == (24, 3)
        assert found.dtype == np.float32
        assert ((found >= 0) & (found <= 1)).all()
        if not several:
            assert np.allclose(found.sum(1), 1, atol=1e-5)
        assert np.array_equal(found, again[layer])
        assert not np.array_equal(found, other[layer])
        assert np.allclose(found, backwards[layer][::-1], atol=1e-5)
    assert all(torch.equal(value, state[key]) for key, value in frozen.backbone.state_dict().items())


def test_colours_are_learnt(make):
    scores = AugmentedProbe(**SHORT).fit_images(trunk(), make(90, noise=10)).predict(make(45, seed=1, noise=10))
    labels = np.arange(45) % 3
    assert (scores["conv1"].argmax(1) == labels).mean() > 0.8


def test_a_probe_is_what_autograd_trains(make):
    """Without randomness in the views: BatchNorm2d without affine, a linear map, SGD, all by torch itself."""
    train, test = make(32), make(12, seed=1)
    settings = {"epochs": 5, "drops": (3,), "batch": 32, "augmentation": "centre", "crops": 1, "crop_fraction": 1.0}
    frozen = trunk(size_px=8, layers=("conv1",), max_features=10**6)
    scores = AugmentedProbe(**settings, lr=0.05).fit_images(frozen, train, seed=2).predict(test)["conv1"]

    def maps(canvases):
        with torch.no_grad():
            images = torch.from_numpy(canvases.images).permute(0, 3, 1, 2).float() / 255
            return frozen.backbone.eval().maps(images, ["conv1"])["conv1"]

    seen, asked = maps(train), maps(test)
    channels, area = seen.shape[1], seen.shape[2] * seen.shape[3]
    norm, layer = nn.BatchNorm2d(channels, affine=False), nn.Linear(channels * area, 3)
    first = Candidates(torch.ones(1), torch.zeros(1), (2,), area).first_weights(channels * area, 3)
    with torch.no_grad():
        layer.weight.copy_(first.T)
        layer.bias.zero_()
    optimiser = torch.optim.SGD(
        [{"params": [layer.weight], "weight_decay": 1e-5}, {"params": [layer.bias]}], lr=0.05, momentum=0.9
    )
    falls = torch.optim.lr_scheduler.MultiStepLR(optimiser, [3], gamma=0.1)
    for _ in range(5):
        optimiser.zero_grad()
        nn.functional.cross_entropy(layer(norm(seen).flatten(1)), torch.from_numpy(train.labels)).backward()
        optimiser.step()
        falls.step()
    expected = layer(norm.eval()(asked).flatten(1)).softmax(dim=1).detach().numpy()
    assert np.allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("average", ["logits", "probabilities"])
def test_ten_crops_are_averaged_as_they_say(average, make):
    train, test = make(40), make(5, seed=1)
    frozen = trunk(layers=("conv1",))
    settings = {"epochs": 2, "drops": (), "batch": 20}
    fitted = AugmentedProbe(**settings, average=average).fit_images(frozen, train)
    norm, probes = fitted.predict.probes["conv1"]
    crops = ten_crops(torch.from_numpy(test.images), test.aspect, size_px=16)
    with torch.no_grad():
        maps = frozen.backbone.eval().maps(crops.flatten(0, 1), ["conv1"])["conv1"]
        pooled = nn.functional.adaptive_max_pool2d(maps, 1)  # 32 channels of 64
        logits = probes.logits(norm(pooled).flatten(1))[:, 0].reshape(5, 10, 3)
    expected = logits.mean(1).softmax(1) if average == "logits" else logits.softmax(2).mean(1)
    assert np.allclose(fitted.predict(test)["conv1"], expected.numpy(), atol=1e-5)


def test_it_stands_beside_other_readouts_in_a_protocol(make):
    readouts = {"knn": {"k": 3}, "augmented_probe": {"preset": "one_crop", **SHORT}}
    protocol = Protocol(data="coloured", size_px=16, layers=("conv1", "final"), max_features=64, readouts=readouts)
    found = evaluate(build_backbone("timm/test_resnet", seed=0), make(60), make(30, seed=1), protocol)
    assert [(row.readout, row.layer) for row in found.rows][2:] == [
        ("augmented_probe", "conv1"), ("augmented_probe", "final"),
    ]  # fmt: skip
    assert '"crops":1' in found.rows[-1].readout_args
    alone = protocol.model_copy(update={"layers": None, "readouts": {"augmented_probe": SHORT}})
    (row,) = evaluate(build_backbone("timm/test_resnet", seed=0), make(60), make(30, seed=1), alone).rows
    assert row.layer == "final"


def test_views_change_from_epoch_to_epoch_and_no_batch_has_one_image():
    probe = AugmentedProbe(epochs=3, drops=(), batch=4)
    steps = list(probe._steps(9, seed=0))
    assert [len(index) for index, _ in steps] == [4, 4] * 3  # nine images: the ninth would be alone
    assert [len(index) for index, _ in probe._steps(10, seed=0)] == [4, 4, 2] * 3
    assert [int(epoch[0]) for _, epoch in steps] == [0, 0, 1, 1, 2, 2]


def test_presets_and_defaults_are_the_published_ones():
    paper = build_readout("augmented_probe", {"preset": "paper"})
    assert paper == AugmentedProbe()
    assert (paper.lr, paper.weight_decay, paper.epochs, paper.batch, paper.momentum) == (0.01, 1e-5, 36, 192, 0.9)
    assert (paper.drops, paper.augmentation, paper.crops, paper.average) == (
        (10, 20, 30), "inception_crop", 10, "logits",
    )  # fmt: skip
    assert build_readout("augmented_probe", {"preset": "deep_cluster"}).average == "probabilities"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"lr": 0}, "give lr > 0"),
        ({"momentum": 1}, "momentum"),
        ({"batch": 1}, "two images a step"),
        ({"epochs": 3}, "give drops between"),
        ({"crops": 5}, "crops are 1 or 10"),
        ({"average": "votes"}, "averaged are"),
        ({"crop_fraction": 0}, "crop_fraction"),
        ({"augmentation": "inception"}, "did you mean 'inception_crop'"),
        ({"crop": 10}, "did you mean 'crops'"),
    ],
)
def test_bad_settings_get_one_sentence(wrong, sentence):
    with pytest.raises(SpecError, match=sentence):
        build_readout("augmented_probe", wrong)
