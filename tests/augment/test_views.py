from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from undercoat._torchvision import ensure_importable
from undercoat.augment import AUGMENTATIONS, Augmentation, augmentation
from undercoat.functional.draws import Draws

ensure_importable()
tv = import_module("torchvision.transforms.v2.functional")


def draws_of(index: list[int] | range, *, seed: int = 0, epoch: int = 0) -> Draws:
    where = np.array(list(index))
    return Draws(seed=seed, epoch=np.full(len(where), epoch), index=where)


def noise(batch: int = 6, size: int = 24, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(0, 256, (batch, size, size, channels), dtype=torch.uint8, generator=generator)


def photograph(size: int = 64) -> torch.Tensor:
    image = torch.from_numpy(data.astronaut()).permute(2, 0, 1)
    return tv.resize(image, [size, size], antialias=True).permute(1, 2, 0)[None]


@pytest.mark.parametrize("preset", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_views_have_the_right_form(preset, channels, dtype):
    images, recipe = noise(channels=channels), augmentation(preset, size_px=20)
    views = recipe.views(images, torch.ones(6), draws_of(range(6)), number=3, dtype=dtype)
    assert len(views) == 3
    for view in views:
        assert view.shape == (6, channels, 20, 20)
        assert view.dtype == dtype
        assert view.is_contiguous(memory_format=torch.channels_last)
        assert view.min() >= 0
        assert view.max() <= 1
        assert not view.requires_grad


@pytest.mark.parametrize("turned", [0.0, 30.0])
def test_a_view_depends_on_its_image_and_draw_only(turned):
    recipe = augmentation("hpt", size_px=16, rotation_degrees=turned)
    images, aspect = noise(64), torch.linspace(0.5, 2.0, 64)
    whole = recipe.views(images, aspect, draws_of(range(64)))
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    shuffled = recipe.views(images[order], aspect[order], draws_of(order.tolist()))
    for view, other in zip(whole, shuffled, strict=True):
        assert torch.allclose(view[order], other, atol=1e-5)
    alone = recipe.views(images[7:8], aspect[7:8], draws_of([7]))
    assert all(torch.allclose(view[7], one[0], atol=1e-5) for view, one in zip(whole, alone, strict=True))
    more = recipe.views(images, aspect, draws_of(range(64)), number=3)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(whole, more, strict=False))


def test_views_differ_between_numbers_epochs_seeds_and_images():
    recipe = augmentation("moco_v2", size_px=16)
    images = noise(1).expand(2, -1, -1, -1)
    first, second = recipe.views(images, torch.ones(2), draws_of([0, 1]))
    (later,) = recipe.views(images, torch.ones(2), draws_of([0, 1], epoch=1), number=1)
    (other,) = recipe.views(images, torch.ones(2), draws_of([0, 1], seed=1), number=1)
    for a, b in ((first, second), (first, later), (first, other), (first[:1], first[1:])):
        assert (a - b).abs().mean() > 0.01


def test_a_batch_too_large_for_the_caches_is_put_together_again():
    recipe, images = augmentation("moco_v2", size_px=16), noise(10, size=300)
    whole = recipe.views(images, torch.ones(10), draws_of(range(10)))
    for number in (0, 4, 9):
        alone = recipe.views(images[number : number + 1], torch.ones(1), draws_of([number]))
        assert all(torch.allclose(a[number], b[0], atol=1e-5) for a, b in zip(whole, alone, strict=True))


@pytest.mark.parametrize("preset", ["moco_v2", "hpt"])
def test_bfloat16_is_within_a_128th_of_float32(preset):
    recipe, images = augmentation(preset, size_px=48), photograph().expand(64, -1, -1, -1)
    exact = recipe.views(images, torch.ones(64), draws_of(range(64)))
    quick = recipe.views(images, torch.ones(64), draws_of(range(64)), dtype=torch.bfloat16)
    for a, b in zip(exact, quick, strict=True):
        error = (a - b.float()).abs()
        assert error.max() <= 1 / 128
        assert error.square().mean().sqrt() < 1 / 512


def test_autocast_does_not_change_a_view():
    recipe, images = augmentation("moco_v2", size_px=16), noise()
    plain = recipe.views(images, torch.ones(6), draws_of(range(6)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = recipe.views(images, torch.ones(6), draws_of(range(6)))
    assert all(torch.equal(a, b) for a, b in zip(plain, inside, strict=True))


@pytest.mark.parametrize("field", ["flip_probability", "vertical_flip_probability"])
def test_a_flip_mirrors_and_twice_is_nothing(field):
    images, still = noise(), augmentation("crop_flip", size_px=16, flip_probability=0.0)
    mirrored = augmentation("crop_flip", size_px=16, **{"flip_probability": 0.0, field: 1.0})
    dimension = 3 if field == "flip_probability" else 2
    (straight,) = still.views(images, torch.ones(6), draws_of(range(6)), number=1)
    (flipped,) = mirrored.views(images, torch.ones(6), draws_of(range(6)), number=1)
    assert torch.allclose(flipped.flip(dimension), straight, atol=1e-5)
    (again,) = mirrored.views(images.flip(dimension - 1), torch.ones(6), draws_of(range(6)), number=1)
    centre = augmentation("centre", size_px=24, **{field: 1.0})
    (whole,) = centre.views(images, torch.ones(6), draws_of(range(6)), number=1)
    twice = centre.views((whole.permute(0, 2, 3, 1) * 255), torch.ones(6), draws_of(range(6)), number=1)[0]
    assert torch.allclose(twice.permute(0, 2, 3, 1) * 255, images.float(), atol=1e-2)
    assert again.shape == flipped.shape


@pytest.mark.parametrize("raw", [torch.uint8, torch.uint16, torch.int32, torch.float32])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_raw_values_are_scaled_by_low_and_high(raw, dtype):
    low, high = (10.0, 210.0) if raw == torch.uint8 else (1000.0, 41000.0)
    levels = torch.linspace(low, high, 5).round()
    images = levels[:, None, None, None].expand(5, 8, 8, 1).contiguous().to(raw)
    recipe = augmentation("centre", size_px=8)
    before = images.clone()
    (view,) = recipe.views(images, torch.ones(5), draws_of(range(5)), number=1, dtype=dtype, low=low, high=high)
    expected = torch.linspace(0, 1, 5)
    assert torch.allclose(view[:, 0, 3, 3].float(), expected, atol=1e-6 if dtype == torch.float32 else 1 / 256)
    assert torch.equal(images.to(torch.int64), before.to(torch.int64))  # the canvases are left as they were


@given(size=st.integers(2, 40), side=st.integers(3, 50), aspect=st.floats(0.2, 5.0), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_an_even_image_stays_even(size, side, aspect, seed):
    images = torch.full((2, side, side, 3), 100, dtype=torch.uint8)
    recipe = augmentation("moco_v2", size_px=size, jitter_probability=0.0, rotation_degrees=(-20.0, 40.0))
    for view in recipe.views(images, torch.full((2,), aspect), draws_of([0, 1], seed=seed)):
        assert torch.allclose(view, torch.full_like(view, 100 / 255), atol=1e-4)


def test_defaults_are_the_published_recipe():
    assert AUGMENTATIONS["moco_v2"] == Augmentation()
    assert AUGMENTATIONS["hpt"] == Augmentation(hue=0.4)
