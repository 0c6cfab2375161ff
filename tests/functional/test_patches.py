"""The law of patches and their rendering, against closed forms, Pillow and torchvision's way of doing it."""

from dataclasses import replace
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image

from undercoat.data.pyramid import pyramid
from undercoat.data.readers.photo import PHOTOS, read_photo
from undercoat.functional import patch_rendering
from undercoat.functional.draws import Draws
from undercoat.functional.patch_rendering import render_patches
from undercoat.functional.patches import PatchLaw, draw_colours, draw_places
from undercoat.functional.texels import patch_table

PAPER = PatchLaw(scale=(1e-3, 1.0), ratio=(3 / 4, 4 / 3), rotation=35.0, flip=0.5, jitter=1.0)
CODE = PatchLaw(
    initial_crop=0.5, scale=(1 / 500, 1.0), ratio=(3 / 4, 4 / 3), rotation=30.0, shear=30.0, turn="after", jitter=0.5
)


def draws_of(count, *, seed=0, first=0):
    return Draws(seed=seed, epoch=np.zeros(count, np.int64), index=np.arange(first, first + count))


def places_of(law, count, width=600, height=400, **given):
    return draw_places(law, draws_of(count, **given), np.full(count, width), np.full(count, height))


def photograph(name="coffee"):
    source = read_photo(name).source
    return np.asarray(Image.open(source.root / PHOTOS[name].file).convert("RGB"))


def rendered(pixels, law, count=16, size_px=64, noise=None, **given):
    height, width = pixels.shape[:2]
    texels, levels = pyramid([pixels])
    places = places_of(law, count, width, height, **given)
    colours = draw_colours(law, draws_of(count, **given))
    table = patch_table(places, colours, levels, np.zeros(count, np.int64), size_px=size_px)
    return places, render_patches(torch.from_numpy(texels), table, size_px=size_px, noise=noise).numpy()


# --- where patches lie


@pytest.mark.parametrize(("width", "height"), [(600, 400), (400, 600), (2000, 90), (64, 64)])
@pytest.mark.parametrize("law", [PAPER, replace(PAPER, rotation=180.0, shear=30.0), replace(PAPER, scale=None)])
def test_a_photo_that_is_turned_first_never_shows_its_border(law, width, height):
    corners = places_of(law, 4000, width, height).corners()
    assert corners.min() > -1e-6
    assert (corners.max(axis=(0, 1)) < np.array([width, height]) + 1e-6).all()


def test_the_papers_law_has_the_papers_ranges():
    matrix = places_of(PAPER, 20_000).matrix
    share = np.abs(np.linalg.det(matrix)) / (600 * 400)
    sides = np.linalg.norm(matrix, axis=1)
    angle = np.rad2deg(np.arctan2(matrix[:, 1, 1], matrix[:, 0, 1])) - 90.0  # of the patch's downward axis
    assert 1e-3 <= share.min() < 2e-3
    assert 0.5 < share.max() <= 1.0
    assert 0.75 - 1e-9 <= (sides[:, 0] / sides[:, 1]).min() < 0.76
    assert 1.32 < (sides[:, 0] / sides[:, 1]).max() <= 4 / 3 + 1e-9
    assert np.abs(angle).max() <= 35.0
    assert np.abs(np.quantile(angle, [0.25, 0.5, 0.75]) - [-17.5, 0.0, 17.5]).max() < 1.0  # uniform
    assert abs((np.linalg.det(matrix) < 0).mean() - 0.5) < 0.02  # mirrored


def test_area_and_ratio_follow_their_laws_where_every_crop_fits():
    law = replace(PAPER, scale=(0.01, 0.11), rotation=0.0)
    matrix = places_of(law, 20_000, 500, 500).matrix
    share = np.abs(np.linalg.det(matrix)) / 500**2
    assert np.abs(np.quantile(share, [0.25, 0.5, 0.75]) - [0.035, 0.06, 0.085]).max() < 2e-3
    logarithm = np.log(np.abs(matrix[:, 0, 0] / matrix[:, 1, 1])) / np.log(4 / 3)
    assert np.abs(np.quantile(logarithm, [0.25, 0.5, 0.75]) - [-0.5, 0.0, 0.5]).max() < 0.03


