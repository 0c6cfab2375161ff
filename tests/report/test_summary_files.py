"""``summary.md`` and ``summary.csv``: what stands in them can be checked against the records."""

import csv

import pytest

from undercoat.errors import RunError
from undercoat.report import load, write_summary
from undercoat.study.recipe import Recipe
from undercoat.study.study import Study

RECIPE = {
    "name": "two arms",
    "backbone": "timm/test_resnet",
    "defaults": {"data": "sample:digits", "steps": 1, "batch": 16, "size_px": 32},
    "stages": {"target": {"method": "moco_v2"}},
    "arms": ["random", "target"],
    "seeds": [0, 1],
    "watch": 0,
    "protocol": {"data": "sample:digits", "size_px": 32, "readouts": {"knn": {}}},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("summary")
    Study(Recipe.of(RECIPE, where="recipe"), out=folder / "study", cache=folder / "cache", device="cpu").run()
    return folder / "study"


def test_a_study_leaves_its_table_as_markdown_with_command_machine_and_caveats(study):
    text = (study / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("# two arms\n")
    assert "torch" in text
    assert "seeds 0, 1" in text
    assert "| target | target: moco_v2 | 1 |" in text
    assert "majority class" in text


def test_the_csv_holds_the_mean_over_seeds_of_the_records(study):
    rows = list(csv.DictReader((study / "summary.csv").read_text(encoding="utf-8").splitlines()))
    (mean,) = (float(r["value"]) for r in rows if r["arm"] == "target" and r["readout"] == "knn" and not r["versus"])
    seeds = {r.seed: r.value for r in load(study).rows if r.arm == "target" and r.split == "test" and not r.versus}
    assert mean == pytest.approx((seeds[0] + seeds[1]) / 2)


def test_the_gain_of_every_seed_over_random_weights_stands_below_the_table(study):
    value = {(r.arm, r.seed): r.value for r in load(study).rows if r.split == "test" and not r.versus}
    gains = [value["target", seed] - value["random", seed] for seed in (0, 1)]
    cells = " | ".join(f"{gain:+.3f}".replace("-", "−").replace("+0.000", "0.000") for gain in gains)
    assert f"| target | knn | {cells} | " in (study / "summary.md").read_text(encoding="utf-8")


def test_a_folder_without_a_study_gets_a_sentence(tmp_path):
    with pytest.raises(RunError):
        write_summary(tmp_path)
