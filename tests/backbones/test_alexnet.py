"""Every row of the papers' AlexNets: maps, counts of weights, first weights, and errors that list what there is."""

from math import prod, sqrt

import pytest
import torch
from torch import nn

from undercoat.backbones import build_backbone, canonical_name, known_backbones, set_trainable
from undercoat.backbones.alexnet import VARIANTS
from undercoat.errors import SpecError

BIG, SMALL = (96, 256, 384, 384, 256), (64, 192, 384, 256, 256)


def alexnet(**arguments):
    return build_backbone("undercoat/alexnet", arguments=arguments).eval()


def sizes(backbone, pixels):
    with torch.no_grad():
        maps = backbone.maps(torch.rand(1, 3, pixels, pixels), backbone.layer_names)
    return [tuple(found.shape[1:]) for found in maps.values()]


def convolutions(widths, *, kernel=11, channels=3, groups=1, normalised=(1, 2, 3, 4, 5)):
    """Weights and biases of five convolutions and the scales and shifts of their norms, counted from the widths."""
    total = 0
    for layer, (k, before, filters) in enumerate(
        zip((kernel, 5, 3, 3, 3), (channels, *widths), widths, strict=False), 1
    ):
        shared = groups if layer in (2, 4, 5) else 1
        total += k * k * before // shared * filters + filters + 2 * filters * (layer in normalised)
    return total


def fully_connected(*, normalised):
    linear = 9216 * 4096 + 4096 * 4096
    return linear + 2 * 4096 * (2 if normalised else 1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, convolutions(BIG)),
        ({"norm": "none"}, convolutions(BIG, normalised=())),
        ({"sobel": True}, convolutions(BIG, channels=2)),
        ({"variant": "rotnet"}, convolutions(SMALL)),
        ({"width": "small"}, convolutions(SMALL)),
        ({"variant": "rotnet", "norm": "none"}, convolutions(SMALL, normalised=())),
        ({"variant": "bigan"}, convolutions(BIG, groups=2, normalised=(2, 3, 4, 5))),
        ({"variant": "jigsaw"}, convolutions(BIG, groups=2, normalised=(3, 4, 5))),
        ({"variant": "caffenet"}, convolutions(BIG, groups=2, normalised=())),
        ({"stem": 32}, convolutions(BIG, kernel=5)),
    ],
)
def test_weights_are_as_many_as_the_widths_say(arguments, expected):
    assert sum(weight.numel() for weight in alexnet(**arguments).parameters()) == expected


@pytest.mark.parametrize(
    ("arguments", "pixels", "expected"),
    [
        ({}, 224, [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)]),
        ({"variant": "rotnet"}, 224, [(64, 55, 55), (192, 27, 27), (384, 13, 13), (256, 13, 13), (256, 13, 13)]),
        ({"variant": "caffenet"}, 227, [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)]),
        ({"variant": "bigan"}, 64, [(96, 16, 16), (256, 8, 8), (384, 4, 4), (384, 4, 4), (256, 4, 4)]),
        ({"variant": "jigsaw"}, 64, [(96, 27, 27), (256, 13, 13), (384, 6, 6), (384, 6, 6), (256, 6, 6)]),
        ({"stem": 64}, 64, [(96, 29, 29), (256, 14, 14), (384, 6, 6), (384, 6, 6), (256, 6, 6)]),
        ({"stem": 32}, 32, [(96, 32, 32), (256, 15, 15), (384, 7, 7), (384, 7, 7), (256, 7, 7)]),
    ],
)
def test_maps_have_the_published_sizes(arguments, pixels, expected):
    assert sizes(alexnet(**arguments), pixels) == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_gives_the_mean_of_its_last_map(variant):
    backbone = alexnet(variant=variant)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        maps = backbone.maps(images, backbone.layer_names)
        features = backbone(images)
    assert features.shape == (2, backbone.dim) == (2, 256)
    assert torch.allclose(features, maps["conv5"].mean(dim=(2, 3)), atol=1e-6)
    lowest = min(float(found.min()) for found in maps.values())
    assert lowest < 0 if variant == "bigan" else lowest >= 0  # a leaky activation lets a fifth through


def test_small_is_the_stem_for_32_pixels():
    small, other = alexnet(stem="small").state_dict(), alexnet(stem=32).state_dict()
    assert all(torch.equal(small[name], other[name]) for name in other)


def test_activations_survive_the_depth_of_a_network_without_norms():
    torch.manual_seed(0)
    images = torch.rand(4, 3, 227, 227)
    backbone = alexnet(variant="caffenet")
    with torch.no_grad():
        spread = backbone.maps(images, ["conv5"])["conv5"].std()
    assert 0.01 < spread < 100