def test_centres_are_uniform_where_they_can_be():
    law = PatchLaw(scale=(0.04, 0.04))
    centre = places_of(law, 20_000, 500, 500).centre  # sides of 100: centres from 50 to 450
    for axis in (0, 1):
        assert np.abs(np.quantile(centre[:, axis], [0.25, 0.5, 0.75]) - [150, 250, 350]).max() < 8


def test_the_codes_law_crops_within_half_of_the_shorter_side():
    places = places_of(CODE, 20_000)
    sides = np.linalg.norm(places.matrix, axis=2)
    plain = places_of(replace(CODE, rotation=0.0, shear=0.0), 20_000)
    widths = plain.matrix[:, 0, 0] * np.sqrt(2)  # the crop is √2 times the patch
    heights = plain.matrix[:, 1, 1] * np.sqrt(2)
    assert widths.max() <= 200.0 + 1e-6
    assert heights.max() <= 200.0 + 1e-6
    area = widths * heights / 200**2
    assert 1 / 500 <= area.min() < 1 / 300
    left = plain.centre[:, 0] - widths / 2
    assert left.min() > -1e-9
    assert (plain.centre[:, 0] + widths / 2).max() < 600 + 1e-9
    assert (np.linalg.det(places.matrix) > 0).all()  # no flip
    assert sides.max() < 300


def test_no_operation_is_the_centre_square_every_time():
    places = places_of(PatchLaw(), 5)
    assert (places.matrix == np.diag([400.0, 400.0])).all()
    assert (places.centre == [300.0, 200.0]).all()


def test_a_photo_that_no_crop_fits_is_shown_as_far_as_it_goes():
    law = PatchLaw(scale=(1.0, 1.0), rotation=45.0)
    corners = places_of(law, 500).corners()
    assert corners.min() > -1e-6
    assert (corners.max(axis=1) - corners.min(axis=1)).max() > 399.9  # touches two edges


def test_a_patch_depends_on_its_number_alone():
    whole = places_of(PAPER, 40)
    part = places_of(PAPER, 10, first=20)
    assert (whole.matrix[20:30] == part.matrix).all()
    assert (whole.centre[20:30] == part.centre).all()
    assert (places_of(PAPER, 40, seed=1).centre != whole.centre).any(axis=1).all()


# --- pixels


