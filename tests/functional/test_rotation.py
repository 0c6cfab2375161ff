import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.rotation import linear as slow_linear
from reference.rotation import rounded as slow_rounded
from undercoat.errors import SpecError
from undercoat.functional.geometry import turn
from undercoat.functional.rotation import check_degrees, disc, is_quarter_turn, rotate

ANGLES = [0.0, 12.5, 30.0, 45.0, 89.9, 137.0, -200.0, 359.9]


def noise(count=1, channels=1, size_px=9, seed=0):
    return torch.rand(count, channels, size_px, size_px, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("fill", ["zero", "mean", "reflect"])
@pytest.mark.parametrize("degrees", [-450, -90, 0, 90, 180, 270, 360, 810, 36_000_090])
def test_multiples_of_90_move_pixels_and_change_none(degrees, fill):
    images = noise(2, 3, 8)
    assert torch.equal(rotate(images, degrees, fill=fill), torch.rot90(images, degrees // 90, (2, 3)))


def test_the_pixel_on_the_right_goes_to_the_top():
    image = torch.zeros(1, 1, 5, 5)
    image[..., 2, 4] = 1.0
    for kernel in ("linear", "round"):
        turned = rotate(image, 90.0, fill="reflect", kernel=kernel)[0, 0]
        assert turned.argmax().item() == 2  # row 0, column 2


@settings(max_examples=30, deadline=None)
@given(st.floats(-720, 720), st.integers(3, 8), st.sampled_from(["zero", "mean", "reflect"]), st.integers(0, 99))
def test_linear_agrees_with_the_slow_loop(degrees, size_px, fill, seed):
    if math.isclose(degrees % 45, 0, abs_tol=0.01) or math.isclose(degrees % 45, 45, abs_tol=0.01):
        degrees += 1.0  # at 45° whole rows lie on the canvas's edge, where rounding decides
    image = noise(1, 1, size_px, seed)
    fast = rotate(image, degrees, fill=fill)[0, 0].numpy()
    assert fast == pytest.approx(slow_linear(image[0, 0].double().numpy(), degrees, fill), abs=2e-4)


@pytest.mark.parametrize("degrees", ANGLES)
def test_round_agrees_with_the_slow_loop_where_its_kernel_fits(degrees):
    image = noise(1, 1, 13)
    fast = rotate(image, degrees, kernel="round")[0, 0]
    for row in range(4, 9):
        for column in range(4, 9):
            slow = slow_rounded(image[0, 0].double().numpy(), degrees, row, column)
            assert fast[row, column].item() == pytest.approx(slow, abs=1e-3), (row, column)


@pytest.mark.parametrize("degrees", ANGLES)
def test_linear_agrees_with_the_turn_of_augmentation(degrees):
    images = noise(2, 3, 16)
    inner = turn(images, torch.full((2,), degrees), size_px=8)
    assert torch.allclose(rotate(images, degrees)[..., 4:12, 4:12], inner, atol=1e-4)


@pytest.mark.parametrize("kernel", ["linear", "round"])
def test_each_image_is_turned_by_its_own_angle(kernel):
    images, angles = noise(len(ANGLES), 2), np.array(ANGLES)
    together = rotate(images, angles, fill="mean", kernel=kernel)
    for image, angle, turned in zip(images, angles, together, strict=True):
        assert torch.allclose(rotate(image[None], angle, fill="mean", kernel=kernel)[0], turned, atol=1e-6)


@pytest.mark.parametrize("degrees", ANGLES)
def test_forth_and_back_is_almost_nothing_for_a_smooth_image(degrees):
    y, x = torch.meshgrid(torch.linspace(-1, 1, 33), torch.linspace(-1, 1, 33), indexing="ij")
    image = (0.5 + 0.3 * torch.sin(2 * x + y))[None, None]
    back = rotate(rotate(image, degrees, fill="reflect"), -degrees, fill="reflect")
    assert (back - image)[..., disc(33)].abs().max() < 0.01


def test_what_is_outside_the_disc_says_nothing_of_the_image():
    for degrees in (0.0, 30.0, 90.0):
        for kernel in ("linear", "round"):
            turned = rotate(noise(2, 3), degrees, kernel=kernel, outside=0.25)
            assert (turned[..., ~disc(9)] == 0.25).all()
    assert torch.equal(disc(9), torch.rot90(disc(9), 1, (0, 1)))
    rim = (torch.arange(9) - 4).abs() == 4
    assert not disc(9)[rim].any()


@pytest.mark.parametrize("degrees", [10.0, 45.0, 200.0])
def test_corners_show_the_fill(degrees):
    images = torch.stack([torch.full((3, 16, 16), 0.5), noise(1, 3, 16)[0]])
    corners = {fill: rotate(images, degrees, fill=fill)[..., 0, 0] for fill in ("zero", "mean", "reflect")}
    assert (corners["zero"] == 0).all()
    assert torch.allclose(corners["mean"], images.mean((2, 3)), atol=1e-6)
    assert torch.allclose(corners["reflect"][0], torch.tensor(0.5))


def powers(degrees, kernel, size_px=21):
    """Variance of white noise of variance 1 at each pixel well inside, after turning: the kernel's squared weights."""
    impulses = torch.eye(size_px**2).reshape(-1, 1, size_px, size_px)
    return rotate(impulses, degrees, kernel=kernel).square().sum(0)[0, 6:15, 6:15]


def test_noise_has_one_power_at_every_angle_with_the_round_kernel_and_many_without():
    all_round = torch.cat([powers(degrees, "round").flatten() for degrees in (0.0, 10.0, 30.0, 45.0)])
    assert all_round.max() / all_round.min() < 1.008  # 0.4 % an axis
    # a Gaussian's squared weights sum to 1 / (4 π σ²), a little more as its tails are cut
    assert all_round.mean().item() == pytest.approx(1 / (4 * math.pi * 0.9**2), rel=0.01)
    plain = powers(30.0, "linear")
    assert plain.max() / plain.min() > 3  # 1 on a pixel, 1/4 amid four


@pytest.mark.parametrize("kernel", ["linear", "round"])
def test_gradients_pass_and_add_up(kernel):
    images = noise(3, 2, 8).requires_grad_()
    rotate(images, np.array([0.0, 30.0, 90.0]), kernel=kernel).sum().backward()
    # each shown pixel is an average of pixels: its weights sum to 1
    assert torch.allclose(images.grad.sum((2, 3)), disc(8).sum().float().expand(3, 2), atol=1e-3)


def test_bfloat16_comes_back_as_it_came():
    images = noise(2, 3, 8)
    for kernel in ("linear", "round"):
        turned = rotate(images.bfloat16(), np.array([90.0, 30.0]), kernel=kernel)
        assert turned.dtype == torch.bfloat16
        assert torch.allclose(turned.float(), rotate(images, np.array([90.0, 30.0]), kernel=kernel), atol=0.02)


@pytest.mark.parametrize("degrees", [math.nan, math.inf, -math.inf, "upright", None, [0.0, math.nan]])
def test_what_is_no_angle_is_refused_by_name(degrees):
    with pytest.raises(SpecError, match=r"theta is .*no angle: give it in degrees"):
        check_degrees("theta", degrees)
    with pytest.raises(SpecError, match="degrees is"):
        rotate(noise(2), degrees)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 2, 2), (1, 1, 8, 9)])
def test_images_that_cannot_be_turned_are_refused_with_their_size(shape):
    with pytest.raises(SpecError, match=f"{shape[3]} × {shape[2]} pixels"):
        rotate(torch.zeros(shape), 30.0)


def test_unknown_words_get_a_suggestion():
    with pytest.raises(SpecError, match="did you mean 'reflect'"):
        rotate(noise(), 30.0, fill="reflection")
    with pytest.raises(SpecError, match="kernel is 'cubic', not one of linear, round"):
        rotate(noise(), 30.0, kernel="cubic")


@given(st.integers(-(10**6), 10**6))
def test_quarter_turns_are_recognised(quarters):
    assert is_quarter_turn(90.0 * quarters)
    assert not is_quarter_turn(90.0 * quarters + 0.001)
