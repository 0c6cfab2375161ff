import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from undercoat.functional.collapse import alignment, effective_rank, feature_std, uniformity


def gaussian(rows, dim, seed=0):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))


def test_feature_std_of_a_point_is_zero_and_of_the_sphere_is_one():
    assert feature_std(torch.ones(10, 8)).item() == 0
    assert feature_std(gaussian(4000, 64)).item() == pytest.approx(1, abs=0.01)


def test_feature_std_on_a_line_falls_with_the_dimension():
    line = torch.zeros(100, 16)
    line[::2, 0], line[1::2, 0] = 1.0, -1.0
    assert feature_std(line).item() == pytest.approx(1 / 16 * 4)  # one coordinate of 16 has deviation 1


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_effective_rank_counts_equal_directions(rank):
    basis = torch.linalg.qr(gaussian(8, 8)).Q[:, :rank]
    rows = torch.linalg.qr(gaussian(50, rank, seed=1)).Q  # orthonormal columns: all singular values are 1
    assert effective_rank(rows @ basis.T).item() == pytest.approx(rank, rel=1e-3)


def test_effective_rank_of_two_unequal_directions_in_closed_form():
    p = 0.75
    entropy = -(p * math.log(p) + (1 - p) * math.log(1 - p))
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))).item() == pytest.approx(math.exp(entropy))


def test_effective_rank_of_nothing_is_finite():
    assert math.isfinite(effective_rank(torch.zeros(5, 3)).item())


def test_alignment_of_equal_orthogonal_and_opposite_features():
    rows = torch.eye(4)
    assert alignment(rows, 5 * rows).item() == 0
    assert alignment(rows, rows.roll(1, 0)).item() == pytest.approx(2)
    assert alignment(rows, -rows).item() == pytest.approx(4)
    assert alignment(rows, -rows, power=1).item() == pytest.approx(2)


def test_uniformity_of_collapsed_orthogonal_and_opposite_features():
    assert uniformity(torch.ones(6, 3)).item() == pytest.approx(0, abs=1e-5)
    assert uniformity(torch.eye(6)).item() == pytest.approx(-4)
    assert uniformity(torch.tensor([[1.0], [-1.0]])).item() == pytest.approx(-8)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100), factor=st.floats(0.1, 50))
def test_meters_do_not_see_length_order_or_rotation(seed, factor):
    rows = gaussian(20, 5, seed)
    turned = factor * rows.flip(0) @ torch.linalg.qr(gaussian(5, 5, seed + 1)).Q
    assert effective_rank(turned).item() == pytest.approx(effective_rank(rows).item(), rel=1e-3)
    assert uniformity(turned).item() == pytest.approx(uniformity(rows).item(), abs=1e-3)
    assert feature_std(factor * rows.flip(0)).item() == pytest.approx(feature_std(rows).item(), rel=1e-4)


def test_half_precision_features_are_measured_in_full_precision():
    rows = gaussian(200, 16)
    assert effective_rank(rows.bfloat16()).item() == pytest.approx(effective_rank(rows).item(), rel=0.01)
    assert feature_std(rows.bfloat16()).dtype == torch.float32