def test_first_weights_are_deep_clusters():
    trunk = alexnet(variant="caffenet").trunk
    for name, fan_out in (("conv1", 121 * 96), ("conv2", 25 * 128), ("conv3", 9 * 384), ("conv4", 9 * 192)):
        weights = trunk.get_submodule(name).weights
        assert weights.weight.std().item() == pytest.approx(sqrt(2 / fan_out), rel=0.02)
        assert weights.bias.abs().max() == 0


def test_other_rules_for_first_weights():
    rotnet = alexnet(variant="rotnet").trunk.conv1.weights
    bound = 1 / sqrt(3 * 11 * 11)  # torch's default: uniform
    assert rotnet.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert alexnet(variant="bigan").trunk.conv3.weights.weight.std().item() == pytest.approx(0.02, rel=0.02)


def test_bigan_takes_images_from_minus_one_to_one():
    seen = []
    backbone = alexnet(variant="bigan")
    backbone.trunk.conv1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    backbone(torch.stack([torch.zeros(3, 64, 64), torch.ones(3, 64, 64)]))
    assert seen[0][0].unique().tolist() == [-1.0]
    assert seen[0][1].unique().tolist() == [1.0]


def test_responses_are_normalised_after_the_first_two_poolings():
    trunk = alexnet(variant="jigsaw").trunk
    block = torch.rand(1, 96, 9, 9)
    pooled = nn.MaxPool2d(3, 2)(block)[0].double()
    channel = 10
    squares = (pooled[channel - 2 : channel + 3] ** 2).sum(dim=0)
    expected = pooled[channel] / (1 + 1e-4 / 5 * squares) ** 0.75
    assert torch.allclose(trunk.pool1(block)[0, channel].double(), expected, atol=1e-6)
    assert isinstance(trunk.pool2[1], nn.LocalResponseNorm)
    assert isinstance(alexnet().trunk.pool1, nn.MaxPool2d)


def test_half_of_the_channels_reach_half_of_the_filters():
    trunk = alexnet(variant="jigsaw").trunk
    maps = torch.rand(1, 96, 5, 5)
    other = maps.clone()
    other[:, 48:] += 1.0
    with torch.no_grad():
        difference = (trunk.conv2.weights(maps) - trunk.conv2.weights(other)).abs().amax(dim=(0, 2, 3))
    assert difference[:128].max() == 0
    assert difference[128:].min() > 0


def test_the_published_head():
    with torch.device("meta"):  # 54 million weights are only counted
        deep_cluster = build_meta(head="fc")
        rotnet = build_meta(head="fc", variant="rotnet")
    assert count(deep_cluster) == convolutions(BIG) + fully_connected(normalised=False)
    assert count(rotnet) == convolutions(SMALL) + fully_connected(normalised=True)
    assert [type(part).__name__ for part in rotnet.trunk.head.fc6] == ["Linear", "BatchNorm1d", "ReLU"]
    assert deep_cluster(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 4096) == (2, deep_cluster.dim)
    assert deep_cluster.trunk.head.pool5(torch.empty(2, 256, 13, 13, device="meta")).shape[2:] == (6, 6)


def build_meta(**arguments):
    return build_backbone("undercoat/alexnet", arguments=arguments)


def count(backbone):
    return sum(prod(weight.shape) for weight in backbone.parameters())


def test_norms_can_be_trained_where_there_are_some():
    backbone = alexnet(variant="bigan")
    set_trainable(backbone, "norm")
    assert sum(weight.requires_grad for weight in backbone.parameters()) == 2 * 4
    for arguments in ({"norm": "none"}, {"variant": "caffenet"}, {"variant": "jigsaw", "norm": "none"}):
        with pytest.raises(SpecError, match="undercoat/alexnet has no normalisation layers to train"):
            set_trainable(alexnet(**arguments), "norm")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widht": "big"}, "no argument 'widht'; did you mean 'width'"),
        ({"frobnicate": 3}, "known: variant, width, norm, groups, lrn, stem, head"),
        ({"variant": "rotnett"}, "use one of deep_cluster, rotnet, bigan, jigsaw, caffenet"),
        ({"groups": 3}, "groups: 3; use one of 1, 2"),
        ({"groups": 2.0}, "groups: 2.0; use one of 1, 2"),
        ({"stem": 32.0}, "stem: 32.0; use one of 224"),
        ({"stem": 128}, "use one of 224, 64, 32, small"),
    ],
)
def test_wrong_arguments_are_told_what_there_is(arguments, message):
    with pytest.raises(SpecError, match=message):
        alexnet(**arguments)


def test_its_name():
    assert canonical_name("alexnet") == "undercoat/alexnet"
    assert "undercoat/alexnet" in known_backbones()
    assert "timm/resnet18" in known_backbones()
    with pytest.raises(SpecError, match="'undercoat/alexnt' is no model of ours; did you mean 'alexnet'"):
        build_backbone("undercoat/alexnt")
