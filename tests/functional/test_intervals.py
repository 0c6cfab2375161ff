import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from undercoat.functional.intervals import bootstrap, counts, crossed_bootstrap, percentile, wilson


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 5000), share=st.floats(0, 1), confidence=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(n, share, confidence):
    successes = round(share * n)
    expected = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert wilson(successes, n, confidence=confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_bounds_solve_the_score_equation():
    low, high = wilson(30, 80)
    z = stats.norm.ppf(0.975)
    for bound in (low, high):
        assert abs(30 / 80 - bound) == pytest.approx(z * np.sqrt(bound * (1 - bound) / 80))


def test_wilson_at_the_ends():
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1
    with pytest.raises(ValueError, match="successes"):
        wilson(11, 10)


def test_wilson_covers_the_truth_as_often_as_it_says():
    drawn = np.random.default_rng(0).binomial(60, 0.8, size=4000)
    covered = np.mean([low <= 0.8 <= high for low, high in (wilson(int(k), 60) for k in drawn)])
    assert 0.93 < covered < 0.97


def test_counts_are_resamples_of_fixed_size():
    blocks = list(counts(7, 100, seed=3))
    drawn = np.concatenate(blocks)
    assert drawn.shape == (100, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert (np.concatenate(list(counts(7, 100, seed=3))) == drawn).all()


def test_counts_stay_in_bounded_blocks():
    sizes = [block.size for block in counts(300_000, 12, seed=0)]
    assert max(sizes) <= 2_000_000
    assert sum(sizes) == 12 * 300_000


def test_counts_have_the_mean_and_variance_of_drawing_with_replacement():
    drawn = np.concatenate(list(counts(20, 4000, seed=1)))
    assert drawn.mean(axis=0) == pytest.approx(np.ones(20), abs=0.08)
    assert drawn.var() == pytest.approx(1 - 1 / 20, rel=0.03)


def test_bootstrap_of_a_mean_is_near_the_normal_interval():
    values = np.random.default_rng(0).normal(3, 2, size=400)
    half = 1.96 * values.std() / 20
    low, high = bootstrap(values, seed=1, resamples=4000)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(2).exponential(size=150)
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=5000, rng=0).confidence_interval
    assert bootstrap(values, resamples=5000) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_bootstrap_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    found = [bootstrap(rng.normal(size=80), seed=i, resamples=300) for i in range(400)]
    assert 0.91 < np.mean([low <= 0 <= high for low, high in found]) < 0.98


def test_bootstrap_repeats():
    assert bootstrap([1, 2, 5, 9], seed=4) == bootstrap([1, 2, 5, 9], seed=4)
    assert bootstrap(np.arange(50.0) ** 2, seed=4) != bootstrap(np.arange(50.0) ** 2, seed=5)


def test_percentile_leaves_out_what_is_undefined():
    assert percentile([np.nan, 1.0, 1.0]) == (1.0, 1.0)
    assert np.isnan(percentile([np.nan])).all()


def coverage(seeds, *, seed_std, image_std, rest_std, images=300, repeats=150):
    """How often the interval of a difference holds the truth, which is 0."""
    rng, covered = np.random.default_rng(0), 0
    for repeat in range(repeats):
        table = seed_std * rng.normal(size=(seeds, 1)) + image_std * rng.normal(size=(1, images))
        table = table + rest_std * rng.normal(size=(seeds, images))
        low, high = crossed_bootstrap(
            lambda drawn, table=table: drawn @ table.T / images,
            images=images,
            seeds=seeds,
            seed=repeat,
            resamples=300,
        )
        covered += low <= 0 <= high
    return covered / repeats


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_crossed_bootstrap_covers_when_images_are_the_noise(seeds):
    assert coverage(seeds, seed_std=0.0, image_std=0.4, rest_std=0.1) > 0.9


@pytest.mark.parametrize("seeds", [2, 3])
def test_crossed_bootstrap_covers_when_seeds_are_noisy_too(seeds):
    assert coverage(seeds, seed_std=0.015, image_std=0.2, rest_std=0.3) > 0.9


def test_images_drawn_once_for_all_seeds_keep_their_width():
    """Ten equal seeds say no more than one: the interval must not shrink with their number."""
    table = np.random.default_rng(0).normal(size=(1, 200))
    widths = []
    for seeds in (1, 10):
        repeated = np.repeat(table, seeds, axis=0)
        low, high = crossed_bootstrap(
            lambda drawn, repeated=repeated: drawn @ repeated.T / 200, images=200, seeds=seeds
        )
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0])
