"""What every method must do; a new entry of METHODS is covered without writing a test."""

import copy
from datetime import timedelta
from functools import partial

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from networks import tiny_backbone
from undercoat.augment import augmentation
from undercoat.augment.batch import Batch
from undercoat.backbones import set_trainable
from undercoat.errors import SpecError
from undercoat.functional.draws import Draws
from undercoat.methods import METHODS, Facts, check_arguments, method_class
from undercoat.training.optim import OptimiserSpec

EVERY = sorted(METHODS)
SIZE = 48
FACTS = Facts(images=128, batch=8, steps=10, initialised=False, batch_norm=False, size_px=SIZE, classes=4)


@pytest.fixture
def batch_for(make_batch):
    """Batches with as many views as a method asks for, and with labels where it reads them."""

    def batches(name):
        method = METHODS[name]
        classes = FACTS.classes if method.reads_labels else 0
        return partial(make_batch, views=build(name).number_of_views, pixels=SIZE, classes=classes)

    return batches


def build(name, *, norm=False, part="all", seed=0):
    backbone = tiny_backbone(norm=norm, seed=seed)
    set_trainable(backbone, part)
    arguments = check_arguments(METHODS[name], {"seed": seed})
    automatic = METHODS[name].auto(FACTS)
    assert {key for key, value in arguments.items() if value is None} <= set(automatic), "an argument stays None"
    arguments |= {key: auto.value for key, auto in automatic.items() if arguments[key] is None}
    method = METHODS[name](backbone, **arguments)
    list(method.before_epoch(0, features_of_all))
    return method


