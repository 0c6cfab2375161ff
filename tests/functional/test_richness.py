"""Entropy and edge density of images whose values are known in closed form."""

import numpy as np
import pytest
from skimage.measure import shannon_entropy

from undercoat.functional.richness import richness


def test_equally_common_levels_have_the_entropy_of_their_number():
    for levels in (2, 16, 256):
        image = np.repeat(np.arange(256).reshape(16, 16) * levels // 256, 2, axis=0).astype(np.uint8)
        assert richness(image).entropy_bits == pytest.approx(np.log2(levels))


def test_it_agrees_with_an_independent_entropy():
    image = np.random.default_rng(0).integers(0, 50, (40, 30)).astype(np.uint8)
    assert richness(image).entropy_bits == pytest.approx(shannon_entropy(image))


def test_one_step_is_an_edge_of_two_pixels():
    image = np.zeros((10, 20), np.uint8)
    image[:, 10:] = 255
    assert richness(image).edge_density == pytest.approx(2 / 20)


def test_a_gentle_slope_is_no_edge_and_a_grey_colour_image_is_its_grey_one():
    slope = np.tile(np.arange(100, dtype=np.uint8), (20, 1))
    assert richness(slope).edge_density == 0
    assert richness(np.stack([slope] * 3, axis=2)) == pytest.approx(richness(slope), abs=1e-6)


@pytest.mark.parametrize("shape", [(2, 9), (9,), (9, 9, 4)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match="has no richness"):
        richness(np.zeros(shape, np.uint8))
