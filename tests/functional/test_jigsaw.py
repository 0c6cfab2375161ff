import math
from itertools import permutations as every_order

import numpy as np
import pytest
import torch

from reference import jigsaw as slow
from undercoat.errors import SpecError
from undercoat.functional.jigsaw import hamming_distances, load_permutations, permutation_set
from undercoat.functional.tiles import assemble, cut_tiles, standardise_tiles, tile_corners

EVERYTHING = np.ascontiguousarray(np.array(list(every_order(range(9))), np.int8).T)


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(count, seed=0):
    return np.random.default_rng(seed).uniform(size=(count, 18))


@pytest.mark.parametrize("choose", ["mean", "minimum"])
def test_permutations_are_different_orders_of_nine_tiles(choose):
    chosen = permutation_set(50, seed=1, choose=choose)
    assert chosen.shape == (50, 9)
    assert (np.sort(chosen, axis=1) == np.arange(9)).all()
    assert len(np.unique(chosen, axis=0)) == 50


@pytest.mark.parametrize("choose", ["mean", "minimum"])
def test_each_permutation_is_the_best_one_left(choose):
    chosen = permutation_set(8, seed=0, choose=choose)
    distance = np.stack([(row[:, None] != EVERYTHING).sum(axis=0, dtype=np.int8) for row in chosen])
    own = np.array([[slow.hamming(one, other) for other in chosen] for one in chosen])
    for number in range(1, 8):
        before, mine = distance[:number], own[number, :number]
        score = before.sum(axis=0) if choose == "mean" else before.min(axis=0)
        assert (mine.sum() if choose == "mean" else mine.min()) == score[before.min(axis=0) > 0].max()


def test_the_first_nine_form_a_latin_square():
    # nine orders can differ everywhere from each other, and a tenth cannot: two of ten tiles in one place are the same
    nine = permutation_set(9, seed=3)
    assert all(sorted(column) == list(range(9)) for column in nine.T)
    assert hamming_distances(nine) == (9.0, 9)
    assert hamming_distances(permutation_set(10, seed=3)).mean < 9.0


def test_the_mean_is_what_mean_gives_most_of_and_the_minimum_what_minimum_does():
    mean, minimum = (hamming_distances(permutation_set(60, seed=0, choose=choose)) for choose in ("mean", "minimum"))
    drawn = hamming_distances(np.argsort(np.random.default_rng(0).uniform(size=(60, 9)), axis=1))
    assert mean.mean >= minimum.mean > drawn.mean
    assert minimum.minimum > mean.minimum
    assert minimum.minimum > drawn.minimum


def test_seeds_give_other_sets_and_the_same_seed_the_same():
    assert (permutation_set(24, seed=1) == permutation_set(24, seed=1)).all()
    assert (permutation_set(24, seed=1) != permutation_set(24, seed=2)).any()
    assert (permutation_set(30, seed=1)[:24] == permutation_set(24, seed=1)).all()  # greedy: more only adds


def test_distances_agree_with_the_slow_loop():
    drawn = np.argsort(np.random.default_rng(1).uniform(size=(20, 9)), axis=1)
    mean, least = slow.distances(drawn.tolist())
    assert hamming_distances(drawn) == (pytest.approx(mean), least)
    assert hamming_distances(drawn[:1]) == (0.0, 0)


@pytest.mark.parametrize("count", [0, -1, math.factorial(9) + 1])
def test_counts_that_cannot_be_had_are_refused(count):
    with pytest.raises(SpecError, match="362,880"):
        permutation_set(count)


def test_an_unknown_way_to_choose_is_refused():
    with pytest.raises(SpecError, match="mean or minimum"):
        permutation_set(5, choose="median")


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_published_sets_count_from_0_or_1(base, dtype, tmp_path):
    chosen = permutation_set(20, seed=0)
    np.save(tmp_path / "set.npy", (chosen + base).astype(dtype))
    assert (load_permutations(tmp_path / "set.npy") == chosen).all()


def broken_sets():
    good = permutation_set(4, seed=0).copy()
    repeated, twice = good.copy(), good.copy()
    repeated[2, 0] = repeated[2, 1]
    twice[3] = twice[0]
    return {
        "row 2": repeated,
        "twice": twice,
        "too few": good[:1],
        r"shape \(4, 8\)": good[:, :8],
        "float64": good.astype(float),
        "row 0": good * 2,
        "int64 of shape": good[0],
        "cannot be read": np.array([{"a": 1}], dtype=object),
    }


