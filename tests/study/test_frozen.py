"""Frozen layers end with the bits that they began with; with ``fresh`` all others begin as a new network does."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

import undercoat
from undercoat.backbones import build_backbone, frozen_parts
from undercoat.errors import SpecError
from undercoat.study.recipe import Recipe
from undercoat.study.resolution import StageFacts, resolve
from undercoat.study.stage import Stage, stage_digest
from undercoat.study.study import Study

ALEXNET = {"stem": "small", "width": "tiny"}
#: conv1 and conv2, weights and batch statistics
EARLY = [f"conv{layer}.{part}" for layer in (1, 2) for part in ("weights.weight", "weights.bias", "norm.running_var")]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """32 images of 32 px in two classes, 8 of them for testing."""
    folder = tmp_path_factory.mktemp("table")
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3), dtype=np.uint8)
    splits = np.array(["train"] * 24 + ["test"] * 8)
    np.savez(folder / "set.npz", images=images, labels=np.arange(32) % 2, split=splits)
    return str(folder / "set.npz")


def settings(table, **changes):
    stage = {"data": table, "backbone": "undercoat/alexnet", "backbone_arguments": ALEXNET, "method": "supervised"}
    return {**stage, "steps": 3, "batch": 8, "size_px": 32, "precision": "fp32", **changes}


def laid(table, folder, **changes):
    cache = folder.parent / "cache"
    return undercoat.pretrain(out=folder, device="cpu", cache=cache, **settings(table, **changes))


def state(folder):
    return undercoat.load_backbone(folder).trunk.state_dict()


def moved(before, after):
    return {key for key in before if not torch.equal(before[key], after[key])}


@pytest.fixture(scope="module")
def first(table, tmp_path_factory):
    """One coat of RotNet, whose early layers the others keep."""
    return laid(table, tmp_path_factory.mktemp("first") / "run", method="rotnet", steps=2)


@pytest.mark.parametrize("method", ["supervised", "moco_v2", "deep_cluster"])
def test_frozen_layers_keep_their_bits_and_all_others_move(table, first, tmp_path, method):
    decay = {"name": "sgd", "lr": 0.1, "weight_decay": 0.1, "decay_all": True, "warmup_steps": 0}
    more = {"method": method, "init": str(first), "backbone": None, "backbone_arguments": None}
    run = laid(table, tmp_path / "run", frozen="conv1,conv2", optimiser=decay, **more)
    before, after = state(first), state(run)
    kept = {key for key in before if key.startswith(("conv1.", "conv2."))}
    assert moved(before, after) == before.keys() - kept
    assert set(EARLY) < kept


def test_fresh_draws_the_rest_as_a_new_network_of_the_seed(table, first, tmp_path):
    changes = {"frozen": ["conv2"], "fresh": True, "seed": 5, "steps": 0}
    run = laid(table, tmp_path / "run", init=str(first), **changes)
    new = build_backbone("undercoat/alexnet", arguments=ALEXNET, seed=5).trunk.state_dict()
    assert moved(state(first), state(run)).isdisjoint(EARLY)
    assert moved(new, state(run)) == {key for key in new if key.startswith(("conv1.", "conv2."))}
    described = yaml.safe_load((run / "stage.yaml").read_text())
    assert described["normalise"] == "keep"  # the mean and std that the frozen layers were trained with
    assert undercoat.load_backbone(run).mean.equal(undercoat.load_backbone(first).mean)


def test_the_layers_of_a_chain_and_of_random_weights_can_be_frozen(table, tmp_path):
    frozen = {"method": "supervised", "frozen": ["conv1", "conv2"]}
    recipe = Recipe(
        backbone="undercoat/alexnet",
        defaults={**settings(table), "backbone_arguments": ALEXNET} | {"refresh": True},
        stages={"one": {"method": "rotnet"}, "target": {"method": "supervised"}},
        arms={
            "one_image": ["one", {"use": "target", **frozen, "fresh": True}],
            "random": [{"use": "target", **frozen}],
            "all": ["target"],
        },
        seeds=[3],
    )
    study = Study(recipe, out=tmp_path / "study", device="cpu")
    study.run()
    graph = study.graph()
    chains = [graph.readable(route.coats[-1]) for route in graph.routes]
    assert chains == [
        "one:rotnet>target:supervised(conv1–conv2 frozen, the rest new)",
        "target:supervised(conv1–conv2 frozen)",
        "target:supervised",
    ]
    (one, kept), (random,), _ = ([tmp_path / "study" / "stages" / d for d in route.coats] for route in graph.routes)
    new = build_backbone("undercoat/alexnet", arguments=ALEXNET, seed=3).trunk.state_dict()
    assert moved(state(one), state(kept)).isdisjoint(EARLY)  # nor did refreshing the statistics touch them
    assert moved(new, state(random)).isdisjoint(EARLY)
    assert "conv3.weights.weight" in moved(new, state(random))


def test_random_weights_drawn_anew_from_the_same_seed_are_those_that_were_there(table, tmp_path):
    plain = laid(table, tmp_path / "plain", frozen="conv1")
    anew = laid(table, tmp_path / "anew", frozen="conv1", fresh=True)
    assert not moved(state(plain), state(anew))


def test_a_resumed_run_ends_with_the_same_bits(table, first, tmp_path):
    changes = {"init": str(first), "frozen": "conv2", "fresh": True, "steps": 6, "checkpoint_every": 2}
    whole = laid(table, tmp_path / "whole", **changes)
    code = (
        "import os, sys, undercoat.training.fit as f; save = f.save_checkpoint\n"
        "def once(folder, state): save(folder, state); os._exit(7)\n"
        "f.save_checkpoint = once\n"
        "import undercoat; undercoat.pretrain(**eval(sys.argv[1]))"
    )
    call = {"out": str(tmp_path / "cut"), "device": "cpu", "cache": str(tmp_path / "cache")}
    call |= settings(table, **changes)
    killed = subprocess.run([sys.executable, "-c", code, repr(call)], capture_output=True, check=False)
    assert killed.returncode == 7, killed.stderr
    undercoat.resume(tmp_path / "cut")
    assert not moved(state(whole), state(tmp_path / "cut"))


@pytest.mark.slow
def test_two_processes_keep_them_too(table, first, tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "undercoat", "pretrain"]
    given = {"--data": table, "--init": str(first), "--frozen": "conv1,conv2", "--method": "supervised"}
    given |= {"--steps": "2", "--batch": "8", "--device": "cpu", "--out": str(tmp_path / "run")}
    words = [word for pair in given.items() for word in pair]
    subprocess.run([*launch, *words, "--fresh"], check=True, capture_output=True, env={**os.environ})
    assert moved(state(first), state(tmp_path / "run")).isdisjoint(EARLY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frozen": "conv9"}, r"undercoat/alexnet has no layer 'conv9'; did you mean 'conv"),
        ({"fresh": True}, "fresh draws all but the frozen layers anew and none is frozen"),
        ({"frozen": [1]}, r"frozen.0 = 1 cannot be used"),
    ],
)
def test_wrong_settings_are_refused_before_training(table, tmp_path, changes, message):
    with pytest.raises(SpecError, match=message):
        laid(table, tmp_path / "run", **changes)
    assert not (tmp_path / "run" / "stage.yaml").exists()


def test_frozen_layers_need_data():
    with pytest.raises(SpecError, match="no data to train the others on"):
        Stage.of({"init": "random", "frozen": "conv1"}, where="stage 'x'")


def test_the_settings_are_in_the_digest_and_their_absence_is_not():
    def digest(**changes):
        return stage_digest(Stage(data="x", steps=1, **changes), data_digest="", parent="")

    plain, frozen, fresh = digest(), digest(frozen="conv1, conv2"), digest(frozen=["conv1", "conv2"], fresh=True)
    assert len({plain, frozen, fresh}) == 3
    assert digest(frozen=[], fresh=False) == plain
    assert digest(frozen=["conv1", "conv2"], fresh=False) == frozen


def test_with_fresh_the_budget_is_that_of_random_weights():
    facts = StageFacts(images=5000, canvas_px=64, initialised=True, batch_norm=True, backbone="timm/resnet18")
    fresh = resolve(Stage(data="x", frozen="conv1", fresh=True), facts).stage
    random = resolve(Stage(data="x"), StageFacts(**{**vars(facts), "initialised": False})).stage
    assert (fresh.steps, fresh.optimiser) == (random.steps, random.optimiser)
    assert (fresh.normalise, random.normalise) == ("keep", "data")


def test_what_is_frozen_is_what_the_layer_depends_on():
    parts = frozen_parts(build_backbone("timm/resnet18"), ["layer1"])
    owners = {name.split(".")[0] for name in parts.parameters}
    assert owners == {"conv1", "bn1", "layer1"}
    assert {"bn1", "layer1.1.bn2"} < parts.modules
    assert not any(path.startswith("layer2") for path in parts.modules)
    assert parts.holds("layer1.0.bn1.running_mean")
    assert not parts.holds("layer2.0.bn1.running_mean")