def ramps(width=300, height=200):
    """A photo whose red is x and whose green is y."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 0] = np.rint((np.arange(width) + 0.5) * 255 / width)[None, :]
    pixels[:, :, 1] = np.rint((np.arange(height) + 0.5) * 255 / height)[:, None]
    return pixels


@pytest.mark.parametrize("law", [replace(PAPER, jitter=0.0), replace(PAPER, jitter=0.0, shear=20.0, vertical_flip=0.5)])
def test_a_patch_shows_what_its_corners_say(law):
    size_px = 32
    places, patches = rendered(ramps(), law, count=64, size_px=size_px)
    unit = (np.arange(size_px) + 0.5) / size_px - 0.5
    u, v = np.meshgrid(unit, unit)
    at = places.centre[:, None, None] + np.einsum("bij,yxj->byxi", places.matrix, np.stack([u, v], axis=2))
    wanted = at * [255 / 300, 255 / 200]
    # near the edge a patch sees half a texel that is repeated, of a level that may be coarse
    assert np.abs(patches[..., :2] - wanted).max() < 4.0
    assert np.abs(patches[..., :2] - wanted).mean() < 0.6


def the_slow_way(pixels, matrix, centre, size_px):
    """Turn the photo about the patch's centre with Pillow, crop, resize with an antialiased filter, flip."""
    sides = np.linalg.norm(matrix, axis=0)
    flipped = np.linalg.det(matrix) < 0
    degrees = np.rad2deg(np.arctan2(matrix[1, 1], matrix[0, 1])) - 90.0
    turned = Image.fromarray(pixels).rotate(degrees, Image.Resampling.BICUBIC, center=tuple(centre))
    box = (*(centre - sides / 2), *(centre + sides / 2))
    patch = turned.resize((size_px, size_px), Image.Resampling.BILINEAR, box=box)
    return np.asarray(patch.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else patch)


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_patches_are_those_of_turning_cropping_and_resizing(name):
    law, size_px = replace(PAPER, jitter=0.0, scale=(0.002, 1.0)), 48
    pixels = photograph(name)
    places, patches = rendered(pixels, law, count=40, size_px=size_px)
    ours, between = [], []
    for matrix, centre, patch in zip(places.matrix, places.centre, patches, strict=True):
        slow = the_slow_way(pixels, matrix, centre, size_px).astype(float)
        box = the_slow_way(pixels, matrix, centre, 4 * size_px).reshape(size_px, 4, size_px, 4, 3).mean(axis=(1, 3))
        ours.append(np.abs(patch - slow).mean())
        between.append(np.abs(box - slow).mean())
    # about as near to Pillow's triangle filter as a box filter, the mean over each pixel's own square, is
    assert np.mean(ours) < 0.015 * 255
    assert np.mean(ours) < 1.3 * np.mean(between)


