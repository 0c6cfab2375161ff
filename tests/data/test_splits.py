"""Splits: every class its share, no group on two sides, the same for the same seed."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undercoat.data.canvases import Canvases
from undercoat.data.splits import split_rows


def canvases(labels, groups=None, classes=()):
    count = len(labels)
    return Canvases(
        name="made",
        digest="0",
        images=np.zeros((count, 1, 1, 1), np.uint8),
        low=0.0,
        high=255.0,
        mean=(0.0,),
        std=(1.0,),
        aspect=np.ones(count, np.float32),
        keys=[str(i) for i in range(count)],
        classes=tuple(classes),
        labels=labels,
        splits=np.zeros(count, "<U5"),
        groups=np.zeros(count, "<U1") if groups is None else np.array(groups),
        rows=np.arange(count),
        skipped=(),
        folder=Path(),
    )


fractions = st.sampled_from([(0.8, 0.2), (0.5, 0.5), (0.7, 0.15, 0.15), (0.1,), (0.3, 0.3)])
label_lists = st.lists(st.integers(-1, 4), min_size=1, max_size=60).map(lambda x: np.array(x, np.int64))


@given(labels=label_lists, fractions=fractions, seed=st.integers(0, 10))
def test_every_class_gets_its_share(labels, fractions, seed):
    data = canvases(labels, classes="abcde")
    parts = split_rows(data, fractions, seed=seed)
    together = np.concatenate(parts)
    assert len(np.unique(together)) == len(together)
    if abs(sum(fractions) - 1) < 1e-9:
        assert len(together) == len(labels)
    for part, fraction in zip(parts, fractions, strict=True):
        assert np.array_equal(part, np.sort(part))
        for label in np.unique(labels):
            share = fraction * (labels == label).sum()
            assert abs((labels[part] == label).sum() - share) < 1
    assert all(np.array_equal(a, b) for a, b in zip(parts, split_rows(data, fractions, seed=seed), strict=True))


@given(labels=label_lists, fractions=fractions, data=st.data())
@settings(max_examples=50)
def test_no_group_straddles(labels, fractions, data):
    groups = data.draw(st.lists(st.sampled_from(["", "p", "q", "r"]), min_size=len(labels), max_size=len(labels)))
    parts = split_rows(canvases(labels, groups, "abcde"), fractions, seed=0)
    where = {}
    left = np.setdiff1d(np.arange(len(labels)), np.concatenate(parts))
    for number, part in enumerate([*parts, left]):
        for row in part:
            if groups[row]:
                assert where.setdefault(groups[row], number) == number


def test_group_split_keeps_the_proportions():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 300, 3000).astype(str)
    labels = rng.integers(0, 5, 3000)
    fit, held = split_rows(canvases(labels, groups, "abcde"), (0.8, 0.2), seed=3)
    assert abs(len(held) / 3000 - 0.2) < 0.01
    assert not set(groups[fit]) & set(groups[held])
    share = np.bincount(labels[held]) / np.bincount(labels)
    assert np.abs(share - 0.2).max() < 0.03


def test_rare_labels_of_many_reach_both_sides():
    rng = np.random.default_rng(1)
    labels = (rng.random((1000, 6)) < [0.5, 0.3, 0.1, 0.05, 0.02, 0.01]).astype(np.uint8)
    labels[:20] = 255
    fit, held = split_rows(canvases(labels, classes="abcdef"), (0.8, 0.2), seed=0)
    known = labels[20:]
    assert len(fit) + len(held) == 1000
    for column in range(6):
        there = int((labels[held][:, column] == 1).sum())
        assert abs(there - 0.2 * known[:, column].sum()) <= 2


def test_other_seeds_give_other_splits_and_nobody_is_favoured():
    data = canvases(np.zeros(10, np.int64), classes="a")
    picks = np.array([split_rows(data, (0.3,), seed=seed)[0] for seed in range(200)])
    counts = np.bincount(picks.ravel(), minlength=10)
    assert counts.sum() == 600
    assert counts.min() > 35
    assert counts.max() < 85


def test_without_labels():
    parts = split_rows(canvases_without_labels(7), (0.5, 0.5), seed=0)
    assert sorted(map(len, parts)) == [3, 4]


def canvases_without_labels(count):
    return canvases(np.zeros(count, np.int64)).without_labels()


@pytest.mark.parametrize("fractions", [(), (0.0, 1.0), (0.8, 0.3), (-0.1,)])
def test_fractions_out_of_range(fractions):
    with pytest.raises(ValueError, match="at most 1 together"):
        split_rows(canvases_without_labels(5), fractions, seed=0)
