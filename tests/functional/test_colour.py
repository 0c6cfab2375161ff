from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from undercoat._torchvision import ensure_importable
from undercoat.functional.colour import GREY_WEIGHTS, colour_matrix, hue_matrix

ensure_importable()
tv = import_module("torchvision.transforms.v2.functional")


def mixed(matrix: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    return torch.einsum("ij,jhw->ihw", matrix, image)


def one(gain: float = 1.0, saturation: float = 1.0, hue: float = 0.0, grey: float = 0.0) -> torch.Tensor:
    return colour_matrix(*(torch.tensor([value]) for value in (gain, saturation, hue, grey)))[0]


def muted(seed: int = 0) -> torch.Tensor:
    """Colours so far from the ends of the range that torchvision has nothing to clip."""
    generator = torch.Generator().manual_seed(seed)
    return 0.35 + 0.3 * torch.rand(3, 8, 8, generator=generator)


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.4])
def test_brightness_and_saturation_are_torchvisions_before_clipping(factor):
    image = muted()
    assert torch.allclose(mixed(one(gain=factor), image), tv.adjust_brightness(image, factor), atol=1e-6)
    expected = tv.adjust_saturation(image, factor)
    assert torch.allclose(mixed(one(saturation=factor), image), expected, atol=2e-4)


def test_grey_is_torchvisions():
    image = muted()
    expected = tv.rgb_to_grayscale(image, num_output_channels=3)
    assert torch.allclose(mixed(one(grey=1.0), image), expected, atol=2e-4)
    assert sum(GREY_WEIGHTS) == pytest.approx(1.0)


def test_a_third_of_the_circle_swaps_channels_as_hsv_does():
    image = muted()
    for third in (1 / 3, -1 / 3):
        turned = mixed(one(hue=third), image)
        assert torch.allclose(turned, tv.adjust_hue(image, third), atol=1e-5)
    assert torch.allclose(mixed(one(hue=1 / 3), image), image[[2, 0, 1]], atol=1e-5)


@given(hue=st.floats(-0.5, 0.5), other=st.floats(-0.5, 0.5), level=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_hue_is_a_rotation_that_keeps_greys_and_mean(hue, other, level):
    first, second = hue_matrix(torch.tensor([hue, other]))
    both = hue_matrix(torch.tensor([hue + other]))[0]
    assert torch.allclose(first @ second, both, atol=1e-5)
    assert torch.allclose(first @ torch.full((3,), level), torch.full((3,), level), atol=1e-5)
    assert torch.allclose(first @ first.T, torch.eye(3), atol=1e-5)
    image = muted()
    assert mixed(first, image).mean().item() == pytest.approx(image.mean().item(), abs=1e-5)


@pytest.mark.parametrize(("hue", "share"), [(0.1, 0.65), (0.4, 0.2)])
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_hue_stands_in_for_the_hsv_shift(name, hue, share):
    photograph = torch.from_numpy(getattr(data, name)()[::8, ::8]).permute(2, 0, 1) / 255.0

    def distance(ours: float, theirs: float) -> float:
        turned = mixed(one(hue=ours), photograph).clamp(0, 1)
        return (turned - tv.adjust_hue(photograph, theirs)).abs().mean().item()

    moved = (distance(0.0, hue) + distance(0.0, -hue)) / 2
    same_way = (distance(hue, hue) + distance(-hue, -hue)) / 2
    other_way = (distance(hue, -hue) + distance(-hue, hue)) / 2
    assert same_way < share * moved  # small turns: the right way, but no copy of HSV's; see the documentation
    assert same_way < 0.6 * other_way
    strength = (distance(hue, 0.0) + distance(-hue, 0.0)) / 2
    assert strength == pytest.approx(moved, rel=0.35)


@given(
    gain=st.floats(0.3, 2),
    saturation=st.floats(0, 2),
    hue=st.floats(-0.5, 0.5),
    grey=st.sampled_from([0.0, 1.0]),
)
@settings(max_examples=50, deadline=None)
def test_every_matrix_only_scales_greys(gain, saturation, hue, grey):
    matrix = one(gain, saturation, hue, grey)
    assert torch.allclose(matrix.sum(1), torch.full((3,), gain), atol=1e-5)
    if grey:
        assert torch.allclose(matrix[0], matrix[2], atol=1e-6)
