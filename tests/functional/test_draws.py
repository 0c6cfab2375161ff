import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from undercoat.functional.draws import Draws, key_of, permutation


def draws_of(count: int, *, seed: int = 0, epoch: int = 0) -> Draws:
    return Draws(seed=seed, epoch=np.full(count, epoch), index=np.arange(count))


def test_uniform_is_uniform_within_and_across_images():
    drawn = draws_of(4000).uniform("crop", 5)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    for column in range(5):
        assert stats.kstest(drawn[:, column], "uniform").pvalue > 1e-3
    assert drawn.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * drawn.size))
    assert drawn.std() == pytest.approx(1 / np.sqrt(12), abs=0.005)


def test_normal_has_the_right_law():
    drawn = draws_of(4000).normal("noise", 3)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3
    assert np.isfinite(drawn).all()


def test_nothing_is_correlated_with_anything():
    draws, others = draws_of(4000), [draws_of(4000, seed=1), draws_of(4000, epoch=1)]
    columns = [draws.uniform("view 0 crop", 4), draws.uniform("view 1 crop", 4)]
    columns += [other.uniform("view 0 crop", 4) for other in others]
    table = np.concatenate(columns, axis=1)
    correlation = np.corrcoef(table.T) - np.eye(table.shape[1])
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)
    neighbours = np.corrcoef(table[:-1, 0], table[1:, 0])[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(4000)


def test_every_bit_is_fair():
    bits = (draws_of(4000).uniform("bits", 1)[:, 0] * 2.0**53).astype(np.uint64)
    ones = (bits[:, None] >> np.arange(53, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(ones.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(4000)


@given(seed=st.integers(-(2**63), 2**64 - 1), order=st.permutations(range(6)), epoch=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_a_draw_belongs_to_its_image_not_to_its_place(seed, order, epoch):
    index = np.array([0, 1, 2, 7, 2**31, 2**40])
    whole = Draws(seed=seed, epoch=np.full(6, epoch), index=index).uniform("crop", 3)
    shuffled = Draws(seed=seed, epoch=np.full(6, epoch), index=index[list(order)]).uniform("crop", 3)
    assert (shuffled == whole[list(order)]).all()


def test_asking_for_more_numbers_does_not_change_the_first_ones():
    draws = draws_of(10)
    assert (draws.uniform("crop", 7)[:, :3] == draws.uniform("crop", 3)).all()


def test_golden_values_are_the_same_for_ever():
    drawn = Draws(seed=3, epoch=np.array([0, 2]), index=np.array([5, 5])).uniform("view 0 crop", 2)
    expected = [[0.0994433418884233, 0.26107497836401217], [0.24195595148724613, 0.5207427119654302]]
    assert drawn == pytest.approx(np.array(expected), rel=0, abs=0)
    assert key_of("view 0 crop") == 17997881572742140765


def test_the_same_in_another_process():
    code = (
        "import numpy as np; from undercoat.functional.draws import Draws; "
        "print(Draws(seed=1, epoch=np.array([4]), index=np.array([9])).uniform('x', 1)[0, 0].hex())"
    )
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    here = Draws(seed=1, epoch=np.array([4]), index=np.array([9])).uniform("x", 1)[0, 0]
    assert other.stdout.strip() == float(here).hex()


def test_permutation_is_a_fair_shuffle_of_all():
    assert sorted(permutation(1000, seed=0, epoch=0).tolist()) == list(range(1000))
    assert (permutation(50, seed=0, epoch=0) != permutation(50, seed=0, epoch=1)).any()
    assert (permutation(50, seed=0, epoch=0) == permutation(50, seed=0, epoch=0)).all()
    place = np.array([permutation(5, seed=seed, epoch=0)[0] for seed in range(500)])
    assert stats.chisquare(np.bincount(place, minlength=5)).pvalue > 1e-3