def test_shrinking_is_antialiased():
    """A chessboard of single pixels is grey from afar: without a pyramid it would be black, white or moiré."""
    board = np.repeat((np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    _, patches = rendered(board, PatchLaw(scale=(0.5, 1.0), rotation=35.0), count=8, size_px=32)
    assert np.abs(patches.astype(int) - 128).max() <= 1


def test_what_lies_beyond_a_crop_that_is_turned_is_black():
    white = np.full((200, 200, 3), 255, np.uint8)
    places, patches = rendered(white, replace(CODE, jitter=0.0), count=64, size_px=40)
    unit = (np.arange(40) + 0.5) / 40 - 0.5
    u, v = np.meshgrid(unit, unit)
    square = np.einsum("bij,yxj->byxi", places.turned, np.stack([u, v], axis=2))
    outside = np.abs(square).max(axis=3) > 0.5
    assert outside.any()
    assert outside.mean() < 0.1
    assert ((patches == 0).all(axis=3) == outside).mean() > 0.9999
    _, turned_only = rendered(white, replace(CODE, jitter=0.0, shear=0.0), count=64, size_px=40)
    assert (turned_only == 255).all()  # the margin of √2 is enough for any rotation up to 45°


def test_without_rotation_and_shear_the_code_is_a_crop_and_a_resize():
    pixels, law = photograph(), replace(CODE, rotation=0.0, shear=0.0, jitter=0.0, scale=(0.2, 1.0))
    places, patches = rendered(pixels, law, count=20, size_px=32)
    differences = []
    for matrix, centre, patch in zip(places.matrix, places.centre, patches, strict=True):
        sides = np.diag(matrix)
        box = (*(centre - sides / 2), *(centre + sides / 2))
        wanted = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BILINEAR, box=box)
        differences.append(np.abs(patch.astype(float) - np.asarray(wanted)).mean())
    assert np.mean(differences) < 2.55


# --- colours


def test_brightness_contrast_and_saturation_in_closed_form():
    pixels = photograph()
    law = PatchLaw(jitter=1.0, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.0)
    _, plain = rendered(pixels, PatchLaw(), count=12, size_px=32)
    _, patches = rendered(pixels, law, count=12, size_px=32)
    drawn = draw_colours(law, draws_of(12))
    luma = np.array([0.299, 0.587, 0.114])
    for row in range(12):
        bright = plain[row] * drawn.brightness[row]
        contrasted = (bright - (bright @ luma).mean()) * drawn.contrast[row] + (bright @ luma).mean()
        grey = (contrasted @ luma)[..., None]
        wanted = np.clip((contrasted - grey) * drawn.saturation[row] + grey, 0, 255)
        assert np.abs(patches[row] - wanted).max() < 0.51  # clipped and rounded once, at the end


def test_a_third_of_the_hue_circle_swaps_channels():
    red = np.zeros((64, 64, 3), np.uint8)
    red[:32, :, 0] = 200
    texels, levels = pyramid([red])
    places = places_of(PatchLaw(), 1, 64, 64)
    colours = replace(draw_colours(PatchLaw(), draws_of(1)), hue=np.array([1 / 3]))
    table = patch_table(places, colours, levels, np.zeros(1, np.int64), size_px=8)
    patch = render_patches(torch.from_numpy(texels), table, size_px=8)[0]
    assert patch[0, 0].tolist() == [0, 200, 0]


def test_the_linear_map_is_near_the_identity_and_comes_last():
    pixels, law = photograph(), PatchLaw(linear=0.2)
    _, plain = rendered(pixels, PatchLaw(), count=6, size_px=16)
    _, patches = rendered(pixels, law, count=6, size_px=16)
    matrix = draw_colours(law, draws_of(6)).linear
    assert np.abs(matrix - np.eye(3)).max() <= 0.2
    wanted = np.clip(np.einsum("bij,byxj->byxi", matrix, plain), 0, 255)
    assert np.abs(patches - wanted).max() < 0.51


def test_jitter_happens_as_often_as_asked_within_its_ranges():
    drawn = draw_colours(CODE, draws_of(20_000))
    assert abs((drawn.contrast != 1).mean() - 0.5) < 0.02
    for values in (drawn.brightness, drawn.contrast, drawn.saturation):
        assert 0.6 <= values.min() < 0.61
        assert 1.39 < values.max() <= 1.4
    assert 0.099 < np.abs(drawn.hue).max() <= 0.1


# --- the same bits, whatever else happens


def test_bits_do_not_depend_on_batch_chunk_or_threads(monkeypatch):
    pixels = photograph()
    law = replace(PAPER, linear=0.1)
    _, whole = rendered(pixels, law, count=24, size_px=33)
    for start in (0, 7, 23):
        _, alone = rendered(pixels, law, count=1, size_px=33, first=start)
        assert (alone[0] == whole[start]).all()
    monkeypatch.setattr(patch_rendering, "LEAST_PIXELS", 5000)
    monkeypatch.setattr(patch_rendering, "MOST_PIXELS", 5000)
    assert (rendered(pixels, law, count=24, size_px=33)[1] == whole).all()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        assert (rendered(pixels, law, count=24, size_px=33)[1] == whole).all()
    finally:
        torch.set_num_threads(threads)


def test_rendering_leaves_the_number_of_threads_as_it_was():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        rendered(photograph(), PAPER, count=24, size_px=64)
        seen = [torch.get_num_threads()]
        later = Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert seen == [3, 3]
    finally:
        torch.set_num_threads(threads)


def test_noise_has_the_spread_that_was_asked_for_and_belongs_to_the_patch():
    grey = np.full((64, 64, 3), 128, np.uint8)
    table = torch.from_numpy(
        Draws(seed=0, epoch=np.zeros(64, np.int64), index=np.arange(64)).normal("a table", 4096).astype(np.float32)
    ).ravel()
    law = PatchLaw(noise_std=0.1)
    _, patches = rendered(grey, law, count=8, size_px=32, noise=25.5 * table)
    values = patches.astype(float) - 128
    assert abs(values.mean()) < 0.5
    assert abs(values.std() - 25.5) < 0.5
    assert abs(np.corrcoef(values[0].ravel(), values[1].ravel())[0, 1]) < 0.08
    _, again = rendered(grey, law, count=3, size_px=32, noise=25.5 * table, first=5)
    assert (again == patches[5:]).all()
