from importlib import import_module

import numpy as np
import pytest
import torch
from PIL import Image

from undercoat._torchvision import ensure_importable
from undercoat.evaluation.ten_crop import ten_crop_boxes, ten_crops

ensure_importable()
transforms = import_module("torchvision.transforms")


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_ten_crops_of_a_square_are_torchvisions():
    image = noise(64, 64)
    ours = ten_crops(torch.from_numpy(image)[None], np.ones(1), size_px=56)[0]
    theirs = transforms.TenCrop(56)(torch.from_numpy(image).permute(2, 0, 1).float() / 255)
    assert torch.allclose(ours, torch.stack(list(theirs)), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(48, 96), (96, 48)])
def test_ten_crops_of_other_shapes_are_those_of_the_resized_image(height, width):
    """The canvas is the image squeezed to a square; the crops are torchvision's of the image in its proportions."""
    image = np.array(Image.fromarray(noise(6, 8)).resize((width, height), Image.Resampling.BICUBIC))
    canvas = np.array(Image.fromarray(image).resize((96, 96), Image.Resampling.BICUBIC))
    ours = ten_crops(torch.from_numpy(canvas)[None], np.array([width / height]), size_px=28)[0]
    resized = transforms.Resize(32, antialias=True)(torch.from_numpy(image).permute(2, 0, 1).float() / 255)
    theirs = torch.stack(list(transforms.TenCrop(28)(resized)))
    assert (ours - theirs).abs().mean() < 0.01
    wrong = (ours.roll(1, 0) - theirs).abs().mean()  # the same crops in another order
    assert wrong > 5 * (ours - theirs).abs().mean()


def test_boxes_lie_in_the_image_and_are_squares_in_its_pixels():
    aspect = np.array([0.25, 1.0, 3.0])
    boxes = ten_crop_boxes(aspect, fraction=0.875)
    assert boxes.min() >= 0
    assert (boxes[..., :2] + boxes[..., 2:]).max() <= 1 + 1e-12
    assert np.allclose(boxes[..., 2] * aspect[:, None], boxes[..., 3])
    assert np.allclose(boxes[:, 4, :2] + boxes[:, 4, 2:] / 2, 0.5)


def test_the_whole_image_is_ten_times_the_same_but_mirrored():
    image = torch.from_numpy(noise(16, 16))[None]
    crops = ten_crops(image, np.ones(1), size_px=16, crop_fraction=1.0)[0]
    assert torch.allclose(crops[:5], crops[:1].expand(5, -1, -1, -1))
    assert torch.allclose(crops[5:], crops[:5].flip(-1), atol=1e-6)
