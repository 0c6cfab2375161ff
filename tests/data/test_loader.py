"""Batches: every image once an epoch, the same sequence for any number of processes and any start."""

import gc
import threading
import time
from itertools import islice

import numpy as np
import pytest
import torch

from undercoat.data import open_data
from undercoat.data.loader import Batches, Order, sequential


@pytest.fixture
def canvases(tmp_path):
    """Ten images whose pixels are their own number."""
    pixels = np.repeat(np.arange(10, dtype=np.uint8), 64).reshape(10, 8, 8)
    np.save(tmp_path / "numbers.npy", pixels)
    return open_data(tmp_path / "numbers.npy", cache=tmp_path / "cache", size_px=8)


def take(canvases, count, **options):
    with Batches(canvases, **{"batch": 4, "seed": 0, **options}) as batches:
        return list(islice(batches, count))


def test_every_image_once_an_epoch(canvases):
    seen = np.concatenate([loaded.index for loaded in take(canvases, 5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert not np.array_equal(seen[:10], seen[10:])


def test_pixels_belong_to_their_index(canvases):
    for step, loaded in enumerate(take(canvases, 7)):
        assert loaded.step == step
        assert loaded.images.dtype == torch.uint8
        assert tuple(loaded.images.shape) == (4, 8, 8, 1)
        assert loaded.images[:, 3, 3, 0].tolist() == loaded.index.tolist()
        assert loaded.epoch.tolist() == [(step * 4 + row) // 10 for row in range(4)]
        assert loaded.aspect.tolist() == [1.0] * 4


def test_more_than_the_set_in_a_batch(canvases):
    loaded = take(canvases, 1, batch=25)[0]
    assert np.bincount(loaded.index[:20]).tolist() == [2] * 10
    assert np.bincount(loaded.epoch).tolist() == [10, 10, 5]


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_a_batch(canvases, world):
    whole = take(canvases, 4, batch=7)
    parts = [take(canvases, 4, batch=7, rank=rank, world=world) for rank in range(world)]
    for step in range(4):
        joined = np.concatenate([part[step].index for part in parts])
        assert np.array_equal(joined, whole[step].index)
        assert torch.equal(torch.cat([part[step].images for part in parts]), whole[step].images)


def test_starting_late_is_skipping(canvases):
    late, all_of_them = take(canvases, 3, start_step=5), take(canvases, 8)
    for one, other in zip(late, all_of_them[5:], strict=True):
        assert one.step == other.step
        assert np.array_equal(one.index, other.index)
        assert np.array_equal(one.epoch, other.epoch)


def test_a_selection_counts_from_zero(canvases):
    some = canvases.take(np.array([7, 3, 5]))
    loaded = take(some, 1, batch=3)[0]
    assert sorted(loaded.index) == [0, 1, 2]
    assert loaded.images[:, 0, 0, 0].tolist() == np.array([7, 3, 5])[loaded.index].tolist()


def test_16_bits_come_as_int32(tmp_path):
    np.save(tmp_path / "deep.npy", np.full((2, 8, 8), 60_000, np.uint16))
    deep = open_data(tmp_path / "deep.npy", cache=tmp_path / "cache", size_px=8)
    images = take(deep, 1, batch=2)[0].images
    assert (images.dtype, int(images.max())) == (torch.int32, 60_000)


def test_in_order(canvases):
    loaded = list(sequential(canvases, 4))
    assert [len(batch.index) for batch in loaded] == [4, 4, 2]
    assert np.concatenate([batch.index for batch in loaded]).tolist() == list(range(10))


def test_an_error_in_the_thread_reaches_the_consumer(canvases):
    broken = canvases.take(np.arange(10))
    broken.rows[:] = 99
    with Batches(broken, batch=4, seed=0) as batches, pytest.raises(IndexError):
        next(batches)
    with pytest.raises(StopIteration):
        next(batches)


def test_no_thread_is_left(canvases):
    before = threading.active_count()
    batches = Batches(canvases, batch=4, seed=0)
    next(batches)
    batches.close()
    batches.close()
    assert threading.active_count() == before
    forgotten = Batches(canvases, batch=4, seed=0)
    del forgotten
    gc.collect()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() == before


def test_waiting_is_measured(canvases):
    with Batches(canvases, batch=4, seed=0) as batches:
        next(batches)
        time.sleep(0.1)
        waited = batches.wait_seconds
        next(batches)
        assert batches.wait_seconds - waited < 0.05


def test_nothing_to_load(canvases):
    with pytest.raises(ValueError, match="nothing to load"):
        Batches(canvases, batch=1, seed=0, world=2)


def test_order_far_into_training():
    order = Order(10, batch=4, seed=1)
    index, epoch = order.at(10**9)
    assert epoch.tolist() == [4 * 10**8] * 4
    assert len(set(index.tolist())) == 4
