import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from reference.noise_contrastive import noise_contrastive as slow_noise_contrastive
from undercoat.functional.noise_contrastive import noise_contrastive


def rows(count, dim, seed):
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_orthonormal_rows_give_the_closed_form(temperature):
    e = torch.eye(6)
    loss = noise_contrastive(e[:1], e[:1], e[1:], temperature=temperature)
    total = math.exp(1 / temperature) + 5
    expected = -math.log(math.exp(1 / temperature) / total) - 5 * math.log(1 - 1 / total)
    assert loss.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("negatives", [1, 9, 1000])
def test_all_equal_rows_are_at_chance(negatives):
    same = torch.ones(3, 4) / 2
    loss = noise_contrastive(same, same, same[:1].expand(negatives, 4), temperature=0.07)
    assert loss.item() == pytest.approx(math.log(1 + negatives) + negatives * math.log(1 + 1 / negatives), rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 7), st.sampled_from([0.2, 0.5, 1.0]), st.integers(0, 999))
def test_agrees_with_the_slow_loop(batch, negatives, temperature, seed):
    q, k, n = rows(batch, 4, seed), rows(batch, 4, seed + 1), rows(negatives, 4, seed + 2)
    excluded = torch.rand(batch, negatives, generator=torch.Generator().manual_seed(seed)) < 0.3
    fast = noise_contrastive(q, k, n, temperature=temperature, excluded=excluded).item()
    slow = slow_noise_contrastive(q.numpy(), k.numpy(), n.numpy(), temperature, excluded.numpy())
    assert fast == pytest.approx(slow, rel=1e-3, abs=1e-5)


def test_order_of_batch_and_negatives_does_not_matter():
    q, k, n = rows(5, 8, 0), rows(5, 8, 1), rows(9, 8, 2)
    flip = np.arange(4, -1, -1).copy()
    turned = noise_contrastive(q[flip], k[flip], n.flip(0), temperature=0.2)
    assert noise_contrastive(q, k, n, temperature=0.2).item() == pytest.approx(turned.item(), abs=1e-5)


def test_only_the_query_gets_a_gradient():
    q, k, n = (rows(3, 4, s).requires_grad_() for s in range(3))
    noise_contrastive(q, k, n, temperature=0.2).backward()
    assert q.grad is not None
    assert k.grad is None
    assert n.grad is None


def test_a_step_against_the_gradient_nears_the_positive_and_leaves_the_negatives():
    q, k, n = rows(1, 4, 0).requires_grad_(), rows(1, 4, 1), rows(3, 4, 2)
    noise_contrastive(q, k, n, temperature=0.5).backward()
    moved = q - 0.1 * q.grad
    assert (moved @ k.T).item() > (q @ k.T).item()
    assert noise_contrastive(moved, k, n, temperature=0.5) < noise_contrastive(q, k, n, temperature=0.5)


def test_a_certain_mistake_is_dear_but_finite():
    e = torch.eye(2).requires_grad_()
    loss = noise_contrastive(e[:1], e[1:], e[:1], temperature=0.01)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(e.grad).all()
    assert loss > 100


def test_a_query_without_negatives_has_nothing_to_learn():
    q, n = rows(2, 4, 0).requires_grad_(), rows(3, 4, 1)
    loss = noise_contrastive(q, rows(2, 4, 3), n, temperature=0.2, excluded=torch.ones(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert q.grad.abs().max() < 1e-6


def test_autocast_does_not_touch_it():
    q, k, n = rows(4, 16, 0), rows(4, 16, 1), rows(9, 16, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = noise_contrastive(q, k, n, temperature=0.07)
    assert under.item() == noise_contrastive(q, k, n, temperature=0.07).item()
