"""What a method says of its own task is drawn beside chance, and said plainly where it learned nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from undercoat.report import Stage, build, export_figures, load
from undercoat.report.method_numbers import numbers_drawings, unlearned, unlearned_at


def lines(accuracy, *, chance=0.25, batch=32, **more):
    return [
        {"step": step, "images_seen": batch * step, "loss": 1.0, "accuracy": value, "accuracy_chance": chance, **more}
        for step, value in enumerate(accuracy, start=1)
    ]


def stage(accuracy, *, done=True, **how):
    return Stage(digest="d", path=Path(), log=lines(accuracy, **how), done={} if done else None)


def log_of(study, arm, seed=0):
    return next((study / "stages").glob(f"{arm}{seed}*/log.jsonl"))


def append_to(path, **values):
    """Give every line of a log further numbers."""
    found = [json.loads(line) | values for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in found), encoding="utf-8")


def test_what_was_not_learned_is_told_from_what_was():
    assert unlearned_at(stage([0.25] * 100)) == (0.25, 0.25)
    assert unlearned_at(stage([0.25] * 50 + [0.8] * 50)) is None
    assert unlearned_at(stage([0.8] * 50 + [0.25] * 50)) == (0.25, 0.25)  # how it ended, not how it once was
    assert unlearned_at(stage([0.1] * 100)) is not None  # below chance is no skill either


def test_few_images_prove_little_and_many_prove_more():
    slightly = [0.25 * 1.3] * 100  # the last tenth: 10 lines
    assert unlearned_at(stage(slightly, batch=10)) is not None  # 100 images: standard error 0.043
    assert unlearned_at(stage(slightly, batch=100)) is None  # 1,000 images: 0.014
    assert unlearned_at(stage([0.26] * 100, batch=100_000)) is not None  # sure to be above, by next to nothing


def test_a_hard_task_is_judged_by_its_own_chance():
    assert unlearned_at(stage([0.05] * 100, chance=0.01, batch=128)) is None
    assert unlearned_at(stage([0.0105] * 100, chance=0.01, batch=128)) is not None


def test_runs_that_cannot_be_judged_are_not():
    assert unlearned_at(stage([0.25] * 10, done=False)) is None
    assert unlearned_at(Stage(digest="d", path=Path(), log=[{"step": 1, "accuracy": 0.25}], done={})) is None
    assert unlearned_at(Stage(digest="d", path=Path(), done={})) is None
    fooled = Stage(
        digest="d", path=Path(), log=[{"step": 1, "real_accuracy": 0.5, "real_accuracy_chance": 0.5}], done={}
    )
    assert unlearned_at(fooled) is None  # a discriminator at chance is a fair match


def test_it_is_said_in_the_verdict_and_in_health(study):
    append_to(log_of(study, "target"), accuracy=0.27, accuracy_chance=0.25)
    said = "target's accuracy ended at 0.27, chance is 0.25: it has not learned its task."
    page = build(study).read_text(encoding="utf-8").replace("&#x27;", "'")
    assert page.count(said) == 2
    assert page.index("What this does not show") < page.index(said)
    assert "Did each method learn its own task?" in page


def test_seeds_that_failed_are_named_where_others_did_not(tmp_path, make):
    folder = make(tmp_path / "three", seeds=(0, 1, 2))
    for seed, accuracy in ((0, 0.9), (1, 0.25), (2, 0.9)):
        append_to(log_of(folder, "target", seed), accuracy=accuracy, accuracy_chance=0.25)
    assert [str(one) for one in unlearned(load(folder))] == [
        "target's accuracy ended at 0.25 with seed 1, chance is 0.25: it has not learned its task."
    ]


def test_numbers_are_drawn_with_their_chance_and_those_of_the_loop_are_not(study, tmp_path):
    append_to(log_of(study, "target"), accuracy=0.5, accuracy_chance=0.25, nmi=0.4)
    drawings = numbers_drawings(load(study))
    assert [(one.chart.title, one.has_reference) for one in drawings] == [
        ("moco_v2: accuracy", True),
        ("moco_v2: agreement with the clusters before (NMI)", False),
    ]
    assert "chance 0.25" in drawings[0].chart.svg
    assert "Guessing scores 0.25." in drawings[0].remark
    assert "Other numbers of the methods" in build(study).read_text(encoding="utf-8")
    path = next(one for one in export_figures(study, tmp_path / "figures") if one.stem == "moco-v2-accuracy")
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert (rows[0]["series"], float(rows[0]["value"])) == ("target", 0.5)
    assert (rows[-1]["series"], float(rows[-1]["value"])) == ("chance 0.25", 0.25)


def test_without_such_numbers_nothing_is_added(study):
    page = build(study).read_text(encoding="utf-8")
    assert "own task" not in page
    assert "own numbers" not in page


@pytest.mark.parametrize("value", [None, "much", float("nan"), [1], True])
def test_values_that_are_no_numbers_draw_nothing(study, value):
    append_to(log_of(study, "target"), accuracy=value, accuracy_chance=value)
    assert numbers_drawings(load(study)) == []
