"""First weights from images: filters are what the images are made of, and every layer's outputs are normalised."""

import pytest
import torch
from torch import nn

from undercoat.backbones import Backbone, build_backbone, set_k_means_weights
from undercoat.backbones.layers import caught_outputs
from undercoat.errors import SpecError


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("undercoat.backbones.k_means_weights._PATCHES", 1000)
    monkeypatch.setattr("undercoat.backbones.k_means_weights._AXES", 32)


def noise(count=40, size=16, seed=0):
    """Images with structure at several scales."""
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.rand(count, 3, size // k, size // k, generator=generator) for k in (1, 4)]
    return sum(nn.functional.interpolate(layer, size=size) for layer in layers) / 2


def alexnet(**arguments):
    return build_backbone("undercoat/alexnet", arguments={"stem": 32, "width": "tiny", **arguments}, seed=1)


def outputs_of(backbone, images, kind):
    paths = [path for path, part in backbone.trunk.named_modules() if isinstance(part, kind)]
    found = {}
    for path in paths:
        with torch.no_grad(), caught_outputs(backbone.trunk, [path], owner="test") as caught:
            backbone.eval()(images)
        found[path] = caught[path]
    return found


def mean_and_variance(maps):
    return maps.mean(dim=(0, 2, 3)), maps.var(dim=(0, 2, 3), unbiased=False)


@pytest.mark.parametrize("arguments", [{}, {"norm": "none"}, {"groups": 2}])
def test_every_channel_has_mean_0_and_variance_1_over_the_images(arguments):
    backbone, images = alexnet(**arguments), noise()
    set_k_means_weights(backbone, images)
    found = outputs_of(backbone, images, nn.Conv2d)
    assert len(found) == 5
    for path, maps in found.items():
        mean, variance = mean_and_variance(maps)
        assert mean.abs().max() < 1e-3, path
        assert (variance - 1).abs().max() < 1e-3, path


def test_without_a_bias_the_batch_norm_takes_the_mean():
    convolutions = [nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 8, 3, bias=False)]
    norms = [nn.BatchNorm2d(8), nn.BatchNorm2d(8)]
    parts = [part for pair in zip(convolutions, norms, strict=True) for part in (*pair, nn.ReLU())]
    trunk = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone, images = Backbone(trunk, name="", dim=8, channels=3, mean=[0.5] * 3, std=[0.25] * 3), noise()
    set_k_means_weights(backbone, images)
    for maps in outputs_of(backbone, images, nn.BatchNorm2d).values():
        mean, variance = mean_and_variance(maps)
        assert mean.abs().max() < 1e-3
        assert (variance - 1).abs().max() < 1e-3


def test_a_resnet_can_have_them():
    backbone, images = build_backbone("timm/test_resnet", arguments={"stem": "small"}, seed=1), noise()
    before = {key: weight.clone() for key, weight in backbone.trunk.named_parameters() if weight.dim() == 4}
    set_k_means_weights(backbone, images)
    after = dict(backbone.trunk.named_parameters())
    assert before
    assert not any(torch.equal(before[key], after[key]) for key in before)
    assert torch.isfinite(backbone.eval()(images)).all()


def test_filters_find_what_the_images_are_made_of():
    """Images tiled with four patterns of 4 × 4 pixels: each pattern gets the filter that answers it most."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand(4, 3, 4, 4, generator=generator)
    tiles = patterns[torch.randint(4, (20, 6, 6), generator=generator)]  # (20, 6, 6, 3, 4, 4)
    images = tiles.permute(0, 3, 1, 4, 2, 5).reshape(20, 3, 24, 24)
    layers = [nn.Conv2d(3, 4, 4, stride=4), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    backbone = Backbone(nn.Sequential(*layers), name="", dim=2, channels=3, mean=[0.5] * 3, std=[0.25] * 3)
    set_k_means_weights(backbone, images)
    answers = layers[0]((patterns - 0.5) / 0.25)[:, :, 0, 0]
    assert sorted(answers.argmax(dim=0).tolist()) == [0, 1, 2, 3]
    others = answers - 10 * torch.nn.functional.one_hot(answers.argmax(dim=1), 4)
    assert (answers.max(dim=1).values > others.max(dim=1).values + 1).all()


def test_the_seed_decides_and_nothing_of_the_network_that_was_there():
    states = []
    for network, seed in ((1, 0), (2, 0), (1, 1)):
        backbone = build_backbone("undercoat/alexnet", arguments={"stem": 32, "width": "tiny"}, seed=network)
        before = torch.get_rng_state()
        set_k_means_weights(backbone, noise(), seed=seed)
        assert torch.equal(before, torch.get_rng_state())
        assert backbone.training
        states.append(backbone.trunk.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["conv1.weights.weight"], states[2]["conv1.weights.weight"])


@pytest.mark.parametrize("name", ["timm/efficientnet_b0", "timm/vit_tiny_patch16_224", "undercoat/scattering"])
def test_other_networks_are_refused(name):
    with pytest.raises(SpecError, match=r"plain convolutions, such as undercoat/alexnet and ResNets, and .* is none"):
        set_k_means_weights(build_backbone(name), noise(2))


def test_too_few_images_are_refused():
    with pytest.raises(SpecError, match=r"patches for a layer of 96 filters; give k-means first weights more"):
        set_k_means_weights(alexnet(), noise(1))