@torch.no_grad()
def features_of_all(module):
    """What a module gives for every image of a data set of noise."""
    images = torch.rand(FACTS.images, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    was = module.training
    module.eval()
    features = torch.cat([module(part) for part in images.split(32)])
    module.train(was)
    return features


def steps(method, make_batch, count, start=0, optimiser=None):
    optimiser = optimiser or torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    losses = []
    for step in range(start, start + count):
        loss = method(make_batch(step))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.after_step((step + 1) / 10)
        losses.append(loss.item())
    return losses, optimiser


@pytest.mark.parametrize("name", EVERY)
def test_loss_is_finite_and_is_a_number(name, batch_for):
    make_batch = batch_for(name)
    loss = build(name)(make_batch())["loss"]
    assert loss.shape == ()
    assert torch.isfinite(loss)


@pytest.mark.parametrize("part", ["all", "norm", "head"])
@pytest.mark.parametrize("name", EVERY)
def test_exactly_the_trainable_parameters_get_gradients(name, part, batch_for):
    make_batch = batch_for(name)
    method = build(name, norm=True, part=part)
    method(make_batch())["loss"].backward()
    for key, parameter in method.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, key


@pytest.mark.parametrize("name", EVERY)
def test_state_makes_the_round_trip(name, batch_for):
    make_batch = batch_for(name)
    first = build(name)
    steps(first, make_batch, 2)
    second = build(name, seed=1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert torch.equal(first(make_batch(5))["loss"], second(make_batch(5))["loss"])


@pytest.mark.parametrize("name", EVERY)
def test_same_seed_same_bits_other_seed_other_bits(name, batch_for):
    make_batch = batch_for(name)
    runs = [steps(build(name, seed=seed), make_batch, 3)[0] for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("name", EVERY)
def test_two_and_two_steps_are_four(name, batch_for):
    make_batch = batch_for(name)
    whole = build(name)
    steps(whole, make_batch, 4)
    half = build(name)
    _, optimiser = steps(half, make_batch, 2)
    other = build(name, seed=3)
    other.load_state_dict(half.state_dict())
    resumed = torch.optim.SGD([p for p in other.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    resumed.load_state_dict(optimiser.state_dict())
    steps(other, make_batch, 2, start=2, optimiser=resumed)
    for (key, a), b in zip(whole.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), key


def share(batch, rank, world):
    mine = slice(rank * len(batch) // world, (rank + 1) * len(batch) // world)
    draws = Draws(batch.draws.seed, batch.draws.epoch[mine], batch.draws.index[mine])
    labels = None if batch.labels is None else batch.labels[mine]
    return Batch(tuple(view[mine] for view in batch.views), batch.index[mine], draws, batch.step, labels)


def one_of_two(rank, name, store, batches, results):
    dist.init_process_group("gloo", f"file://{store}", timedelta(seconds=120), rank=rank, world_size=2)
    method = build(name)
    wrapped = DistributedDataParallel(method, broadcast_buffers=False)
    optimiser = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    losses, gradients = [], {}
    for batch in batches:
        loss = wrapped(share(batch, rank, 2))["loss"]
        optimiser.zero_grad()
        loss.backward()
        gradients = {key: p.grad.clone() for key, p in method.named_parameters() if p.grad is not None}
        optimiser.step()
        method.after_step(0.1)
        losses.append(loss.detach())
    both = [torch.stack(losses), torch.stack(losses)]
    dist.all_gather(both, torch.stack(losses))
    if rank == 0:
        torch.save({"losses": sum(both) / 2, "gradients": gradients, "state": method.state_dict()}, results)
    del wrapped, loss  # else its reducer ends the process group while it holds the lock that gloo's thread waits for
    dist.destroy_process_group()


@pytest.mark.parametrize("name", EVERY)
def test_two_processes_are_one_process_in_loss_and_gradient(name, batch_for, tmp_path):
    make_batch = batch_for(name)
    batches = [make_batch(step) for step in range(3)]
    mp.spawn(one_of_two, (name, tmp_path / "store", batches, tmp_path / "results.pt"), nprocs=2)
    two = torch.load(tmp_path / "results.pt", weights_only=True)
    method = build(name)
    optimiser = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    losses = []
    for batch in batches:
        loss = method(batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.after_step(0.1)
        losses.append(loss.detach())
    assert torch.allclose(torch.stack(losses), two["losses"], atol=1e-5)
    for key, parameter in method.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(parameter.grad, two["gradients"][key], atol=1e-5), key
    for key, value in method.state_dict().items():
        assert torch.allclose(value.float(), two["state"][key].float(), atol=1e-5), key


@pytest.mark.parametrize("name", EVERY)
def test_what_enters_the_backbone_can_be_looked_at(name, batch_for):
    method, batch = build(name).eval(), batch_for(name)()
    with torch.no_grad():
        for images in method.inputs(batch):
            assert len(images) == len(batch)
            assert images.ndim == 4
        for picture in method.pictures(batch):
            assert picture.rows
            assert not picture.captions or [len(row) for row in picture.captions] == [len(r) for r in picture.rows]


@pytest.mark.parametrize("name", EVERY)
def test_numbers_with_a_chance_level_are_logged(name, batch_for):
    method = build(name)
    output = method(batch_for(name)())
    assert set(method.chance) <= set(output)
    assert all(value.ndim == 0 for key, value in output.items() if key != "embeddings")


@pytest.mark.parametrize("name", EVERY)
def test_every_preset_is_one_that_can_be_built(name):
    for preset in METHODS[name].PRESETS.values():
        check_arguments(METHODS[name], preset.arguments)
        OptimiserSpec.of(dict(preset.optimiser), where="preset")
        augmentation(preset.augmentation, **preset.augmentation_arguments)
    assert {"auto", "paper"} <= set(METHODS[name].PRESETS)


def test_unknown_methods_and_arguments_get_a_suggestion():
    with pytest.raises(SpecError, match="did you mean 'moco_v2'"):
        method_class("moco_v3")
    with pytest.raises(SpecError, match="did you mean 'queue_size'"):
        check_arguments(METHODS["moco_v2"], {"queue_sise": 3})
