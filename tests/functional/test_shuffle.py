"""Part of a shuffle: a permutation at any size, the old one for small sets, without memory for large ones."""

import tracemalloc

import numpy as np

from undercoat.functional.draws import permutation
from undercoat.functional.shuffle import STATELESS_ABOVE, shuffled


def test_small_sets_keep_their_order():
    for count in (1, 2, 1000):
        for epoch in (0, 3):
            whole = permutation(count, seed=5, epoch=epoch)
            assert (shuffled(np.arange(count), count, seed=5, epoch=epoch) == whole).all()


def test_large_sets_are_permuted():
    count = STATELESS_ABOVE + 12_345  # an odd number of bits, far from a power of two
    found = shuffled(np.arange(count), count, seed=0, epoch=0)
    assert (np.bincount(found, minlength=count) == 1).all()


def test_large_orders_look_random():
    count, place = 10_000_019, np.arange(200_000)
    first = shuffled(place, count, seed=0, epoch=0)
    assert abs(np.corrcoef(place, first)[0, 1]) < 0.01
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.01
    counts = np.histogram(first, bins=100, range=(0, count))[0]
    assert ((counts - 2000) ** 2 / 2000).sum() < 160  # chi-squared with 99 degrees of freedom: far in the tail
    for other in (shuffled(place, count, seed=1, epoch=0), shuffled(place, count, seed=0, epoch=1)):
        assert (first == other).sum() <= 3


def test_a_place_does_not_depend_on_its_neighbours():
    count = 3_000_000
    some = np.array([0, 2_999_999, 17, 17])
    alone = [int(shuffled(np.array([place]), count, seed=2, epoch=9)[0]) for place in some]
    assert shuffled(some, count, seed=2, epoch=9).tolist() == alone


def test_no_memory_for_large_sets():
    tracemalloc.start()
    shuffled(np.arange(256), 10**9, seed=0, epoch=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
