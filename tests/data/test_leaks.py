import numpy as np
import pytest

from undercoat.data import open_data
from undercoat.data.leaks import seen_before


def opened(tmp_path, name, pixels):
    np.save(tmp_path / f"{name}.npy", pixels)
    return open_data(str(tmp_path / f"{name}.npy"), size_px=32, cache=tmp_path / "cache", progress=False)


@pytest.fixture
def noise():
    """Forty blocky pictures, smooth enough for a perceptual hash to mean something."""
    blocks = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    return blocks.repeat(4, axis=1).repeat(4, axis=2)


def test_exact_and_slightly_changed_copies_are_found_and_others_are_not(noise, tmp_path):
    changed = noise[:3].astype(int) + np.random.default_rng(1).integers(-3, 4, noise[:3].shape)
    learned = opened(tmp_path, "learned", np.concatenate([noise[:20], np.clip(changed, 0, 255).astype(np.uint8)]))
    assert seen_before(opened(tmp_path, "apart", noise[20:]), learned) == 0
    assert seen_before(opened(tmp_path, "five", noise[15:25]), learned) == 5
    only_changed = learned.take(np.arange(20, 23))
    assert seen_before(opened(tmp_path, "first", noise[:6]), only_changed) == 3


def test_sets_of_other_channels_are_not_compared(noise, tmp_path):
    assert seen_before(opened(tmp_path, "grey", noise[..., 0]), opened(tmp_path, "colour", noise)) is None


def test_the_emoji_that_teams_draw_alike_are_counted(tmp_path):
    emoji = open_data("sample:twemoji", cache=tmp_path, progress=False)
    assert seen_before(emoji.in_split("test"), emoji.in_split("train")) == 10
