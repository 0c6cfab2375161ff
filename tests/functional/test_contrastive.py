import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from reference.contrastive import cosine_regression as slow_cosine_regression
from reference.contrastive import info_nce as slow_info_nce
from reference.contrastive import nt_xent as slow_nt_xent
from undercoat.functional.contrastive import cosine_regression, info_nce, nt_xent


def rows(count, dim, seed):
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
def test_orthonormal_rows_give_the_closed_form(temperature):
    e = torch.eye(6)
    loss = info_nce(e[:1], e[:1], e[1:], temperature=temperature)
    assert loss.item() == pytest.approx(math.log(1 + 5 * math.exp(-1 / temperature)), abs=1e-6)


def test_all_equal_rows_are_at_chance():
    same = torch.ones(3, 4) / 2
    assert info_nce(same, same, same[:1].expand(9, 4), temperature=0.2).item() == pytest.approx(math.log(10), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 7), st.sampled_from([0.07, 0.2, 1.0]), st.integers(0, 999))
def test_agrees_with_the_slow_loop(batch, negatives, temperature, seed):
    q, k, n = rows(batch, 4, seed), rows(batch, 4, seed + 1), rows(negatives, 4, seed + 2)
    excluded = torch.rand(batch, negatives, generator=torch.Generator().manual_seed(seed)) < 0.3
    fast = info_nce(q, k, n, temperature=temperature, excluded=excluded).item()
    slow = slow_info_nce(q.numpy(), k.numpy(), n.numpy(), temperature, excluded.numpy())
    assert fast == pytest.approx(slow, rel=1e-4, abs=1e-6)


def test_order_of_batch_and_negatives_does_not_matter():
    q, k, n = rows(5, 8, 0), rows(5, 8, 1), rows(9, 8, 2)
    flip = np.arange(4, -1, -1).copy()
    assert info_nce(q, k, n, temperature=0.2) == pytest.approx(
        info_nce(q[flip], k[flip], n.flip(0), temperature=0.2).item(), abs=1e-6
    )


def test_only_the_query_gets_a_gradient():
    q, k, n = (rows(3, 4, s).requires_grad_() for s in range(3))
    info_nce(q, k, n, temperature=0.2).backward()
    assert q.grad is not None
    assert k.grad is None
    assert n.grad is None


def test_a_query_whose_negatives_are_all_excluded_has_nothing_to_tell_apart():
    q, n = rows(2, 4, 0), rows(3, 4, 1)
    assert info_nce(q, q, n, temperature=0.2, excluded=torch.ones(2, 3, dtype=torch.bool)).item() == pytest.approx(0.0)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_nt_xent_of_orthonormal_pairs_is_the_closed_form(temperature):
    e = torch.eye(5)
    loss = nt_xent(torch.stack([e, e]), temperature=temperature)
    assert loss.item() == pytest.approx(math.log(1 + 8 * math.exp(-1 / temperature)), abs=1e-6)


def test_nt_xent_of_equal_views_is_at_chance_among_all_but_the_view_itself():
    same = torch.ones(2, 6, 4) / 2
    assert nt_xent(same, temperature=0.1).item() == pytest.approx(math.log(2 * 6 - 1), abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.sampled_from([0.1, 0.5, 1.0]), st.integers(0, 999))
def test_nt_xent_agrees_with_the_slow_loop(images, temperature, seed):
    views = torch.stack([rows(images, 4, seed), rows(images, 4, seed + 1)])
    excluded = torch.rand(images, images, generator=torch.Generator().manual_seed(seed)) < 0.4
    fast = nt_xent(views, temperature=temperature, excluded=excluded).item()
    slow = slow_nt_xent(*views.numpy(), temperature, excluded.numpy())
    assert fast == pytest.approx(slow, rel=1e-4, abs=1e-6)


def test_nt_xent_in_parts_is_nt_xent_of_the_whole_in_value_and_gradient():
    whole = torch.stack([rows(6, 8, 0), rows(6, 8, 1)]).requires_grad_()
    again = torch.arange(6)[:, None] % 4 == torch.arange(6)[None, :] % 4
    expected = nt_xent(whole, temperature=0.2, excluded=again)
    (wanted,) = torch.autograd.grad(expected, whole)
    parts = [
        nt_xent(
            whole[:, start : start + 2],
            temperature=0.2,
            everyone=whole,
            offset=start,
            excluded=again[start : start + 2],
        )
        for start in (0, 2, 4)
    ]
    (got,) = torch.autograd.grad(sum(parts) / 3, whole)
    assert sum(parts).item() / 3 == pytest.approx(expected.item(), abs=1e-6)
    assert torch.allclose(got, wanted, atol=1e-6)


def test_nt_xent_does_not_care_about_the_order_of_views_or_images_or_about_a_common_turn():
    views = torch.stack([rows(5, 4, 0), rows(5, 4, 1)])
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(2)))
    expected = pytest.approx(nt_xent(views, temperature=0.3).item(), abs=1e-5)
    for same in (views.flip(0), views[:, [4, 2, 0, 1, 3]], views @ turn):
        assert nt_xent(same, temperature=0.3).item() == expected


def test_nt_xent_loses_the_excluded_images_as_negatives_and_never_the_partner():
    same = torch.ones(2, 4, 4) / 2
    everything = torch.ones(4, 4, dtype=torch.bool)
    pairs = torch.block_diag(torch.ones(2, 2), torch.ones(2, 2)).bool()  # each image is there twice
    assert nt_xent(same, temperature=0.5, excluded=everything).item() == pytest.approx(0.0, abs=1e-6)
    assert nt_xent(same, temperature=0.5, excluded=pairs).item() == pytest.approx(math.log(5), abs=1e-5)


def test_nt_xent_is_reckoned_in_single_precision_under_autocast():
    views = torch.stack([rows(8, 16, 0), rows(8, 16, 1)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = nt_xent(views, temperature=0.1)
    assert loss.item() == nt_xent(views, temperature=0.1).item()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 999))
def test_cosine_regression_agrees_with_the_slow_loop(count, seed):
    draw = np.random.default_rng(seed)
    p, t = (torch.as_tensor(draw.normal(0, 3, (count, 5)), dtype=torch.float32) for _ in range(2))
    assert cosine_regression(p, t).item() == pytest.approx(slow_cosine_regression(p.numpy(), t.numpy()), abs=1e-5)


def test_cosine_regression_looks_at_directions_only():
    p, t = rows(4, 6, 0), rows(4, 6, 1)
    assert cosine_regression(7 * p, t / 9).item() == pytest.approx(cosine_regression(p, t).item(), abs=1e-6)
    assert cosine_regression(p, p).item() == pytest.approx(0.0, abs=1e-6)
    assert cosine_regression(p, -p).item() == pytest.approx(4.0, abs=1e-6)


def test_cosine_regression_never_pulls_at_the_target():
    p, t = rows(3, 4, 0).requires_grad_(), rows(3, 4, 1).requires_grad_()
    cosine_regression(p, t).backward()
    assert p.grad is not None
    assert t.grad is None
