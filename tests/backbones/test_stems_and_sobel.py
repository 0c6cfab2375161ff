"""Options of every backbone: a stem for small images, edges in place of colours; and sizes that do not fit."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from networks import tiny_backbone
from undercoat.backbones import build_backbone
from undercoat.backbones.small_stem import make_stem_small
from undercoat.backbones.sobel import Sobel
from undercoat.errors import SpecError
from undercoat.interop import load_backbone, save_backbone

RESNET_WITH_SMALL_STEM = {"conv1": 32, "layer1": 32, "layer2": 16, "layer3": 8, "layer4": 4}


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("timm/resnet18", RESNET_WITH_SMALL_STEM),
        ("timm/test_resnet", RESNET_WITH_SMALL_STEM),  # a stem of three 3 × 3 convolutions
        ("timm/tf_efficientnet_lite0", {"conv1": 32, "layer1": 32, "layer2": 16, "layer5": 2}),
        ("timm/efficientnet_b0", {"conv1": 32, "layer5": 2}),
        ("undercoat/alexnet", {"conv1": 32, "conv5": 7}),
    ],
)
def test_a_small_stem_keeps_small_images_large(name, widths):
    backbone = build_backbone(name, arguments={"stem": "small"}).eval()
    with torch.no_grad():
        maps = backbone.maps(torch.rand(1, 3, 32, 32), list(widths))
    assert {layer: found.shape[-1] for layer, found in maps.items()} == widths


def test_the_new_first_convolution_comes_from_the_seed():
    a, b, c = (
        build_backbone("resnet18", arguments={"stem": "small"}, seed=seed).trunk.conv1.weight for seed in (1, 1, 2)
    )
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.shape == (64, 3, 3, 3)
    assert a.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)  # He et al. 2015, fan out


@pytest.mark.parametrize(
    ("name", "stem", "message"),
    [
        ("convnext_atto", "small", "timm/convnext_atto has no small stem; ResNets, EfficientNets, MobileNets"),
        ("resnet18", "tiny", "stem: 'tiny' is not small"),
    ],
)
def test_stems_that_are_not_there(name, stem, message):
    with pytest.raises(SpecError, match=message):
        build_backbone(name, arguments={"stem": stem})


def test_trained_weights_of_a_large_stem_are_not_thrown_away():
    trunk = build_backbone("resnet18").trunk
    first = trunk.conv1
    with pytest.raises(SpecError, match="trained weights of timm/resnet18 are for its large stem"):
        make_stem_small(trunk, name="timm/resnet18", trained=True)
    assert trunk.conv1 is first
    efficient = build_backbone("tf_efficientnet_lite0").trunk
    first = efficient.conv_stem.weight
    make_stem_small(efficient, name="timm/tf_efficientnet_lite0", trained=True)
    assert efficient.conv_stem.weight is first  # only its stride changed


def test_edges_are_scipys():
    images = torch.rand(2, 3, 7, 9)
    across = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    for found, image in zip(Sobel()(images).numpy(), images.numpy(), strict=True):
        grey = image.mean(axis=0)
        assert np.allclose(found[0], correlate(grey, across, mode="constant"), atol=1e-5)
        assert np.allclose(found[1], correlate(grey, across.T, mode="constant"), atol=1e-5)


def test_edges_do_not_see_colour_that_is_equally_bright():
    red, blue = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    red[:, 0, :, :4], blue[:, 2, :, :4] = 1.0, 1.0
    assert torch.allclose(Sobel()(red), Sobel()(blue))
    assert Sobel()(red)[0, 0].abs().max() > 0
    assert Sobel()(red)[0, 1, 1:-1].abs().max() < 1e-6  # nothing changes from top to bottom


@pytest.mark.parametrize("name", ["undercoat/alexnet", "timm/test_resnet", "timm/tf_efficientnet_lite0"])
def test_any_trunk_can_take_edges(name):
    backbone = build_backbone(name, arguments={"sobel": True}).eval()
    first = next(part for part in backbone.trunk.modules() if isinstance(part, torch.nn.Conv2d))
    assert first.in_channels == 2
    assert backbone.channels == 3
    assert backbone.mean.flatten().tolist() == build_backbone(name).mean.flatten().tolist()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = backbone.trunk(Sobel()((images - backbone.mean) / backbone.std))
        assert torch.equal(backbone(images), expected)
        assert torch.equal(backbone(images[:, :1]), backbone(images[:, :1].expand(-1, 3, -1, -1)))
    assert not any("sobel" in name for name in backbone.state_dict())
    assert all("sobel" not in name for name, _ in backbone.named_parameters())


@pytest.mark.parametrize("name", ["undercoat/alexnet", "timm/test_resnet"])
def test_options_survive_the_disk(name, tmp_path):
    arguments = {"stem": "small", "sobel": True}
    backbone = build_backbone(name, arguments=arguments, seed=3).eval()
    assert backbone.arguments == arguments
    backbone.set_normalisation([0.2, 0.3, 0.4], [0.1, 0.2, 0.3])
    save_backbone(backbone, tmp_path)
    again = load_backbone(tmp_path)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(again(images), backbone(images))
    assert again.arguments == arguments


def test_sobel_is_true_or_false():
    with pytest.raises(SpecError, match="sobel: 'yes' is neither true nor false"):
        build_backbone("timm/test_resnet", arguments={"sobel": "yes"})


@pytest.mark.parametrize(
    ("arguments", "smallest"), [({}, 31), ({"variant": "caffenet"}, 35), ({"stem": 64}, 19), ({"stem": "small"}, 7)]
)
def test_too_small_images_are_told_the_smallest_size(arguments, smallest):
    backbone = build_backbone("undercoat/alexnet", arguments=arguments)
    norm = backbone.state_dict()
    said = (
        rf"images of {smallest - 1} × {smallest - 1} px are too small for undercoat/alexnet.* {smallest} × {smallest}"
    )
    with pytest.raises(SpecError, match=said):
        backbone(torch.rand(4, 3, smallest - 1, smallest - 1))
    assert all(torch.equal(value, norm[key]) for key, value in backbone.state_dict().items())
    assert backbone(torch.rand(4, 3, smallest, smallest)).shape == (4, 256)


def test_one_small_image_has_no_batch_statistics():
    backbone = build_backbone("timm/test_resnet").train()
    with pytest.raises(SpecError, match=r"one image of 1 × 1 px gives the batch norm of timm/test_resnet one value"):
        backbone(torch.rand(1, 3, 1, 1))


def test_a_transformer_says_which_size_it_takes():
    with pytest.raises(
        SpecError, match=r"takes images of 224 × 224 px, not 64 × 64; use size_px: 224, or .*img_size: 64"
    ):
        build_backbone("vit_tiny_patch16_224")(torch.rand(2, 3, 64, 64))


def test_a_wrong_number_of_channels_is_named():
    with pytest.raises(SpecError, match="takes images of 3 channels, not 4"):
        tiny_backbone()(torch.rand(2, 4, 16, 16))


def test_other_errors_are_left_as_they_are():
    backbone = tiny_backbone()
    backbone.trunk[0].register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("of another kind")))
    for pixels in (16, 128):
        with pytest.raises(RuntimeError, match="of another kind"):
            backbone(torch.rand(2, 3, pixels, pixels))
