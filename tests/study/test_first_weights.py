"""``init: k_means:DATA``: made from the images that it names, known by their content, and a start like any other."""

import numpy as np
import pytest
import torch

import undercoat
from undercoat.errors import DataError, SpecError
from undercoat.interop import INITIAL, initial_backbone
from undercoat.study.expansion import Leaf, expand
from undercoat.study.graph import DataShelf, build_graph
from undercoat.study.recipe import Recipe
from undercoat.study.resolution import StageFacts, resolve
from undercoat.study.stage import Stage

ALEXNET = {"stem": "small", "width": "tiny"}


@pytest.fixture
def images(tmp_path):
    """60 images of 32 px in a table, 20 of them for testing."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    labels, splits = np.arange(60) % 2, np.array(["train"] * 40 + ["test"] * 20)
    np.savez(tmp_path / "set.npz", images=pixels, labels=labels, split=splits)
    return tmp_path / "set.npz"


def coat_of(stage, tmp_path):
    shelf = DataShelf(cache=tmp_path / "cache", progress=False)
    graph = build_graph([Leaf("arm", stage.seed, (stage,))], shelf, tmp_path / "stages", device="cpu")
    return graph.coats[graph.routes[0].coats[-1]]


def stage_of(path, **changes):
    values = {"init": f"k_means:{path}", "backbone": "undercoat/alexnet", "backbone_arguments": ALEXNET, **changes}
    return Stage(**values)


def test_the_digest_is_that_of_the_images_and_the_seed(images, tmp_path):
    plain = coat_of(stage_of(images), tmp_path)
    images.rename(tmp_path / "elsewhere.npz")
    moved = coat_of(stage_of(tmp_path / "elsewhere.npz"), tmp_path)
    assert moved.digest == plain.digest
    other = coat_of(stage_of("sample:digits", canvas_px=32), tmp_path)
    assert (
        len({plain.digest, other.digest, coat_of(stage_of(tmp_path / "elsewhere.npz", seed=1), tmp_path).digest}) == 3
    )


def test_in_a_recipe_they_are_made_at_the_size_that_the_other_stages_see():
    recipe = Recipe(
        backbone="undercoat/alexnet",
        defaults={"size_px": 32, "data": "sample:digits", "steps": 5},
        stages={"clustered": {"init": "k_means:sample:noto", "backbone": "undercoat/alexnet"}},
        arms={"k_means": ["clustered"]},
    )
    ((stage,),) = (leaf.stages for leaf in expand(recipe))
    assert (stage.kind, stage.size_px, stage.steps) == ("init", 32, None)


def test_neither_labels_nor_test_images_are_seen(images, tmp_path):
    seen = coat_of(stage_of(images), tmp_path).init_data
    assert (len(seen), seen.labels) == (40, None)


@pytest.mark.slow
def test_a_run_starts_from_them_and_its_baseline_is_they(images, tmp_path):
    shared = {"device": "cpu", "cache": tmp_path / "cache"}
    run = undercoat.pretrain(
        data=str(images),
        init=f"k_means:{images}",
        backbone="undercoat/alexnet",
        backbone_arguments=ALEXNET,
        method="rotnet",
        optimiser={"lr": 1e-9, "weight_decay": 0.0},
        steps=1,
        batch=8,
        size_px=32,
        precision="fp32",
        out=tmp_path / "run",
        **shared,
    )
    rows = undercoat.evaluate(run, data=str(images), **shared)
    assert {row.arm for row in rows} >= {"random", "base", "run"}
    trained, base = undercoat.load_backbone(run), undercoat.load_backbone(run / "baselines" / "base")
    for key, weight in base.trunk.named_parameters():
        assert torch.allclose(weight, trained.trunk.get_parameter(key), atol=1e-6), key
    assert torch.equal(base.mean, trained.mean)


def test_the_budget_is_that_of_random_weights_and_the_mean_and_std_stay():
    facts = {"images": 5000, "canvas_px": 64, "batch_norm": True, "backbone": "undercoat/alexnet"}
    clustered = resolve(Stage(data="x", init="k_means:y"), StageFacts(**facts, initialised=True)).stage
    random = resolve(Stage(data="x"), StageFacts(**facts, initialised=False)).stage
    assert (clustered.steps, clustered.optimiser) == (random.steps, random.optimiser)
    assert (clustered.normalise, random.normalise) == ("keep", "data")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"init": "k_means:nowhere/at/all"}, DataError, "nowhere/at/all"),
        ({"backbone": None, "backbone_arguments": {}}, SpecError, "does not say which network it is for"),
        ({"backbone": "timm/efficientnet_b0", "backbone_arguments": {}}, SpecError, "plain convolutions"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(images, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        coat_of(stage_of(images, **changes), tmp_path)


@pytest.mark.parametrize("init", ["k_means", "k_means:"])
def test_images_must_be_named(init):
    with pytest.raises(SpecError, match="so name some, such as k_means:sample:noto"):
        Stage.of({"init": init}, where="stage 'x'")


def test_it_is_listed_and_a_loader_of_weights_says_what_to_do():
    assert "k_means:DATA" in INITIAL
    with pytest.raises(SpecError, match="makes weights from images, which a stage does"):
        initial_backbone("k_means:sample:noto", backbone="undercoat/alexnet")
