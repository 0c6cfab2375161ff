"""Steps to an accuracy and speed-ups, against values in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undercoat.functional.convergence import Reached, speed_up, steps_to_reach

BUDGETS = [10, 100, 1000, 10_000]


@pytest.mark.parametrize(
    ("level", "steps", "outcome"),
    [
        (0.3, 10, "at once"),
        (0.4, 10, "at once"),
        (0.45, 10**1.5, "reached"),  # half of the way from 0.4 to 0.5: half a decade
        (0.5, 100, "reached"),
        (0.525, 10**2.25, "reached"),
        (0.7, 10_000, "reached"),
        (0.71, 10_000, "never"),
    ],
)
def test_a_level_is_found_log_linear_between_budgets(level, steps, outcome):
    found = steps_to_reach(BUDGETS, [0.4, 0.5, 0.6, 0.7], level)
    assert found.steps == pytest.approx(steps)
    assert found.outcome == outcome


def test_the_first_crossing_counts_when_a_curve_falls_again():
    assert steps_to_reach(BUDGETS, [0.4, 0.6, 0.5, 0.7], 0.6) == Reached(100.0, "reached")


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(0, 1))
def test_what_is_reached_lies_within_the_budgets_and_is_never_later_for_less(values, level):
    found, easier = steps_to_reach(BUDGETS, values, level), steps_to_reach(BUDGETS, values, level / 2)
    assert 10 <= found.steps <= 10_000
    assert easier.steps <= found.steps * (1 + 1e-9)


@pytest.mark.parametrize("budgets", [[0, 10], [10, 10], [100, 10], [10], []])
def test_budgets_that_do_not_rise_from_above_zero_are_refused(budgets):
    with pytest.raises(ValueError, match=r"budget"):
        steps_to_reach(budgets, [0.1, 0.2], 0.1)


def curve(offset, seeds=1, noise=0.0, slope=0.1):
    """``slope`` a decade, with the same deviation at all budgets for each seed."""
    deviations = noise * (np.arange(seeds) - (seeds - 1) / 2)
    return offset + slope * np.log10(np.array(BUDGETS))[None] + deviations[:, None]


def test_a_curve_that_lies_higher_by_one_decade_is_ten_times_as_fast():
    found = speed_up(BUDGETS, curve(0.1), BUDGETS, curve(0.2))
    assert found.ratio == pytest.approx(10)
    assert (found.low, found.high) == (None, None)
    assert found.slow == Reached(10_000, "reached")


def test_speed_does_not_hang_on_the_unit_of_steps_or_of_accuracy():
    plain = speed_up(BUDGETS, curve(0.1, 3, 0.02), BUDGETS, curve(0.17, 3, 0.03))
    scaled = speed_up(
        np.array(BUDGETS) * 7, curve(0.1, 3, 0.02) * 3 + 1, np.array(BUDGETS) * 7, curve(0.17, 3, 0.03) * 3 + 1
    )
    assert (scaled.ratio, scaled.low, scaled.high) == pytest.approx((plain.ratio, plain.low, plain.high))


def test_seeds_that_move_both_curves_alike_cancel():
    found = speed_up(BUDGETS, curve(0.1, 4, 0.05), BUDGETS, curve(0.17, 4, 0.05))
    assert (found.low, found.ratio, found.high) == pytest.approx([10**0.7] * 3)
    apart = speed_up(BUDGETS, curve(0.1, 4, 0.05), BUDGETS, curve(0.17, 4, 0.05)[::-1])
    assert apart.low < apart.ratio < apart.high


def test_a_curve_that_never_gets_there_says_so():
    found = speed_up(BUDGETS, curve(0.3, 3, 0.01), BUDGETS, curve(0.1, 3, 0.01))
    assert (found.ratio, found.fast.outcome) == (None, "never")
    assert found.never == 1.0
    assert (found.low, found.high) == (0.0, 0.0)


def test_a_curve_that_gets_there_only_with_some_seeds_has_an_open_interval():
    found = speed_up(BUDGETS, curve(0.2, 3, 0.0), BUDGETS, curve(0.2, 3, 0.1))
    assert 0 < found.never < 1
    assert found.low == 0


def test_before_the_first_budget_is_a_bound_and_no_number_of_its_own():
    found = speed_up(BUDGETS, curve(0.1), BUDGETS, curve(0.9))
    assert found.fast == Reached(10.0, "at once")
    assert found.ratio == 1000


def test_ends_that_rest_on_a_smallest_budget_are_bounds():
    at_once = speed_up(BUDGETS, curve(0.1, 3, 0.02), BUDGETS, curve(0.9, 3, 0.02))
    assert (at_once.low_is_bound, at_once.high_is_bound) == (False, True)
    slow = speed_up([100], np.array([[0.5], [0.52], [0.51]]), BUDGETS, curve(0.3, 3, 0.02, slope=0.12))
    assert (slow.slow.outcome, slow.fast.outcome) == ("at once", "reached")
    assert (slow.low_is_bound, slow.high_is_bound) == (True, False)
    some = speed_up(BUDGETS, curve(0.1, 3, 0.02), BUDGETS, curve(0.395, 3, 0.03)[::-1])
    assert some.fast.outcome == "reached"  # by the mean; some resamples begin above the level
    assert (some.low_is_bound, some.high_is_bound) == (False, True)
    inside = speed_up(BUDGETS, curve(0.1, 3, 0.02), BUDGETS, curve(0.2, 3, 0.02))
    assert (inside.low_is_bound, inside.high_is_bound) == (False, False)


def test_a_named_level_may_be_one_that_the_slow_curve_never_reaches():
    found = speed_up(BUDGETS, curve(0.1), BUDGETS, curve(0.2), level=0.55)
    assert (found.slow.outcome, found.fast.outcome, found.ratio) == ("never", "reached", None)


def test_the_interval_covers_the_true_ratio_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(150):
        noise = [0.02 * rng.normal(size=(6, 1)) for _ in range(2)]
        found = speed_up(BUDGETS, curve(0.1) + noise[0], BUDGETS, curve(0.2) + noise[1], resamples=200)
        hits += found.low <= 10 <= found.high
    assert 0.8 <= hits / 150 <= 0.95  # 0.86 in 600 repetitions: six seeds are few, and the docstring says so


def test_curves_of_different_seeds_are_refused():
    with pytest.raises(ValueError, match="same seeds"):
        speed_up(BUDGETS, curve(0.1, 2), BUDGETS, curve(0.1, 3))
