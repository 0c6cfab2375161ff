import json

import numpy as np
import pytest
import torch

from networks import tiny_backbone
from undercoat.augment import Augmentation
from undercoat.backbones import set_trainable
from undercoat.data import open_data
from undercoat.errors import RunError
from undercoat.methods import MoCoV2
from undercoat.runtime import Runtime
from undercoat.training.fit import Budget, fit
from undercoat.training.log import read_log
from undercoat.training.optim import OptimiserSpec

RECIPE = Augmentation(size_px=16)
ADAM = OptimiserSpec(name="adamw", lr=1e-3, weight_decay=0.01, warmup_steps=1)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    np.save(folder / "noise.npy", pixels)
    return open_data(str(folder / "noise.npy"), size_px=16, cache=folder / "cache", progress=False)


def train(data, folder, *, part="all", norm=True, optimiser=ADAM, watch=None, seed=0, **budget):
    folder.mkdir(parents=True, exist_ok=True)
    backbone = tiny_backbone(norm=norm)
    set_trainable(backbone, part)
    method = MoCoV2(backbone, queue_size=16, dim=8, norm_groups=2 if norm else 1)
    settings = Budget(**{"steps": 4, "batch": 8, "log_every": 1, "checkpoint_every": 2, "seed": seed, **budget})
    fitted = fit(
        method,
        data,
        recipe=RECIPE,
        optimiser=optimiser,
        budget=settings,
        part=part,
        runtime=Runtime.start(device="cpu", precision="fp32"),
        folder=folder,
        watch=watch,
        tensorboard=False,
    )
    return method, fitted


def states_equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_resuming_from_any_checkpoint_is_bitwise_the_uninterrupted_run(noise, tmp_path):
    whole, _ = train(noise, tmp_path / "whole", steps=6)
    # the same schedule cut off after its second checkpoint, as a kill between steps 4 and 6 would leave it
    with pytest.raises(KeyboardInterrupt):
        train(noise, tmp_path / "cut", steps=6, watch=stop_at(5), watch_at=frozenset({5}))
    resumed, fitted = train(noise, tmp_path / "cut", steps=6)
    assert fitted.step == 6
    assert states_equal(whole, resumed)
    assert [line["step"] for line in read_log(tmp_path / "cut")] == [1, 2, 3, 4, 5, 6]
    losses = [[line["loss"] for line in read_log(tmp_path / name)] for name in ("whole", "cut")]
    assert losses[0] == losses[1]


def stop_at(step):
    def watch(now):
        if now == step:
            raise KeyboardInterrupt
        return {}

    return watch


@pytest.mark.parametrize(
    ("part", "moved"),
    [("all", {"conv", "norm", "statistics"}), ("norm", {"norm", "statistics"}), ("head", set())],
)
def test_each_part_moves_what_it_says_and_nothing_else(noise, tmp_path, part, moved):
    before = tiny_backbone(norm=True).trunk.state_dict()
    method, _ = train(noise, tmp_path, part=part)
    after = method.backbone.trunk.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    kinds = {
        "0.weight": "conv",
        "3.weight": "conv",
        "1.weight": "norm",
        "1.bias": "norm",
        "1.running_mean": "statistics",
    }
    assert {kinds[key] for key in changed if key in kinds} == moved
    head = MoCoV2(tiny_backbone(norm=True), queue_size=16, dim=8).projector.state_dict()
    assert not torch.equal(head["0.weight"], method.projector.state_dict()["0.weight"])


def test_watching_does_not_change_the_weights(noise, tmp_path):
    plain, _ = train(noise, tmp_path / "plain")
    watched, _ = train(noise, tmp_path / "watched", watch=lambda step: {"knn": 0.5}, watch_at=frozenset({1, 3}))
    assert states_equal(plain, watched)
    assert [line["step"] for line in read_log(tmp_path / "watched") if "knn" in line] == [1, 3]


def test_portions_give_the_gradient_of_the_whole_without_batch_statistics(noise, tmp_path):
    # a queue that never changes within a step would make both equal; portions push their keys one after the other,
    # so only the first step, which sees the same queue up to the portion's own pushes, is compared loosely
    whole, _ = train(noise, tmp_path / "whole", norm=False, steps=1)
    parts, _ = train(noise, tmp_path / "parts", norm=False, steps=1, accumulate=2)
    for a, b in zip(whole.backbone.parameters(), parts.backbone.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-3)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(noise, tmp_path):
    bad = OptimiserSpec(name="sgd", lr=1e30, weight_decay=0.0, warmup_steps=0, schedule="constant")
    with pytest.raises(RunError, match=r"the loss of step \d+ is (nan|inf)"):
        train(noise, tmp_path, optimiser=bad, norm=False, steps=20, log_every=5, checkpoint_every=5)


def test_the_log_has_what_a_person_asks_for(noise, tmp_path):
    train(noise, tmp_path)
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    wanted = {"step", "images_seen", "loss", "lr", "images_per_second", "data_wait", "feature_std", "effective_rank"}
    assert wanted <= line.keys()
    assert line["images_seen"] == 32
    assert 0 <= line["data_wait"] <= 1


def test_a_set_smaller_than_the_queue_and_batch_trains(noise, tmp_path):
    method, fitted = train(noise.take(np.arange(3)), tmp_path, batch=3, steps=2, norm=False)
    assert fitted.step == 2
    assert torch.isfinite(method.queue.rows).all()


def test_tensorboard_events_are_written(noise, tmp_path):
    method = MoCoV2(tiny_backbone(), queue_size=16, dim=8)
    runtime = Runtime.start(device="cpu", precision="fp32")
    fit(
        method,
        noise,
        recipe=RECIPE,
        optimiser=ADAM,
        budget=Budget(steps=1, batch=8),
        part="all",
        runtime=runtime,
        folder=tmp_path,
    )
    assert list((tmp_path / "tensorboard").glob("events*"))
