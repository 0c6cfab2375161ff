"""Masks beside canvases: they follow their images everywhere, and show what the images show."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from undercoat.augment import Planes, ViewParameters, render
from undercoat.data import open_data
from undercoat.data.masks import mask_view
from undercoat.data.splits import split_rows
from undercoat.errors import DataError
from undercoat.functional.geometry import centre_boxes
from undercoat.samples import mask_of


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def opened(spec, cache, size_px=32):
    return open_data(spec, cache=cache, size_px=size_px, progress=False)


def expected(canvases, position):
    """The mask of an image by its key alone, squeezed by Pillow."""
    key = canvases.keys[position].removeprefix("0/").removeprefix("1/")
    name = key.removeprefix("images/").rsplit("_", 1)[0]
    picture = Image.open(BytesIO(mask_of(name, key)))
    return np.asarray(picture.resize((canvases.size_px,) * 2, Image.Resampling.NEAREST)) > 127


@pytest.mark.parametrize(
    "spec",
    [
        "sample:mni152-t1",
        "sample:cranium-ct?limit=5",
        "sample:mni152-t1+sample:colin27-t1",
        "sample:colin27-t1?limit=3+sample:mni152-t1?limit=4",
    ],
)
def test_masks_follow_their_images(spec, cache):
    whole = opened(spec, cache)
    shuffled = whole.take(np.random.default_rng(0).permutation(len(whole)))
    some = shuffled.take(np.array([2, 0]))
    for canvases in (whole, shuffled, some):
        found = canvases.mask_batch(np.arange(len(canvases)))
        for position in range(len(canvases)):
            assert np.array_equal(found[position] == 1, expected(canvases, position))
    first, second = (whole.take(rows) for rows in split_rows(whole, (0.5, 0.5), seed=0))
    assert np.array_equal(first.mask_batch(np.array([0]))[0] == 1, expected(first, 0))
    assert np.array_equal(second.mask_batch(np.array([1]))[0] == 1, expected(second, 1))


def test_what_pretraining_sees_has_no_masks(cache):
    found = opened("sample:mni152-t1", cache).without_labels()
    assert (found.masks, found.mask_classes, found.mask_digest) == (None, (), "")
    with pytest.raises(DataError, match="has no masks; give data that has"):
        found.mask_batch(np.array([0]))


def test_a_joined_set_of_which_a_part_has_no_masks_has_none(cache):
    found = opened("sample:mni152-t1+sample:noto?limit=3", cache)
    assert found.masks is None
    assert any("masks are left out" in note for note in found.notes)


def test_masks_are_decoded_once(cache):
    first = opened("sample:mni152-t1", cache)
    file = first.masks.filename
    before = file.stat() if hasattr(file, "stat") else None
    again = opened("sample:mni152-t1", cache)
    assert again.masks.filename == file
    assert again.mask_digest == first.mask_digest
    assert before is None or file.stat().st_mtime_ns == before.st_mtime_ns


def test_a_view_of_masks_is_the_view_of_images():
    """A mask shown as an image through the renderer, at 1/2, where both only average or pick whole blocks."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 2, (6, 8, 8)).astype(np.uint8)
    masks = blocks.repeat(4, axis=1).repeat(4, axis=2)  # 32 px of 4 × 4 blocks
    boxes = np.array([[0, 0, 1, 1], [0.25, 0, 0.5, 1], [0, 0.5, 1, 0.5]] * 2, np.float64)
    flipped = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [1, 0], [0, 1]], np.float64)
    shown = mask_view(masks, boxes, size_px=16, flipped=flipped)
    drawn = ViewParameters.plain(boxes)
    drawn = ViewParameters(**{**vars(drawn), "flipped": flipped})
    images = torch.from_numpy(masks[..., None] * np.uint8(255))
    view = render(Planes.of(images, dtype=torch.float32, low=0, high=255), drawn, size_px=16)[0]
    agree = (view[:, 0].numpy() > 0.5) == shown
    assert agree.mean() > 0.97  # where a filter ends in a block's edge it may round either way
    assert np.array_equal(shown[0], blocks[0].repeat(2, axis=0).repeat(2, axis=1))


def test_a_centre_view_leaves_out_what_the_image_leaves_out():
    mask = np.arange(16, dtype=np.uint8)[None, None, :].repeat(16, axis=1)
    shown = mask_view(mask, centre_boxes(np.array([2.0]), fraction=1.0), size_px=8)
    assert shown[0, 0].tolist() == [4, 5, 6, 7, 8, 9, 10, 11]
