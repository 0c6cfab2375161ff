"""Two recipes side by side: settings after extends and defaults, and the coats that both have."""

from __future__ import annotations

import json

import pytest
import yaml

from undercoat.errors import SpecError
from undercoat.study.differences import compare_studies

RECIPE = {
    "name": "first",
    "stages": {
        "base": {"init": "imagenet-lite0"},
        "target": {"data": "sample:digits", "steps": 10},
    },
    "arms": ["random", "base", "target", "hpt"],
    "seeds": [0, 1],
}


def write(path, **changes):
    path.write_text(yaml.safe_dump({**RECIPE, **changes}), encoding="utf-8")
    return path


@pytest.fixture
def first(tmp_path):
    return write(tmp_path / "first.yaml")


def test_a_recipe_does_not_differ_from_itself_written_otherwise(first, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("extends: first.yaml\nwatch: 8\n", encoding="utf-8")  # 8 is the default
    found = compare_studies(first, other)
    assert (found.settings, found.only_first, found.only_second) == ([], [], [])
    assert found.shared == [
        "random, seeds 0, 1",
        "imagenet-lite0",
        "target: moco_v2, seeds 0, 1",
        "imagenet-lite0 > target: moco_v2, seeds 0, 1",
    ]
    assert "No setting differs." in str(found)


def test_what_is_changed_is_named_with_both_values_and_breaks_only_the_coats_above_it(first, tmp_path):
    stages = {**RECIPE["stages"], "target": {"data": "sample:digits", "steps": 20}}
    found = compare_studies(first, write(tmp_path / "second.yaml", name="second", stages=stages, seeds=[0]))
    assert found.settings == ["name: 'first' → 'second'", "seeds: [0, 1] → [0]", "stages.target.steps: 10 → 20"]
    assert found.shared == ["random, seed 0", "imagenet-lite0"]
    assert found.only_second == ["target: moco_v2, seed 0", "imagenet-lite0 > target: moco_v2, seed 0"]
    assert "random, seed 1" in found.only_first


def test_points_of_an_axis_are_told_apart_and_found_again(first, tmp_path):
    second = write(tmp_path / "second.yaml", axes={"stages.target.steps": [10, 20]})
    found = compare_studies(first, second)
    assert "target: moco_v2, seeds 0, 1" in found.shared  # ten steps are ten steps
    assert "target: moco_v2 [steps=20], seeds 0, 1" in found.only_second
    assert found.only_first == []


def test_what_touches_no_weight_breaks_no_coat(first, tmp_path):
    stages = {**RECIPE["stages"], "target": {"data": "sample:digits", "steps": 10, "log_every": 3}}
    found = compare_studies(first, write(tmp_path / "second.yaml", stages=stages))
    assert found.settings == ["stages.target.log_every: None → 3"]
    assert (found.only_first, found.only_second) == ([], [])


def test_study_folders_are_compared_by_digest(first, tmp_path):
    folders = []
    for name, last in (("one", "bbb"), ("two", "ccc")):
        folder = tmp_path / name
        folder.mkdir()
        arms = [{"name": "hpt", "coats": ["net", "target: moco_v2"], "stages": {"0": ["aaa", last]}}]
        (folder / "study.json").write_text(json.dumps({"name": name, "arms": arms}), encoding="utf-8")
        write(folder / "study.yaml")
        folders.append(folder)
    found = compare_studies(*folders)
    assert found.compared_by == "digest"
    assert (len(found.shared), len(found.only_first), len(found.only_second)) == (1, 1, 1)
    assert json.loads(found.to_json())["only_first"] == ["net > target: moco_v2, seed 0"]


def test_a_folder_without_a_study_is_one_sentence(first, tmp_path):
    with pytest.raises(SpecError, match=r"holds no study\.yaml"):
        compare_studies(first, tmp_path)
