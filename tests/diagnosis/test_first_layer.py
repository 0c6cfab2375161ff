"""What is drawn is what the layer does to an image."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from undercoat.backbones import Backbone, build_backbone
from undercoat.diagnosis.first_layer import alike, first_filters
from undercoat.errors import SpecError


def backbone_of(*layers, channels=3):
    return Backbone(nn.Sequential(*layers), name="", dim=4, channels=channels, mean=[0.5], std=[0.25])


def norm_with_history(channels):
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias), nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.1, 3)
    return norm


def test_with_batch_norm_the_filters_are_the_layers_response_but_for_an_offset():
    torch.manual_seed(0)
    first, norm = nn.Conv2d(3, 4, 5), norm_with_history(4)
    filters = first_filters(backbone_of(first, norm, nn.ReLU()))
    images = torch.randn(2, 3, 9, 9)
    layer = norm.eval()(first(images))
    offset = layer - conv2d(images, filters)
    assert offset.std(dim=(0, 2, 3)).max() < 1e-5


def test_norm_that_comes_later_or_keeps_no_statistics_is_not_folded_in():
    torch.manual_seed(0)
    for after in ([nn.ReLU(), norm_with_history(4)], [nn.BatchNorm2d(4, track_running_stats=False)], [nn.ReLU()]):
        first = nn.Conv2d(3, 4, 3)
        assert first_filters(backbone_of(first, *after)).equal(first.weight)


@pytest.mark.parametrize("name", ["timm/resnet18", "timm/tf_efficientnet_lite0", "undercoat/alexnet"])
def test_norms_of_real_networks_are_found(name):
    backbone = build_backbone(name)
    norm = next(part for part in backbone.modules() if isinstance(part, nn.BatchNorm2d))
    plain = first_filters(backbone)
    nn.init.constant_(norm.weight, -2)
    assert torch.allclose(first_filters(backbone), -2 * plain, atol=1e-6)


def test_a_network_of_edges_is_shown_by_what_it_does_to_grey():
    backbone = build_backbone("undercoat/alexnet", arguments={"sobel": True, "stem": "small"})
    filters = first_filters(backbone)
    grey = torch.rand(1, 1, 40, 40)
    with torch.no_grad():
        maps = backbone.trunk.get_submodule("conv1.weights")(backbone.sobel(grey))
    gain = backbone.trunk.get_submodule("conv1.norm").weight / (1 + 1e-5) ** 0.5
    stride = backbone.trunk.get_submodule("conv1.weights").stride
    padding = filters.shape[-1] // 2
    ours = conv2d(grey, filters, stride=stride, padding=padding)
    maps = (maps - backbone.trunk.get_submodule("conv1.weights").bias[:, None, None]) * gain[:, None, None]
    assert torch.allclose(ours[..., 5:-5, 5:-5], maps[..., 5:-5, 5:-5], atol=1e-4)


def test_the_network_is_left_as_it_was():
    backbone = build_backbone("timm/test_resnet").train()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    first_filters(backbone)
    assert backbone.training
    assert all(tensor.equal(before[name]) for name, tensor in backbone.state_dict().items())
    assert not any(part._forward_hooks for part in backbone.modules())


def test_transformers_have_filters_too():
    assert first_filters(build_backbone("timm/test_vit")).shape[1] == 3


def test_without_a_convolution_there_is_nothing_to_draw():
    with pytest.raises(SpecError, match="has no convolution"):
        first_filters(backbone_of(nn.AdaptiveAvgPool2d(1), nn.Flatten()))


def test_filters_of_colour_and_of_grey_are_compared_on_grey():
    colour = torch.rand(2, 3, 3, 3)
    one, other = alike(colour, torch.rand(5, 1, 5, 5))
    grey = torch.rand(1, 1, 5, 5)
    assert torch.allclose(conv2d(grey, one), conv2d(grey.expand(1, 3, 5, 5)[..., 1:-1, 1:-1], colour), atol=1e-6)
    assert other.shape == (5, 1, 5, 5)
