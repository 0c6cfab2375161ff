import pytest
import torch
from torch import nn
from torch.nn import functional as F

from networks import tiny_backbone
from undercoat.backbones import Backbone, build_backbone, canonical_name, set_mode, set_trainable
from undercoat.backbones.grouped_norm import GroupedBatchNorm
from undercoat.backbones.trainable import batch_norms, norm_modules
from undercoat.errors import SpecError


@pytest.mark.parametrize("name", ["timm/resnet10t", "timm/mobilenetv3_small_050", "timm/vit_tiny_patch16_224"])
def test_dim_is_what_the_trunk_gives(name):
    backbone = build_backbone(name).eval()
    pixels = 224 if "vit" in name else 64
    with torch.no_grad():
        assert backbone(torch.rand(2, 3, pixels, pixels)).shape == (2, backbone.dim)


def test_same_seed_same_weights_and_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    a, b, c = (build_backbone("resnet10t", seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(x, y) for x, y in zip(a.values(), b.values(), strict=True))
    assert not torch.equal(a["trunk.conv1.0.weight"], c["trunk.conv1.0.weight"])


def test_images_are_normalised_inside():
    backbone = Backbone(nn.Identity(), name="", dim=3, channels=3, mean=[0.1, 0.2, 0.3], std=[0.5, 1.0, 2.0])
    out = backbone(torch.full((1, 3, 1, 1), 0.6)).flatten()
    assert out.tolist() == pytest.approx([1.0, 0.4, 0.15])


def test_grey_images_are_repeated_for_three_channels():
    backbone = tiny_backbone().eval()
    grey = torch.rand(2, 1, 16, 16)
    assert torch.equal(backbone(grey), backbone(grey.expand(-1, 3, -1, -1)))


def test_many_channels():
    assert build_backbone("resnet10t", channels=13)(torch.rand(2, 13, 32, 32)).shape == (2, 512)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet1", "did you mean 'resnet18'"),
        ("tim/resnet18", "did you mean 'timm'"),
        ("timm/vit_base_patch16", "is no timm model"),
    ],
)
def test_unknown_names_get_a_suggestion(name, message):
    with pytest.raises(SpecError, match=message):
        build_backbone(name)


def test_a_wrong_argument_is_named():
    with pytest.raises(SpecError, match="frobnicate"):
        build_backbone("resnet10t", arguments={"frobnicate": 3})


def test_names_are_spelt_in_full():
    assert canonical_name("resnet18") == canonical_name("timm/resnet18") == "timm/resnet18"


def test_norm_only_trains_every_norm_of_a_real_network():
    backbone = build_backbone("tf_efficientnet_lite0")
    set_trainable(backbone, "norm")
    trained = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * len(norm_modules(backbone)) == 2 * 49
    assert all(".bn" in name for name in trained)


def test_a_network_without_norms_is_refused_with_a_way_out():
    with pytest.raises(SpecError, match="no normalisation layers to train; use train: all"):
        set_trainable(tiny_backbone(norm=False), "norm")
    with pytest.raises(SpecError, match="no batch statistics"):
        set_trainable(build_backbone("vit_tiny_patch16_224"), "statistics")


def test_layer_norms_count_as_norms():
    vit = build_backbone("vit_tiny_patch16_224")
    set_trainable(vit, "norm")
    assert sum(p.requires_grad for p in vit.parameters()) == 2 * len(norm_modules(vit))
    assert batch_norms(vit) == []


@pytest.mark.parametrize(("part", "moves"), [("all", True), ("norm", True), ("statistics", True), ("head", False)])
def test_modes_say_whether_statistics_move(part, moves):
    backbone = tiny_backbone(norm=True)
    set_mode(backbone, part)
    before = backbone.trunk[1].running_mean.clone()
    backbone(torch.rand(4, 3, 16, 16))
    assert (not torch.equal(before, backbone.trunk[1].running_mean)) == moves


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_grouped_norm_is_the_groups_one_by_one(groups):
    norm = nn.BatchNorm2d(3).train()
    images = torch.randn(8, 3, 5, 5, requires_grad=True)
    with GroupedBatchNorm(groups):
        grouped = norm(images)
    alone = torch.cat([F.batch_norm(part, None, None, training=True) for part in images.chunk(groups)])
    assert torch.allclose(grouped, alone, atol=1e-6)


def test_grouped_norm_moves_running_statistics_like_one_step():
    norm = nn.BatchNorm2d(3, momentum=0.1).train()
    images = torch.randn(8, 3, 5, 5) + 2.0
    with GroupedBatchNorm(2):
        norm(images)
    means = [part.mean(dim=(0, 2, 3)) for part in images.chunk(2)]
    assert torch.allclose(norm.running_mean, 0.05 * 0.95 * means[0] + 0.05 * means[1], atol=1e-6)


def test_grouped_norm_leaves_evaluation_alone():
    norm = nn.BatchNorm2d(3).eval()
    images = torch.randn(8, 3, 5, 5)
    with GroupedBatchNorm(2):
        inside = norm(images)
    assert torch.equal(inside, norm(images))


def test_it_reaches_the_norms_of_timm():
    backbone = build_backbone("tf_efficientnet_lite0").train()
    images = torch.rand(8, 3, 32, 32)
    with torch.no_grad():
        plain = backbone(images)
        with GroupedBatchNorm(2):
            grouped = backbone(images)
        halves = torch.cat([backbone(half) for half in images.chunk(2)])
    assert not torch.allclose(plain, grouped, atol=1e-3)
    assert torch.allclose(halves, grouped, atol=1e-3)
