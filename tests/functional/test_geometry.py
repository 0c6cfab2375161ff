from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from undercoat._torchvision import ensure_importable
from undercoat.functional.draws import Draws
from undercoat.functional.geometry import (
    CROP_TRIES,
    blur_matrix,
    centre_boxes,
    crop_boxes,
    resize_matrix,
    turn,
    turned_size_px,
)

ensure_importable()
v2 = import_module("torchvision.transforms.v2")

COUNT = 3000
RECIPE = {"scale": (0.2, 1.0), "ratio": (3 / 4, 4 / 3)}


def boxes_of(aspect: float, count: int = COUNT, **recipe: tuple[float, float]) -> np.ndarray:
    draws = Draws(seed=0, epoch=np.zeros(count, dtype=int), index=np.arange(count))
    uniform = draws.uniform("crop", 2 * CROP_TRIES + 2)
    return crop_boxes(uniform, np.full(count, aspect), **{**RECIPE, **recipe})


def torchvision_boxes(width: int, height: int) -> np.ndarray:
    torch.manual_seed(0)
    crop, image = v2.RandomResizedCrop(64, **RECIPE), torch.empty(3, height, width)
    drawn = [crop.make_params([image]) for _ in range(COUNT)]
    boxes = np.array([[d["left"], d["top"], d["width"], d["height"]] for d in drawn], dtype=float)
    return boxes / np.array([width, height, width, height])


@pytest.mark.parametrize(("width", "height"), [(1000, 1000), (2000, 1000), (700, 2100)])
def test_crop_boxes_follow_torchvisions_law(width, height):
    aspect = width / height
    ours, theirs = boxes_of(aspect), torchvision_boxes(width, height)
    for name, value in {
        "area": lambda box: box[:, 2] * box[:, 3],
        "ratio": lambda box: aspect * box[:, 2] / box[:, 3],
        "left": lambda box: box[:, 0],
        "top": lambda box: box[:, 1],
    }.items():
        # A full side is a lump of probability in both; torchvision's whole pixels move it a hair: round both.
        same = stats.ks_2samp(value(ours).round(3), value(theirs).round(3))
        assert same.pvalue > 1e-3, (name, same)


@given(aspect=st.floats(0.1, 10.0), low=st.floats(0.01, 1.0), seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_crop_boxes_stay_inside_the_image(aspect, low, seed):
    uniform = np.random.default_rng(seed).random((20, 2 * CROP_TRIES + 2))
    boxes = crop_boxes(uniform, np.full(20, aspect), scale=(low, 1.0), ratio=(0.5, 2.0))
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] > 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= 1 + 1e-9).all()
    shape = aspect * boxes[:, 2] / boxes[:, 3]
    assert (shape > 0.5 - 1e-9).all()
    assert (shape < 2.0 + 1e-9).all()


def test_a_crop_that_never_fits_falls_back_to_the_largest_centred_one():
    boxes = boxes_of(4.0, count=3, scale=(1.0, 1.0))
    assert boxes == pytest.approx(np.tile([1 / 3, 0.0, 1 / 3, 1.0], (3, 1)))


def test_centre_boxes_are_square_in_the_original():
    aspect = np.array([0.5, 1.0, 2.0])
    boxes = centre_boxes(aspect, fraction=0.875)
    assert aspect * boxes[:, 2] == pytest.approx(boxes[:, 3])
    assert np.maximum(boxes[:, 2], boxes[:, 3]) == pytest.approx(0.875)
    assert boxes[:, :2] + boxes[:, 2:] / 2 == pytest.approx(0.5)


@pytest.mark.parametrize("size_out", [5, 16, 48, 100])
@pytest.mark.parametrize("crop", [(0, 64), (3, 60), (10, 25), (63, 64)])
def test_resize_matrix_is_torchs_antialiased_bilinear(crop, size_out):
    signal = torch.rand(1, 1, 1, 64, dtype=torch.float32)
    matrix = resize_matrix(torch.tensor([crop], dtype=torch.float32), size_in=64, size_out=size_out)
    cropped = signal[..., crop[0] : crop[1]]
    expected = torch.nn.functional.interpolate(cropped, (1, size_out), mode="bilinear", antialias=True)
    assert torch.allclose(matrix @ signal[0, 0, 0], expected[0, 0, 0], atol=1e-5)


@given(
    start=st.floats(0, 50),
    length=st.floats(1, 14),
    size_out=st.integers(2, 40),
    edge=st.sampled_from(["crop", "image"]),
)
@settings(max_examples=50, deadline=None)
def test_resize_rows_are_averages_and_mirror_when_the_crop_runs_backwards(start, length, size_out, edge):
    ends = torch.tensor([[start, start + length], [start + length, start]], dtype=torch.float32)
    matrix = resize_matrix(ends, size_in=64, size_out=size_out, edge=edge)
    assert (matrix >= 0).all()
    assert torch.allclose(matrix.sum(2), torch.ones(2, size_out), atol=1e-5)
    assert torch.allclose(matrix[0], matrix[1].flip(0), atol=1e-3)
    # The middle of the crop stays its middle: a ramp is mapped to a ramp about the same centre.
    if edge == "image" and start > length and start + 2 * length < 64:
        ramp = matrix[0] @ (torch.arange(64.0) + 0.5)
        # exact where the axis grows; where it shrinks, a triangle that is sampled at whole pixels leans by up to 0.06
        assert ramp.mean().item() == pytest.approx(start + length / 2, abs=1e-3 if length <= size_out else 0.07)


def test_mirrored_edges_continue_the_image():
    ends = torch.tensor([[-8.0, 16.0]])
    matrix = resize_matrix(ends, size_in=8, size_out=24, edge="mirror")
    expected = torch.cat([torch.arange(8.0).flip(0), torch.arange(8.0), torch.arange(8.0).flip(0)])
    assert torch.allclose(matrix[0] @ torch.arange(8.0), expected)


@pytest.mark.parametrize("sigma", [0.3, 0.57, 1.0, 2.0])
def test_blur_is_torchvisions_gaussian(sigma):
    image = torch.rand(1, 40, 40)
    expected = v2.functional.gaussian_blur(image, kernel_size=[17, 17], sigma=[sigma, sigma])
    blur = blur_matrix(torch.tensor([sigma]), size=40, radius=8)[0]
    assert torch.allclose(blur @ image[0] @ blur.T, expected[0], atol=1e-6)


def test_blur_leaves_alone_what_it_should():
    blur = blur_matrix(torch.tensor([0.0, 1.5]), size=12, radius=6)
    assert torch.equal(blur[0], torch.eye(12))
    assert torch.allclose(blur.sum(2), torch.ones(2, 12), atol=1e-6)


@pytest.mark.parametrize("size_px", [8, 9])
def test_quarter_turns_are_exact_and_four_of_them_nothing(size_px):
    outer_px = turned_size_px(size_px)
    image = torch.rand(1, 2, outer_px, outer_px)
    margin = (outer_px - size_px) // 2
    middle = image[..., margin:-margin, margin:-margin]
    for quarter in range(5):
        turned = turn(image, torch.tensor([90.0 * quarter]), size_px=size_px)
        assert torch.allclose(turned, torch.rot90(middle, quarter, (2, 3)), atol=1e-4)


def test_turning_agrees_with_torchvision_away_from_the_corners():
    image = torch.rand(1, 3, 41, 41)
    expected = v2.functional.rotate(image, 25.0, interpolation=v2.InterpolationMode.BILINEAR)
    turned = turn(image, torch.tensor([25.0]), size_px=21)
    assert torch.allclose(turned, expected[..., 10:31, 10:31], atol=1e-4)
