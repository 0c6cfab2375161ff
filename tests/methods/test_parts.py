import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from undercoat.methods.parts import MemoryBank, Queue, ema_update, frozen_copy, mlp


def unit(*values):
    return torch.tensor(values, dtype=torch.float32)


def test_ema_after_n_steps_is_one_minus_momentum_to_the_n():
    online, target = nn.Linear(3, 2), nn.Linear(3, 2)
    nn.init.ones_(online.weight)
    nn.init.zeros_(target.weight)
    for _ in range(10):
        ema_update(target, online, 0.9)
    assert target.weight.detach().numpy() == pytest.approx(1 - 0.9**10, abs=1e-6)


def test_ema_leaves_frozen_parameters_alone():
    online = nn.Linear(2, 2)
    target = frozen_copy(online)
    online.bias.requires_grad_(False)
    before = target.bias.clone()
    with torch.no_grad():
        online.bias.add_(1.0)
        online.weight.add_(1.0)
    ema_update(target, online, 0.0)
    assert torch.equal(target.bias, before)
    assert torch.allclose(target.weight, online.weight)


def test_the_target_has_no_gradients():
    assert not any(p.requires_grad for p in frozen_copy(nn.Linear(2, 2)).parameters())


def test_queue_is_first_in_first_out_and_wraps():
    queue = Queue(4, 1)
    for start in (0, 3):
        queue.push(torch.arange(start, start + 3.0)[:, None], torch.arange(start, start + 3))
    assert queue.rows.flatten().tolist() == [4.0, 5.0, 2.0, 3.0]
    assert queue.index.tolist() == [4, 5, 2, 3]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_queue_holds_the_last_keys_whatever_the_batches(size, batches):
    queue, pushed = Queue(size, 1), []
    for batch in batches:
        new = torch.arange(len(pushed), len(pushed) + batch)
        queue.push(new[:, None].float(), new)
        pushed += new.tolist()
    held = [i for i in queue.index.tolist() if i >= 0]
    assert sorted(held) == sorted(pushed[-size:])
    assert all(queue.rows[p].item() == i for p, i in enumerate(queue.index.tolist()) if i >= 0)


def test_queue_starts_with_unit_rows_of_no_image():
    queue = Queue(5, 8, seed=3)
    assert torch.allclose(queue.rows.norm(dim=1), torch.ones(5))
    assert not queue.shows(torch.arange(10)).any()
    assert torch.equal(queue.rows, Queue(5, 8, seed=3).rows)


def test_queue_knows_its_own_images():
    queue = Queue(2, 1)
    queue.push(torch.ones(2, 1), torch.tensor([7, 8]))
    assert queue.shows(torch.tensor([8, 9])).tolist() == [[False, True], [False, False]]


def test_mlp_is_moco_v2s_head():
    head = mlp(512, 512, 128)
    assert [tuple(p.shape) for p in head.parameters()] == [(512, 512), (512,), (128, 512), (128,)]


def test_the_bank_averages_what_it_sees_of_an_image():
    bank = MemoryBank(3, 2, momentum=0.75)
    bank.update(torch.tensor([2, 0]), unit([1.0, 0.0], [0.0, 1.0]))
    bank.update(torch.tensor([2]), unit([0.0, 1.0]))
    assert torch.allclose(bank.rows[2], unit(0.75, 0.25) / 0.625**0.5)
    assert torch.equal(bank.rows[0], unit(0.0, 1.0))
    assert bank.seen.tolist() == [True, False, True]


def test_the_bank_starts_with_random_unit_rows_that_count_as_unseen():
    bank = MemoryBank(5, 8, momentum=0.5, seed=3)
    assert torch.allclose(bank.rows.norm(dim=1), torch.ones(5))
    assert not bank.seen.any()
    assert torch.equal(bank.rows, MemoryBank(5, 8, momentum=0.5, seed=3).rows)
    assert not torch.equal(bank.rows, MemoryBank(5, 8, momentum=0.5, seed=4).rows)


def test_of_an_image_that_comes_twice_the_bank_takes_the_last():
    bank = MemoryBank(2, 2, momentum=0.0)
    bank.update(torch.tensor([1, 0, 1]), unit([1.0, 0.0], [0.6, 0.8], [0.0, 1.0]))
    assert torch.allclose(bank.rows, unit([0.6, 0.8], [0.0, 1.0]))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.floats(0.0, 0.99), st.integers(0, 99))
def test_bank_rows_stay_unit_length(images, momentum, seed):
    generator = torch.Generator().manual_seed(seed)
    bank = MemoryBank(images, 4, momentum=momentum)
    for _ in range(4):
        index = torch.randint(images, (5,), generator=generator)
        bank.update(index, nn.functional.normalize(torch.randn(5, 4, generator=generator), dim=1))
    assert torch.allclose(bank.rows.norm(dim=1), torch.ones(images), atol=1e-5)
