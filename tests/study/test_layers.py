"""Layers in a study and on the command line: one row each, refused before training, and the report is still written."""

from collections import Counter

import numpy as np
import pytest

import undercoat
from undercoat import records
from undercoat.errors import SpecError
from undercoat.study.recipe import Recipe
from undercoat.study.study import Study

READ = {"layers": "all", "max_features": 64}
LINEAR = {"lrs": [0.01], "weight_decays": [0.01], "minimum_steps": 10, "epochs": 1}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """60 images of 32 px in two classes, 20 of them for testing."""
    folder = tmp_path_factory.mktemp("table")
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    splits = np.array(["train"] * 40 + ["test"] * 20)
    np.savez(folder / "set.npz", images=images, labels=np.arange(60) % 2, split=splits)
    return str(folder / "set.npz")


def recipe(table, **protocol):
    stage = {"data": table, "method": "rotnet", "steps": 2, "batch": 8, "size_px": 32, "precision": "fp32"}
    return Recipe.of(
        {
            "backbone": "timm/test_resnet",
            "stages": {"target": stage},
            "arms": ["random", "target"],
            "protocol": {"data": table, "size_px": 32, "readouts": {"linear": LINEAR}, **protocol},
            "seeds": [0, 1],
            "watch": 0,
        },
        where="recipe",
    )


def test_a_study_reads_every_layer_of_every_arm(table, tmp_path):
    out = tmp_path / "study"
    study = Study(recipe(table, **READ), out=out, device="cpu")
    assert study.run().exists()
    rows = [row for row in records.read(out) if row.readout == "linear" and row.split == "test"]
    layers = ["conv1", "layer1", "layer2", "layer3", "layer4", "final"]
    assert Counter(row.layer for row in rows) == dict.fromkeys(layers, 7)  # 2 arms × 2 seeds, 2 means, 1 difference
    assert len(list(out.glob("stages/*/features/layer-*.npy"))) == 2 * 5 * 4


@pytest.mark.parametrize(
    ("protocol", "sentence"),
    [
        ({"layers": ["layer9"]}, "no layer 'layer9'; did you mean"),
        ({"layers": "all", "pooling": "paper"}, "maps of 96"),
    ],
)
def test_layers_that_no_arm_has_stop_a_study_before_it_trains(table, tmp_path, protocol, sentence):
    with pytest.raises(SpecError, match=sentence):
        Study(recipe(table, **protocol), out=tmp_path / "study", device="cpu").run()
    assert list(tmp_path.glob("study/stages/*/done.json")) == []


def test_a_run_is_evaluated_at_its_layers(table, tmp_path):
    run = undercoat.pretrain(
        out=tmp_path / "run", data=table, backbone="timm/test_resnet", method="rotnet", steps=2, batch=8, size_px=32,
        device="cpu", cache=tmp_path / "cache",
    )  # fmt: skip
    settings = {"data": table, "readout": "knn", "device": "cpu", "cache": tmp_path / "cache"}
    rows = undercoat.evaluate(run, layers="conv1, layer2,final", max_features=32, **settings)
    for metric, arms in (("accuracy", ["random", "run"]), ("accuracy_difference", ["run"])):
        found = [(row.arm, row.layer) for row in rows if row.metric == metric and row.readout == "knn"]
        assert found == [(arm, layer) for arm in arms for layer in ("conv1", "layer2", "final")]
    plain = undercoat.evaluate(run, **settings)
    final = {row.key[:4]: row.value for row in rows if row.layer == "final" and row.metric == "accuracy" and row.stage}
    assert final == {row.key[:4]: row.value for row in plain if row.metric == "accuracy" and row.stage}
    with pytest.raises(SpecError, match="did you mean 'conv1'"):
        undercoat.evaluate(run, layers="conv", **settings)
    with pytest.raises(SpecError, match="size_px = 0"):
        undercoat.evaluate(run, size_px=0, **settings)


def test_a_run_is_never_called_what_the_arms_beside_it_are_called(table, tmp_path, monkeypatch):
    run = undercoat.pretrain(
        out=tmp_path / "random", data=table, backbone="timm/test_resnet", method="rotnet", steps=1, batch=8, size_px=32,
        device="cpu", cache=tmp_path / "cache",
    )  # fmt: skip
    monkeypatch.chdir(run)
    rows = undercoat.evaluate(".", data=table, readout="knn", device="cpu", cache=tmp_path / "cache")
    assert [row.arm for row in rows if row.metric == "accuracy"] == ["random", "random (run)", "majority class"]
    assert [(row.arm, row.versus) for row in rows if row.versus] == [("random (run)", "random")]
