"""Views with fixed parameters against torchvision, pixel by pixel; drawn parameters against its laws."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from scipy import stats
from skimage import data

from undercoat._torchvision import ensure_importable
from undercoat.augment import Augmentation, Planes, ViewParameters, augmentation, centre_view, render
from undercoat.errors import SpecError
from undercoat.functional.draws import Draws

ensure_importable()
v2 = import_module("torchvision.transforms.v2")
tv = v2.functional


def photograph(height: int = 64, width: int = 64) -> torch.Tensor:
    image = torch.from_numpy(data.astronaut()).permute(2, 0, 1)
    return tv.resize(image, [height, width], antialias=True)


def shown(image: torch.Tensor, parameters: ViewParameters, size_px: int, radius: int = 0) -> torch.Tensor:
    planes = Planes.of(image.permute(1, 2, 0)[None], dtype=torch.float32, low=0.0, high=255.0)
    return render(planes, parameters, size_px=size_px, radius=radius)[0][0]


def crop_of(left: int, top: int, width: int, height: int, side: int = 64) -> ViewParameters:
    return ViewParameters.plain(np.array([[left, top, width, height]]) / side)


@pytest.mark.parametrize("size_px", [16, 32, 64, 100])
@pytest.mark.parametrize("box", [(0, 0, 64, 64), (5, 9, 40, 31), (20, 0, 12, 64), (61, 61, 3, 3)])
def test_a_crop_is_torchvisions_resized_crop(box, size_px):
    left, top, width, height = box
    image = photograph()
    expected = tv.resized_crop(image / 255.0, top, left, height, width, [size_px, size_px], antialias=True)
    assert torch.allclose(shown(image, crop_of(*box), size_px), expected, atol=1e-5)


@pytest.mark.parametrize("sigma_px", [0.4, 1.0, 1.7])
def test_crop_flip_and_blur_together_are_torchvisions(sigma_px):
    image = photograph()
    parameters = crop_of(5, 9, 40, 31)
    changed = replace(parameters, flipped=np.array([[1.0, 0.0]]), sigma_px=np.array([sigma_px]))
    resized = tv.resized_crop(image / 255.0, 9, 5, 31, 40, [48, 48], antialias=True)
    expected = tv.horizontal_flip(tv.gaussian_blur(resized, [17, 17], [sigma_px, sigma_px]))
    assert torch.allclose(shown(image, changed, 48, radius=8), expected, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.6, 1.0, 1.3])
def test_contrast_is_torchvisions(channels, factor):
    image = photograph()[:channels] // 2 + 60  # nothing gets near the ends of the range
    changed = replace(crop_of(0, 0, 64, 64), contrast=np.array([factor]))
    expected = tv.adjust_contrast(image / 255.0, factor)
    assert torch.allclose(shown(image, changed, 64), expected, atol=2e-4)


def test_the_order_of_colour_is_brightness_contrast_saturation_hue():
    image = photograph() // 2 + 60
    drawn = {"brightness": 0.9, "contrast": 1.2, "saturation": 0.7, "hue": 1 / 3}
    changed = replace(crop_of(0, 0, 64, 64), **{name: np.array([value]) for name, value in drawn.items()})
    expected = image / 255.0
    for name, value in drawn.items():
        expected = getattr(tv, f"adjust_{name}")(expected, value)
    assert torch.allclose(shown(image, changed, 64), expected, atol=1e-3)


def test_other_channels_get_brightness_and_contrast_about_their_mean():
    image = torch.randint(60, 180, (5, 16, 16), dtype=torch.uint8)
    whole = ViewParameters.plain(np.array([[0.0, 0.0, 1.0, 1.0]]))
    drawn = {"brightness": 0.9, "contrast": 0.5, "saturation": 0.1, "hue": 0.3, "grey": 1.0}
    changed = replace(whole, **{name: np.array([value]) for name, value in drawn.items()})
    raw = image / 255.0 * 0.9
    assert torch.allclose(shown(image, changed, 16), 0.5 * raw + 0.5 * raw.mean(), atol=1e-5)


def test_drawn_colours_follow_torchvisions_laws():
    count = 2000
    jitter = v2.ColorJitter(0.4, 0.4, 0.4, 0.1)
    torch.manual_seed(0)
    theirs = [jitter.make_params([]) for _ in range(count)]
    draws = Draws(seed=0, epoch=np.zeros(count, dtype=int), index=np.arange(count))
    ours = Augmentation().draw(draws, np.ones(count), view=0)
    jittered = ours.hue != 0
    for name in ("brightness", "contrast", "saturation", "hue"):
        reference = [drawn[f"{name}_factor"] for drawn in theirs]
        assert stats.ks_2samp(getattr(ours, name)[jittered], reference).pvalue > 1e-3, name
    table = np.stack([ours.brightness, ours.contrast, ours.saturation, ours.hue])[:, jittered]
    assert np.abs(np.corrcoef(table) - np.eye(4)).max() < 5 / np.sqrt(count)
    for happened, probability in (
        (jittered, 0.8),
        (ours.grey, 0.2),
        (ours.sigma_px > 0, 0.5),
        (ours.flipped[:, 0], 0.5),
    ):
        assert stats.binomtest(int(happened.sum()), count, probability).pvalue > 1e-3
    assert not ours.flipped[:, 1].any()
    blurred = ours.sigma_px[ours.sigma_px > 0]
    assert stats.kstest(blurred, stats.uniform(0.1, 1.9).cdf).pvalue > 1e-3


def test_whole_views_have_torchvisions_statistics():
    """The recipe as a whole, hue left out (ours is a stand-in): mean and spread of pixels over many views."""
    count, size = 400, 32
    image = photograph()
    recipe = augmentation("moco_v2", size_px=size, hue=0.0)
    draws = Draws(seed=0, epoch=np.zeros(count, dtype=int), index=np.arange(count))
    canvases = image.permute(1, 2, 0)[None].expand(count, -1, -1, -1)
    (ours,) = recipe.views(canvases, torch.ones(count), draws, number=1)
    torch.manual_seed(0)
    sigma = tuple(value * size / 224 for value in recipe.blur_sigma_px)
    pipeline = v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.2, 1.0), antialias=True),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.0)], p=0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(5, sigma)], p=0.5),
            v2.RandomHorizontalFlip(),
        ]
    )
    theirs = torch.stack([pipeline(image / 255.0) for _ in range(count)])
    for statistic in (
        lambda views: views.mean((1, 2, 3)),
        lambda views: views.std((2, 3)).mean(1),
        lambda views: views.std(1).mean((1, 2)),
        lambda views: (views[..., 1:] - views[..., :-1]).abs().mean((1, 2, 3)),
    ):
        assert stats.ks_2samp(statistic(ours), statistic(theirs)).pvalue > 1e-3


def test_small_views_are_blurred_in_proportion():
    draws = Draws(seed=0, epoch=np.zeros(50, dtype=int), index=np.arange(50))
    large, small = (augmentation("moco_v2", size_px=size).draw(draws, np.ones(50), view=0) for size in (224, 56))
    assert small.sigma_px == pytest.approx(large.sigma_px / 4)


@pytest.mark.parametrize("crop_fraction", [0.875, 1.0])
def test_centre_view_is_resize_and_centre_crop(crop_fraction):
    image = photograph(96, 96)
    view = centre_view(image.permute(1, 2, 0)[None], torch.ones(1), size_px=56, crop_fraction=crop_fraction)
    resized = tv.resize(image / 255.0, [round(56 / crop_fraction)], antialias=True)
    assert torch.allclose(view[0], tv.center_crop(resized, [56, 56]), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(128, 256), (300, 150)])
def test_centre_view_keeps_the_proportions_of_the_original(height, width):
    original = tv.gaussian_blur(photograph(height, width), [13, 13], [3.0, 3.0])
    canvas = tv.resize(original, [256, 256], antialias=True)
    view = centre_view(canvas.permute(1, 2, 0)[None], torch.tensor([width / height]), size_px=56)
    expected = tv.center_crop(tv.resize(original / 255.0, [64], antialias=True), [56, 56])
    assert (view[0] - expected).abs().mean() < 0.01
    assert (view[0] - expected).abs().max() < 0.06


@pytest.mark.parametrize("crop_fraction", [0.0, 1.5])
def test_centre_view_refuses_what_is_no_share(crop_fraction):
    with pytest.raises(SpecError, match="crop_fraction"):
        centre_view(torch.zeros(1, 8, 8, 3), torch.ones(1), size_px=4, crop_fraction=crop_fraction)
