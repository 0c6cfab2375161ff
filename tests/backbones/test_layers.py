"""Layers by name for networks of every kind: the same vocabulary, right maps, nothing left behind."""

import pytest
import torch
from torch import nn

from networks import tiny_backbone
from undercoat.backbones import Backbone, build_backbone
from undercoat.errors import SpecError

RESNET = ("conv1", "layer1", "layer2", "layer3", "layer4")


@pytest.fixture(scope="module")
def built():
    """Networks by name and size of image, each built once."""
    known = {}

    def build(name, **arguments):
        key = (name, *arguments.items())
        if key not in known:
            known[key] = build_backbone(name, arguments=arguments).eval()
        return known[key]

    return build


@pytest.mark.parametrize(
    ("name", "channels", "widths"),
    [
        ("timm/resnet18", (64, 64, 128, 256, 512), (16, 8, 4, 2, 1)),
        ("timm/resnet50", (64, 256, 512, 1024, 2048), (16, 8, 4, 2, 1)),
        ("timm/test_resnet", (32, 32, 48, 192, 96), (16, 8, 4, 2, 1)),
        ("timm/efficientnet_b0", (32, 16, 24, 40, 112, 320), (16, 16, 8, 4, 2, 1)),
        ("timm/tf_efficientnet_lite0", (32, 16, 24, 40, 112, 320), (16, 16, 8, 4, 2, 1)),
        ("timm/mobilenetv3_small_050", (16, 8, 16, 24, 288), (16, 8, 4, 2, 1)),
        ("timm/convnext_atto", (40, 40, 80, 160, 320), (8, 8, 4, 2, 1)),
    ],
)
def test_stem_and_stages(built, name, channels, widths):
    backbone = built(name)
    assert backbone.layer_names == ("conv1", *(f"layer{number}" for number in range(1, len(channels))))
    with torch.no_grad():
        maps = backbone.maps(torch.rand(2, 3, 32, 32), backbone.layer_names)
    assert list(maps) == list(backbone.layer_names)
    assert [tuple(found.shape) for found in maps.values()] == [
        (2, count, width, width) for count, width in zip(channels, widths, strict=True)
    ]


def test_conv1_is_after_the_activation_and_the_stages_are_the_modules(built):
    backbone = built("timm/resnet18")
    images = torch.rand(2, 3, 32, 32)
    trunk = backbone.trunk
    with torch.no_grad():
        maps = backbone.maps(images, RESNET)
        conv1 = trunk.act1(trunk.bn1(trunk.conv1((images - backbone.mean) / backbone.std)))
        stages = [trunk.maxpool(conv1)]
        for layer in (trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4):
            stages.append(layer(stages[-1]))
        assert torch.allclose(backbone(images), maps["layer4"].mean(dim=(2, 3)), atol=1e-5)
    assert torch.equal(maps["conv1"], conv1)
    assert all(torch.equal(maps[name], stage) for name, stage in zip(RESNET[1:], stages[1:], strict=True))
    assert min(float(found.min()) for found in maps.values()) >= 0


def test_conv1_of_efficientnet_is_after_its_activation(built):
    found = built("timm/tf_efficientnet_lite0").maps(torch.rand(1, 3, 32, 32), ["conv1"])["conv1"]
    assert found.min() >= 0
    assert found.max() <= 6  # ReLU6


def test_patches_of_a_transformer_are_put_back_in_their_places(built):
    backbone = built("timm/vit_tiny_patch16_224", img_size=64)
    assert backbone.layer_names == tuple(f"layer{number}" for number in range(1, 13))
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        found = backbone.maps(images, ["layer1", "layer12"])
        theirs = backbone.trunk.forward_intermediates(
            (images - backbone.mean) / backbone.std, indices=[0, 11], intermediates_only=True
        )
    for ours, expected in zip(found.values(), theirs, strict=True):
        assert ours.shape == (2, 192, 4, 4)
        assert torch.allclose(ours, expected, atol=1e-5)


def test_maps_with_channels_last_are_turned():
    trunk = nn.Sequential(nn.Conv2d(3, 5, 1))
    layer = nn.Module()
    layer.forward = lambda maps: maps.permute(0, 2, 3, 1)
    trunk.append(layer)
    trunk.output_fmt = "NHWC"
    backbone = Backbone(trunk, name="", dim=5, channels=3, mean=[0.0], std=[1.0])
    assert backbone.maps(torch.rand(2, 3, 4, 6), ["1"])["1"].shape == (2, 5, 4, 6)


def test_paths_of_modules_are_layers_too(built):
    backbone = built("timm/resnet18")
    maps = backbone.maps(torch.rand(2, 3, 32, 32), ["layer1.0.bn1", "bn1", "conv1"])
    assert maps["layer1.0.bn1"].shape == (2, 64, 8, 8)
    assert maps["bn1"].min() < 0  # the activation after it works in place
    assert torch.equal(maps["bn1"].relu(), maps["conv1"])


def test_gradients_reach_the_pixels_and_nothing_stays_hooked():
    backbone = tiny_backbone()
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    backbone.maps(images, ["0"])["0"].sum().backward()
    assert images.grad.abs().sum() > 0
    with pytest.raises(SpecError):
        backbone.maps(images, ["0", "nowhere"])
    with pytest.raises(SpecError):
        backbone.maps(images[:, :2], ["0"])
    assert not any(part._forward_hooks for part in backbone.modules())


def test_catching_changes_nothing(built):
    backbone = built("timm/efficientnet_b0")
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        before = backbone(images)
        backbone.maps(images, backbone.layer_names)
        assert torch.equal(backbone(images), before)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("layer5", r"timm/resnet18 has no layer 'layer5'; did you mean 'layer\d'.*known: conv1, layer1, layer2"),
        ("layer1.0.bn9", r"did you mean 'layer1.0.bn\d'"),
        ("", "has no layer ''"),
        ("global_pool", "'global_pool' of timm/resnet18 gives no map .* use one of conv1"),
    ],
)
def test_layers_that_are_not_there(built, layer, message):
    with pytest.raises(SpecError, match=message):
        built("timm/resnet18").maps(torch.rand(1, 3, 32, 32), [layer])


def test_a_network_of_ones_own_has_paths_only():
    backbone = tiny_backbone()
    assert backbone.layer_names == ()
    assert backbone.maps(torch.rand(1, 3, 8, 8), ["1"])["1"].min() >= 0
    with pytest.raises(SpecError, match="dotted paths of its modules only"):
        backbone.maps(torch.rand(1, 3, 8, 8), ["conv1"])
