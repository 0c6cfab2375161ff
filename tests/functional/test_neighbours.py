import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from tests.reference.knn import knn_vote_slow

from undercoat.functional.neighbours import knn_vote, nearest


def random_set(*, queries=9, bank=40, dim=6, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(queries, dim, generator=generator),
        torch.randn(bank, dim, generator=generator),
        torch.randint(classes, (bank,), generator=generator),
    )


@pytest.mark.parametrize("k", [1, 5, 40])
def test_vote_equals_the_slow_twin(k):
    queries, bank, labels = random_set()
    votes = knn_vote(queries, bank, labels, k=k, temperature=0.2, classes=4)
    expected = knn_vote_slow(queries, bank, labels, k=k, temperature=0.2, classes=4)
    assert torch.allclose(votes, torch.tensor(expected), atol=1e-5)


def test_several_labels_equal_the_slow_twin():
    queries, bank, _ = random_set()
    labels = torch.randint(2, (40, 3), generator=torch.Generator().manual_seed(1))
    votes = knn_vote(queries, bank, labels, k=7, temperature=0.1, classes=3)
    expected = knn_vote_slow(queries, bank, labels, k=7, temperature=0.1, classes=3)
    assert torch.allclose(votes, torch.tensor(expected), atol=1e-5)


def test_agrees_with_scikit_learn():
    queries, bank, labels = random_set(queries=50, bank=200)
    reference = KNeighborsClassifier(
        n_neighbors=11,
        metric="cosine",
        algorithm="brute",
        weights=lambda distance: np.exp((1 - distance) / 0.07),
    ).fit(bank.numpy(), labels.numpy())
    votes = knn_vote(queries, bank, labels, k=11, temperature=0.07, classes=4)
    assert np.allclose(votes.numpy(), reference.predict_proba(queries.numpy()), atol=1e-4)


def test_one_neighbour_on_its_own_bank_is_always_right():
    _, bank, labels = random_set()
    votes = knn_vote(bank, bank, labels, k=1, temperature=0.07, classes=4)
    assert (votes.argmax(1) == labels).all()


def test_two_orthogonal_rows_in_closed_form():
    votes = knn_vote(torch.tensor([[3.0, 0.0]]), torch.eye(2), torch.tensor([0, 1]), k=9, temperature=0.5, classes=2)
    assert votes[0, 0].item() == pytest.approx(1 / (1 + math.exp(-2)))


def test_low_temperature_does_not_overflow():
    queries, bank, labels = random_set()
    votes = knn_vote(queries, bank, labels, k=5, temperature=1e-4, classes=4)
    assert torch.isfinite(votes).all()
    first = knn_vote(queries, bank, labels, k=1, temperature=1.0, classes=4)
    assert (votes.argmax(1) == first.argmax(1)).all()


@settings(max_examples=20, deadline=None)
@given(chunk=st.integers(1, 50), k=st.integers(1, 60))
def test_chunks_change_nothing(chunk, k):
    queries, bank, labels = random_set()
    whole = knn_vote(queries, bank, labels, k=k, temperature=0.1, classes=4)
    parts = knn_vote(queries, bank, labels, k=k, temperature=0.1, classes=4, chunk=chunk)
    assert torch.allclose(whole, parts, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.floats(0.01, 100))
def test_order_of_the_bank_and_length_of_rows_change_nothing(seed, factor):
    queries, bank, labels = random_set(seed=seed)
    order = torch.randperm(len(bank), generator=torch.Generator().manual_seed(seed))
    one = knn_vote(queries, bank, labels, k=6, temperature=0.1, classes=4)
    other = knn_vote(queries * factor, bank[order] / factor, labels[order], k=6, temperature=0.1, classes=4)
    assert torch.allclose(one, other, atol=1e-4)


def test_nearest_caps_k_and_falls_along_the_row():
    queries, bank, _ = random_set(bank=3)
    cosine, index = nearest(queries, bank, k=20)
    assert cosine.shape == index.shape == (9, 3)
    assert (cosine.diff(dim=1) <= 0).all()


def test_no_queries_give_no_votes():
    assert knn_vote(torch.zeros(0, 2), torch.eye(2), torch.tensor([0, 1]), k=1, classes=2).shape == (0, 2)
