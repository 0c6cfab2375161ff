"""Axes over protocols and choices on held-out images, in studies that run from data to report."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from undercoat import records
from undercoat.errors import DataError, SpecError
from undercoat.study.choosing import CHOICES, check_choices
from undercoat.study.recipe import Recipe
from undercoat.study.study import Study


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """90 images of 16 px in three classes that differ in brightness, 30 of them for testing."""
    folder = tmp_path_factory.mktemp("table")
    draws = np.random.default_rng(0)
    labels = np.arange(90) % 3
    images = (60 * labels[:, None, None, None] + draws.integers(0, 60, (90, 16, 16, 3))).astype(np.uint8)
    np.savez(folder / "set.npz", images=images, labels=labels, split=np.array(["train"] * 60 + ["test"] * 30))
    return str(folder / "set.npz")


def recipe(table, **changes):
    return Recipe.of(
        {
            "name": "small",
            "backbone": "undercoat/alexnet",
            "backbone_arguments": {"stem": "small", "width": "tiny"},
            "defaults": {"data": table, "batch": 16, "size_px": 16, "precision": "fp32"},
            "stages": {"source": {"method": "rotnet", "steps": 2}, "target": {"method": "rotnet", "steps": 1}},
            "arms": {"random": [], "source": ["source"], "both": ["source", "target"]},
            "watch": 0,
            "protocol": {"data": table, "size_px": 16, "readouts": {"knn": {}}},
            **changes,
        },
        where="recipe",
    )


def study(recipe, folder):
    return Study(recipe, out=folder, cache=folder.parent / "cache", device="cpu", console=Console(file=io.StringIO()))


def test_an_axis_of_the_protocol_measures_every_arm_at_every_value(table, tmp_path):
    axes = {"protocol.labels_limit": {"values": [12, 60], "name": "labels"}, "stages.target.steps": [1, 2]}
    study(recipe(table, axes=axes), tmp_path / "study").run()
    rows = [row for row in records.read(tmp_path / "study") if row.metric == "accuracy" and row.chain]
    assert {(row.arm, row.labels) for row in rows if row.split == "test"} == {
        (arm, labels) for arm in ("random", "source", "both[steps=1]", "both[steps=2]") for labels in (12, 60)
    }
    about = json.loads((tmp_path / "study" / "study.json").read_text())
    assert {arm["name"]: arm["arm"] for arm in about["arms"]}["both[steps=2]"] == "both"
    assert about["arms"][2]["values"] == {"stages.target.steps": 1}
    assert [one["labels"] for one in about["protocols"]] == [
        {"protocol.labels_limit": "12"},
        {"protocol.labels_limit": "60"},
    ]
    assert {one["eval"] for one in about["protocols"]} == {row.eval for row in rows if row.split == "test"}
    assert [(axis["name"], axis["labels"]) for axis in about["axes"]] == [
        ("labels", ["12", "60"]),
        ("steps", ["1", "2"]),
    ]


def choosing(table, values=(1, 3), **changes):
    return recipe(table, choose={"stages.source.steps": {"values": list(values), "by": "source"}}, **changes)


def test_a_choice_is_made_on_held_out_images_and_used_by_every_arm(table, tmp_path):
    study(choosing(table, seeds=[0, 1]), tmp_path / "study").run()
    (made,) = json.loads((tmp_path / "study" / CHOICES).read_text())
    assert made["path"] == "stages.source.steps"
    assert made["steps"] == {"1": 2, "3": 6}  # two seeds
    means = {label: np.mean(scores) for label, scores in made["scores"].items()}
    assert means[made["label"]] == max(means.values())
    rows = records.read(tmp_path / "study")
    assert {row.steps for row in rows if row.arm == "source" and row.split == "test"} == {int(made["label"])}
    assert {row.n for row in rows if row.metric == "accuracy" and row.split == "test"} == {30}


def test_test_labels_take_no_part_in_a_choice(table, tmp_path):
    made = []
    for name, turn in (("as they are", 0), ("all wrong", 1)):
        with np.load(table) as saved:
            arrays = dict(saved)
        arrays["labels"] = np.where(arrays["split"] == "test", (arrays["labels"] + turn) % 3, arrays["labels"])
        np.savez(tmp_path / "set.npz", **arrays)
        study(choosing(str(tmp_path / "set.npz")), tmp_path / name).run()
        made.append(json.loads((tmp_path / name / CHOICES).read_text()))
    assert made[0] == made[1]


def test_a_plan_counts_what_is_laid_to_choose(table, tmp_path):
    one = study(choosing(table), tmp_path / "study")
    assert len(one.graph().coats) == 3  # random, source, target on it
    assert len(one.expected_graph().coats) == 4  # and the source of three steps


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"choose": {"stages.source.steps": {"values": [1, 2], "by": "sauce"}}}, "did you mean 'source'"),
        ({"choose": {"stages.target.steps": {"values": [1, 2], "by": "source"}}}, "changes no coat"),
        ({"choose": {"stages.sauce.steps": {"values": [1, 2], "by": "source"}}}, "leads nowhere at 'sauce'"),
        ({"choose": {"stages.source.steps": {"values": [1, 2], "by": "source"}}, "protocol": None}, "needs a protocol"),
        (
            {
                "choose": {"stages.source.steps": {"values": [1, 2], "by": "source"}},
                "axes": {"stages.source.steps": [1, 2]},
            },
            "under axes and under choose",
        ),
    ],
)
def test_choices_that_cannot_be_made_are_refused(table, changes, message):
    with pytest.raises(SpecError, match=message):
        check_choices(recipe(table, **changes))


def test_a_share_of_the_images_is_drawn_by_seed_and_nested(table, tmp_path):
    def chosen(images, seed=0, method="rotnet"):
        stages = {"target": {"method": method, "steps": 1, "images_limit": images}}
        one = study(recipe(table, stages=stages, arms={"target": ["target"]}, seeds=[seed]), tmp_path / "study")
        (coat,) = one.graph().coats.values()
        return coat

    quarter, half, other = chosen("25%"), chosen(30), chosen("25%", seed=1)
    assert [len(coat.data) for coat in (quarter, half, other)] == [15, 30, 15]
    assert set(quarter.data.rows) < set(half.data.rows)
    assert set(quarter.data.rows) != set(other.data.rows)
    assert chosen("100%").digest == chosen(None).digest  # the same images, so the same weights
    assert chosen("25%", method="supervised").data.digest.partition("+")[2]
    with pytest.raises(DataError, match=r"images_limit is 61, but .* has 60"):
        chosen(61)
    with pytest.raises(SpecError, match="images_limit is '120%'"):
        chosen("120%")
