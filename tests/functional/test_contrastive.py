import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from reference.contrastive import info_nce as slow_info_nce
from undercoat.functional.contrastive import info_nce


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
