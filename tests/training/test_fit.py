import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from networks import tiny_backbone
from undercoat.augment import Augmentation
from undercoat.backbones import set_trainable
from undercoat.data import open_data
from undercoat.errors import RunError
from undercoat.methods import Method, MoCoV2, Picture
from undercoat.methods.deep_cluster import DeepCluster
from undercoat.runtime import Runtime
from undercoat.training.fit import fit
from undercoat.training.log import read_log
from undercoat.training.optim import OptimiserSpec
from undercoat.training.training import Budget, Training
from undercoat.training.whole_set import WholeSet

RECIPE = Augmentation(size_px=16)
ADAM = OptimiserSpec(name="adamw", lr=1e-3, weight_decay=0.01, warmup_steps=1)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    np.save(folder / "noise.npy", pixels)
    return open_data(str(folder / "noise.npy"), size_px=16, cache=folder / "cache", progress=False)


def fitted_on(data, folder, method, *, part="all", optimiser=ADAM, watch=None, **budget):
    """Train ``method`` for a budget; returns how the loop ended."""
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(
        data=data,
        recipe=RECIPE,
        optimiser=optimiser,
        budget=Budget(**budget),
        part=part,
        runtime=Runtime.start(device="cpu", precision="fp32"),
        folder=folder,
        watch=watch,
        tensorboard=False,
    )
    return fit(method, training)


def train(data, folder, *, part="all", norm=True, optimiser=ADAM, watch=None, **budget):
    backbone = tiny_backbone(norm=norm)
    set_trainable(backbone, part)
    method = MoCoV2(backbone, queue_size=16, dim=8, norm_groups=2 if norm else 1)
    budget = {"steps": 4, "batch": 8, "log_every": 1, "checkpoint_every": 2, **budget}
    return method, fitted_on(data, folder, method, part=part, optimiser=optimiser, watch=watch, **budget)


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
    budget = Budget(steps=1, batch=8)
    run = {"data": noise, "recipe": RECIPE, "optimiser": ADAM, "budget": budget, "part": "all", "runtime": runtime}
    fit(method, Training(**run, folder=tmp_path))
    assert list((tmp_path / "tensorboard").glob("events*"))


class Counting(Method):
    """Counts what the loop calls; its loss is that of a linear head."""

    number_of_views = 1

    def __init__(self, backbone):
        super().__init__(backbone)
        self.head = torch.nn.Linear(backbone.dim, 1)
        self.passes, self.shapes, self.labels = [], [], []

    chance = property(lambda self: {"score": 0.5})

    def before_epoch(self, epoch, extract):
        self.passes.append(epoch)
        features = extract(self.backbone)
        self.shapes.append((tuple(features.shape), features.dtype, self.training))
        return [self.head.weight]

    def forward(self, batch):
        self.labels.append(batch.labels)
        loss = self.head(self.backbone(batch.views[0])).square().mean()
        return {"loss": loss, "score": loss.detach() * 0 + len(self.labels)}

    def pictures(self, batch):
        assert not self.training
        return [Picture(name="first", title="the first image", rows=[[batch.views[0][0]]], captions=[["one"]])]


def train_counting(data, folder, **budget):
    method = Counting(tiny_backbone())
    fitted_on(data, folder, method, **{"steps": 6, "batch": 16, "log_every": 2, "checkpoint_every": 100, **budget})
    return method


def test_a_method_looks_at_the_whole_set_where_a_pass_begins(noise, tmp_path):
    method = train_counting(noise, tmp_path)  # 6 steps of 16 images: 40 images are passed twice, and begun a third time
    assert method.passes == [0, 1, 2]
    assert method.shapes == [((40, 16), torch.float32, True)] * 3


def test_features_of_the_whole_set_are_those_of_each_image_alone(noise):
    runtime = Runtime.start(device="cpu", precision="fp32")
    backbone = tiny_backbone(norm=True).train()
    whole = WholeSet(noise, size_px=16, batch=16, runtime=runtime)(backbone)
    alone = WholeSet(noise.take(np.array([39])), size_px=16, batch=16, runtime=runtime)(backbone)
    assert torch.allclose(whole[39:], alone, atol=1e-6)
    assert backbone.training


def test_what_a_method_gives_besides_its_loss_is_logged_as_a_mean_with_its_chance(noise, tmp_path):
    train_counting(noise, tmp_path)
    lines = read_log(tmp_path)
    assert [line["score"] for line in lines] == [1.5, 3.5, 5.5]
    assert {line["score_chance"] for line in lines} == {0.5}


def test_labels_are_handed_to_a_method_that_reads_them_and_to_no_other(noise, tmp_path):
    labelled = replace(noise, labels=np.arange(40) % 2, classes=("even", "odd"))
    assert set(train_counting(labelled, tmp_path / "blind").labels) == {None}
    Counting.reads_labels = True
    try:
        labels = train_counting(labelled, tmp_path / "reading").labels
    finally:
        Counting.reads_labels = False
    assert all(given.dtype == torch.int64 and given.shape == (16,) for given in labels)


def test_a_methods_own_pictures_are_saved_with_their_titles(noise, tmp_path):
    method = train_counting(noise, tmp_path, pictures_at=frozenset({1, 6}))
    folder = tmp_path / "pictures"
    assert sorted(path.name for path in folder.glob("*.png")) == ["first-0000001.png", "first-0000006.png"]
    assert json.loads((folder / "titles.json").read_text()) == {"first": "the first image"}
    assert method.training


def train_clusters(data, folder, *, watch=None, **budget):
    method = DeepCluster(tiny_backbone(), images=len(data), clusters=5, epochs_between=1)
    budget = {"steps": 8, "batch": 16, "log_every": 1, "checkpoint_every": 2, **budget}
    fitted_on(data, folder, method, watch=watch, **budget)
    return method


@pytest.mark.parametrize("stop", [4, 5, 6, 7])
def test_clusters_of_a_resumed_run_are_those_of_the_uninterrupted_one(noise, tmp_path, stop):
    """Passes of 40 images begin at steps 0, 3 and 5: clusters are in the checkpoint, or are made again."""
    whole = train_clusters(noise, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_clusters(noise, tmp_path / "cut", watch=stop_at(stop), watch_at=frozenset({stop}))
    assert states_equal(whole, train_clusters(noise, tmp_path / "cut"))