@pytest.mark.parametrize("words", broken_sets())
def test_a_broken_set_is_refused_in_one_sentence(words, tmp_path):
    np.save(tmp_path / "set.npy", broken_sets()[words], allow_pickle=True)
    with pytest.raises(SpecError, match=words):
        load_permutations(tmp_path / "set.npy")


def test_files_that_are_no_array_are_refused(tmp_path):
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "empty.npy").write_bytes(b"")
    np.savez(tmp_path / "several.npz", a=np.ones(1), b=np.ones(1))
    for name in ("text.npy", "empty.npy", "several.npz", "missing.npy"):
        with pytest.raises(SpecError, match=name):
            load_permutations(tmp_path / name)


@pytest.mark.parametrize(
    ("size", "tile", "gap", "shift"), [(255, 64, 0, 0), (64, 16, 2, 1), (25, 8, 0, 0), (9, 1, 1, 1)]
)
def test_tiles_stay_in_their_cells_and_reach_all_of_them(size, tile, gap, shift):
    corners = tile_corners(uniform(4000), size_px=size, tile_px=tile, gap_px=gap, shift_px=shift)
    cell = size // 3
    rows = corners[:, :3, 1].reshape(-1, 3)  # lefts of the first row of cells
    assert rows.min() >= 0
    assert (rows[:, 1:] - (rows[:, :-1] + tile + shift)).min() == gap  # reached, and never less
    assert rows.max() + tile + shift <= size
    assert len(np.unique(rows[:, 0])) == cell - tile - gap - shift + 1
    assert (corners[:, ::3, 1] < corners[:, 1::3, 1]).all()
    assert (corners[:, :3, 0] < corners[:, 3:6, 0]).all()


@pytest.mark.parametrize(
    "wrong", [{"tile_px": 22}, {"tile_px": 0}, {"gap_px": 6}, {"shift_px": 6}, {"gap_px": -1}, {"size_px": 1}]
)
def test_tiles_larger_than_their_cells_are_refused(wrong):
    with pytest.raises(SpecError, match="do not fit"):
        tile_corners(uniform(1), **{"size_px": 64, "tile_px": 16, **wrong})


def test_cut_tiles_are_those_of_the_slow_loop():
    images, corners = noise(3, 2, 20, 20), tile_corners(uniform(3), size_px=20, tile_px=4)
    tiles = cut_tiles(images, torch.as_tensor(corners), tile_px=4)
    assert tiles.shape == (3, 9, 2, 4, 4)
    for image, places, found in zip(images, corners, tiles, strict=True):
        assert torch.equal(found, torch.tensor(slow.cut(image.tolist(), places.tolist(), 4)))


def test_channels_can_be_shifted_apart():
    images, corners = noise(2, 3, 20, 20), torch.as_tensor(tile_corners(uniform(2), size_px=20, tile_px=4, shift_px=2))
    shift = torch.tensor([[0, 0], [1, 2], [2, 1]])
    shifted = cut_tiles(images, corners[:, :, None] + shift, tile_px=4)
    for channel in range(3):
        expected = cut_tiles(images, corners + shift[channel], tile_px=4)
        assert torch.equal(shifted[:, :, channel], expected[:, :, channel])


def test_standardised_tiles_are_those_of_the_slow_loop_whatever_light_and_contrast():
    tiles = noise(2, 9, 3, 5, 5)
    found = standardise_tiles(tiles)
    expected = [[[slow.standardise(c) for c in tile] for tile in image] for image in tiles.tolist()]
    assert torch.allclose(found, torch.tensor(expected), atol=1e-4)
    assert torch.allclose(standardise_tiles(0.2 + 0.3 * tiles), found, atol=1e-4)


def test_a_blank_tile_stays_blank():
    assert standardise_tiles(torch.full((1, 3, 4, 4), 0.7)).abs().max() < 1e-3


def test_shuffled_tiles_are_put_back_by_the_inverse_order():
    image = noise(1, 1, 9, 9)
    tiles = cut_tiles(image, torch.as_tensor(tile_corners(uniform(1), size_px=9, tile_px=3)), tile_px=3)[0]
    order = torch.tensor(permutation_set(1, seed=5)[0])
    assert torch.equal(assemble(tiles[order][order.argsort()], gap_px=0), image[0])
    assert assemble(tiles, gap_px=2).shape == (1, 13, 13)
