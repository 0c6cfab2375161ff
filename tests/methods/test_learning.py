"""Every method must learn: planted patterns in seconds, real images in minutes, against its own untrained network."""

from pathlib import Path

import numpy as np
import pytest

from undercoat import build_backbone, load_backbone, pretrain
from undercoat.data import open_data
from undercoat.evaluation import Protocol, evaluate
from undercoat.methods import METHODS
from undercoat.report import load
from undercoat.study.recipe import Recipe
from undercoat.study.study import Study

BENCH = Path(__file__).parents[2] / "recipes" / "methods" / "bench-cpu.yaml"
#: k-NN accuracy that each method must gain over its untrained network, as a mean over the recipe's seeds
MARGIN = 0.02
PATTERNS = ["moco_v2", *(pytest.param(name, marks=pytest.mark.slow) for name in ("simclr", "byol", "supervised"))]


def patterns(count, seed=0, side=32):
    """Horizontal stripes, vertical stripes, checks or dots, in two random colours, with random period and phase."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 4, count)
    y, x = np.mgrid[:side, :side]
    images = np.zeros((count, side, side, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        one, other = draw.integers(0, 236, (2, 3))
        period, (first, second) = draw.uniform(0.5, 1.0), draw.uniform(0, 6.28, 2)
        rows, columns = np.sin(period * y + first), np.sin(period * x + second)
        mask = [rows > 0, columns > 0, (rows > 0) ^ (columns > 0), (rows > 0.3) & (columns > 0.3)][label]
        image[:] = np.where(mask[..., None], one, other) + draw.integers(0, 20, (side, side, 3))
    return images, labels


@pytest.mark.parametrize("method", PATTERNS)
def test_it_beats_its_untrained_network_by_far_on_planted_patterns(method, tmp_path):
    images, labels = patterns(600)
    splits = np.array(["train"] * 400 + ["test"] * 200)
    np.savez(tmp_path / "patterns.npz", images=images, labels=labels, split=splits)
    data = open_data(str(tmp_path / "patterns.npz"), size_px=32, cache=tmp_path / "cache", progress=False)
    run = pretrain(
        data=str(tmp_path / "patterns.npz"),
        out=tmp_path / "run",
        cache=tmp_path / "cache",
        backbone="timm/test_resnet",
        method=method,
        steps=300,
        batch=64,
        size_px=32,
        optimiser={"lr": 3e-3},
        device="cpu",
    )
    untrained = build_backbone("timm/test_resnet", mean=data.mean, std=data.std)
    protocol = Protocol(data="patterns", size_px=32, readouts={"knn": {}})
    before, after = (
        evaluate(backbone, data.in_split("train"), data.in_split("test"), protocol).rows[0].value
        for backbone in (untrained, load_backbone(run))
    )
    assert after > before + 0.12, (before, after)


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(METHODS))
def test_it_beats_its_untrained_network_on_real_images(method, tmp_path):
    """The recipe behind ``docs/results/methods.md``, one method at a time: three seeds, minutes."""
    whole = Recipe.load(BENCH)
    recipe = whole.model_copy(update={"arms": {"random": [], method: [method]}})
    Study(recipe, out=tmp_path / "study", cache=tmp_path / "cache", device="cpu").run()
    scores = {
        (row.arm, row.seed): row.value
        for row in load(tmp_path / "study").rows
        if row.split == "test" and row.readout == "knn" and not row.versus
    }
    gains = [scores[method, seed] - scores["random", seed] for seed in recipe.seeds]
    assert sum(gains) / len(gains) > MARGIN, gains


def test_the_recipe_measures_every_method_over_three_seeds():
    recipe = Recipe.load(BENCH)
    assert set(recipe.arms) == {"random", *METHODS}
    assert len(recipe.seeds) >= 3
