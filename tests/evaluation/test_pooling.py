import numpy as np
import pytest
import torch

from undercoat.errors import SpecError
from undercoat.evaluation.pooling import POOLINGS, pool_map, pooled_side, pooling_named

ALEXNET = {
    "conv1": (96, 55, 55), "conv2": (256, 27, 27), "conv3": (384, 13, 13), "conv4": (384, 13, 13),
    "conv5": (256, 13, 13),
}  # fmt: skip
# features of each layer, as the published linear classifiers have them
PUBLISHED = {
    "paper": (9600, 9216, 9600, 9600, 9216),
    "deep_cluster": (9600, 9216, 9600, 9600, 9216),
    "rotnet": (9216, 9408, 9600, 9216, 9216),
    "zhang": (9600, 9216, 9600, 9600, 9216),
    "vissl_alexnet": (9600, 9216, 9600, 9600, 9216),
    "vissl_jigsaw": (9600, 9216, 9600, 9600, 9216),
    "vissl_resnet50": (9216, 9216, 8192, 9216, 8192),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_published_tables_have_their_numbers_of_features(name):
    table = POOLINGS[name]
    found = [pool_map(torch.rand(2, *window.shape), layer, name).flatten(1).shape[1] for layer, window in table.items()]
    assert tuple(found) == PUBLISHED[name] == tuple(window.features for window in table.values())


def test_paper_pooling_is_the_largest_of_each_window():
    """conv1: windows of 6 × 6 that start at -3, 3, 9, …; what lies outside of the map never wins."""
    maps = torch.randn(1, 96, 55, 55)
    found = pool_map(maps, "conv1", "paper")[0, 5].numpy()
    plane = np.pad(maps[0, 5].numpy(), 3, constant_values=-np.inf)
    expected = [[plane[6 * i : 6 * i + 6, 6 * j : 6 * j + 6].max() for j in range(10)] for i in range(10)]
    assert np.array_equal(found, np.array(expected))


def test_deep_cluster_pooling_is_the_mean_of_each_window_with_the_zeros_around():
    maps = torch.randn(1, 384, 13, 13)
    plane = np.pad(maps[0, 7].double().numpy(), 1)
    expected = [[plane[3 * i : 3 * i + 3, 3 * j : 3 * j + 3].mean() for j in range(5)] for i in range(5)]
    assert np.allclose(pool_map(maps, "conv3", "deep_cluster")[0, 7].numpy(), np.array(expected), atol=1e-6)


def test_zhang_resizing_is_bilinear_between_pixel_centres():
    ramp = torch.arange(27.0).expand(1, 256, 27, 27)
    expected = (torch.arange(6) + 0.5) * 27 / 6 - 0.5
    assert torch.allclose(pool_map(ramp, "conv2", "zhang")[0, 0, 0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "side"),
    [
        ((96, 55, 55), 10), ((256, 27, 27), 6), ((384, 13, 13), 5), ((256, 13, 13), 6),  # AlexNet: the papers' sides
        ((64, 112, 112), 12), ((2048, 7, 7), 2), ((1280, 7, 7), 2), ((32, 112, 112), 17),  # ResNet, EfficientNet
        ((192, 14, 14), 7), ((768, 2, 2), 2), ((20000, 3, 3), 1), ((3, 8, 6), 6),
    ],
)  # fmt: skip
def test_auto_keeps_as_much_as_fits(shape, side):
    assert pooled_side(shape) == side
    pooled = pool_map(torch.rand(1, *shape), "any", "auto")
    assert pooled.shape == (1, shape[0], side, side)
    assert shape[0] * side**2 <= 9600 or side == 1


def test_auto_follows_its_limit_and_leaves_small_maps_alone():
    maps = torch.rand(2, 8, 4, 4)
    assert pool_map(maps, "any", max_features=32).shape == (2, 8, 2, 2)
    assert torch.equal(pool_map(maps, "any"), maps)
    assert torch.equal(pool_map(maps, "any", max_features=8), maps.amax(dim=(2, 3), keepdim=True))


@pytest.mark.parametrize(
    ("layer", "pooling", "shape", "sentence"),
    [
        ("conv6", "paper", (256, 13, 13), "says nothing about layer 'conv6'; did you mean"),
        ("conv1", "paper", (96, 32, 32), "maps of 96 × 55 × 55, but here they are 96 × 32 × 32"),
        ("conv1", "paper", (64, 55, 55), "but here they are 64 × 55 × 55"),
        ("conv1", "papper", (96, 55, 55), "did you mean 'paper'"),
    ],
)
def test_what_does_not_fit_gets_one_sentence(layer, pooling, shape, sentence):
    with pytest.raises(SpecError, match=sentence):
        pool_map(torch.rand(1, *shape), layer, pooling)


def test_names_are_checked():
    assert pooling_named("auto") == "auto"
    with pytest.raises(SpecError, match="did you mean 'rotnet'"):
        pooling_named("rotnett")
