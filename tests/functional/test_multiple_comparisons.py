"""Holm's correction against its definition, and p values against the normal distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from undercoat.functional.multiple_comparisons import holm, p_of_interval

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_the_step_down_of_the_paper():
    assert holm([0.01, 0.02, 0.03, 0.04]).tolist() == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.5, 0.0001]).tolist() == pytest.approx([0.5, 0.0002])
    assert holm([]).tolist() == []


@given(P_VALUES, st.floats(0.001, 0.5))
def test_what_is_rejected_is_what_the_step_down_rejects(p_values, level):
    order = np.argsort(p_values, kind="stable")
    rejected = set()
    for place, index in enumerate(order):  # Holm 1979: go on while the next p is small enough for those that are left
        if p_values[index] * (len(p_values) - place) > level:
            break
        rejected.add(int(index))
    assert {index for index, p in enumerate(holm(p_values)) if p <= level} == rejected


@given(P_VALUES)
def test_corrected_values_lie_between_the_raw_ones_and_bonferroni(p_values):
    corrected = holm(p_values)
    raw = np.array(p_values)
    assert (corrected >= raw).all()
    assert (corrected <= np.minimum(raw * len(raw), 1) + 1e-12).all()
    assert (np.diff(corrected[np.argsort(raw, kind="stable")]) >= 0).all()


def test_the_same_numbers_as_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = np.random.default_rng(0).uniform(size=30) ** 3
    assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize("z", [0.0, 0.5, 1.0, 1.959964, 3.0])
def test_a_normal_interval_gives_the_normal_p(z):
    half = norm.ppf(0.975)
    assert p_of_interval(z, z - half, z + half) == pytest.approx(2 * norm.sf(z), abs=1e-9)
    assert p_of_interval(-z, -z - half, -z + half) == pytest.approx(2 * norm.sf(z), abs=1e-9)


@given(st.floats(-0.5, 0.5), st.floats(0.001, 0.3), st.floats(0.001, 0.3))
def test_p_is_below_the_level_exactly_where_the_interval_leaves_out_zero(value, below, above):
    low, high = value - below, value + above
    if min(abs(low), abs(high)) > 1e-9:
        assert (p_of_interval(value, low, high) < 0.05) == (low > 0 or high < 0)


def test_an_interval_without_width_is_sure():
    assert p_of_interval(0.1, 0.1, 0.1) == 0.0
    assert p_of_interval(0.0, 0.0, 0.0) == 1.0
