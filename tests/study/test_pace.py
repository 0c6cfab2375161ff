"""A plan's time: steps and looks counted in closed form, and measured on a sample of the data."""

import io

import numpy as np
import pytest
from rich.console import Console

from undercoat.study.pace import Pace, Rehearsal
from undercoat.study.plan import make_plan
from undercoat.study.recipe import Recipe
from undercoat.study.study import Study

ALEXNET = {"stem": "small", "width": "tiny"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """3,000 noisy images of 8 px without labels."""
    folder = tmp_path_factory.mktemp("images")
    np.save(folder / "set.npy", np.random.default_rng(0).integers(0, 256, (3000, 8, 8, 3), dtype=np.uint8))
    return str(folder / "set.npy")


def study(images, folder, **settings):
    stage = {"method": "deep_cluster", "data": images, "steps": 1000, **settings}
    recipe = Recipe.model_validate(
        {
            "name": "plan",
            "backbone": "undercoat/alexnet",
            "backbone_arguments": ALEXNET,
            "defaults": {"batch": 30, "size_px": 32, "precision": "fp32"},
            "stages": {"target": stage},
            "arms": {"target": ["target"]},
            "protocol": {"data": "sample:digits?limit=20", "size_px": 32},
        }
    )
    return Study(recipe, out=folder / "study", cache=folder / "cache", console=Console(file=io.StringIO()))


def rehearsal(images, folder, **settings):
    (coat,) = study(images, folder, **settings).graph().coats.values()
    return Rehearsal(coat)


# 3,000 images at 30 a step: a pass takes 100 steps, so 1,000 steps are ten passes
@pytest.mark.parametrize(
    ("between", "done", "looks"),
    [(1, 0, 10), (1, 1, 9), (1, 900, 1), (1, 901, 0), (3, 0, 4), (3, 100, 3), (10, 0, 1), (20, 0, 1)],
)
def test_every_look_that_is_left_counts(images, tmp_path, between, done, looks):
    coat = rehearsal(images, tmp_path, method_arguments={"epochs_between": between, "clusters": 10})
    pace = Pace(step=2.0, look=0.01)
    assert coat.seconds(pace, done) == pytest.approx((1000 - done) * 2.0 + looks * 3000 * 0.01)


def test_a_sample_has_the_images_that_the_clusters_want(images, tmp_path):
    assert rehearsal(images, tmp_path, method_arguments={"clusters": 10}).sample == 1000
    assert rehearsal(images, tmp_path, method_arguments={"clusters": 2500}).sample == 2500
    assert rehearsal(images, tmp_path, method="pirl").sample == 3000  # all other images are its negatives
    assert rehearsal(images, tmp_path, method="pirl", method_arguments={"negatives": 500}).sample == 501
    assert rehearsal(images, tmp_path, method="rotnet").sample == 150  # five steps' images


def test_seeds_share_a_pace_and_batches_do_not(images, tmp_path):
    first, other_seed, other_batch = (
        rehearsal(images, tmp_path, method_arguments={"clusters": 10}, **changes).key
        for changes in ({}, {"seed": 1}, {"batch": 60})
    )
    assert first == other_seed != other_batch


@pytest.mark.parametrize("method", ["deep_cluster", "pirl"])
def test_a_plan_takes_steps_on_a_sample_and_leaves_nothing(images, tmp_path, method):
    whole = study(images, tmp_path, method=method, method_arguments={}, size_px=48)
    console = Console(file=io.StringIO(), width=200)
    plan = make_plan(whole.graph(), whole.out, device="cpu", console=console)
    assert plan.steps == 1000
    assert plan.images == 30_000
    assert plan.seconds > 0
    assert f"timing {method} on undercoat/alexnet at 48 px, 30 images a step" in console.file.getvalue()
    assert ("a look at all" in console.file.getvalue()) == (method == "deep_cluster")
    assert not whole.out.exists() or not list(whole.out.rglob("checkpoint.pt"))


def test_a_plan_that_measures_nothing_knows_no_time(images, tmp_path):
    whole = study(images, tmp_path)
    plan = make_plan(whole.graph(), whole.out, device="cpu", console=Console(file=io.StringIO()), measure=False)
    assert np.isnan(plan.seconds)
    assert plan.steps == 1000
