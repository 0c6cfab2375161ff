"""Coats that another study has finished are copied, bit for bit, and never a half-finished one."""

import io
import shlex

import pytest
from rich.console import Console

from undercoat.errors import RunError
from undercoat.study.folder import copy_finished
from undercoat.study.recipe import Recipe
from undercoat.study.study import Study, command_line

VALUES = {
    "backbone": "timm/test_resnet",
    "defaults": {"data": "sample:digits?limit=20", "size_px": 32, "batch": 8},
    "stages": {"coat": {"method": "simclr", "steps": 2}, "more": {"method": "simclr", "steps": 1}},
    "arms": {"random": [], "coat": ["coat"]},
}


def study(out, *, reuse=None, **changes):
    console = Console(file=io.StringIO(), width=200)
    recipe = Recipe.of({"name": out.name, **VALUES, **changes}, where="recipe")
    return Study(recipe, out=out, reuse=reuse, console=console, cache=out.parent / "cache")


def test_a_finished_coat_is_copied_and_only_the_rest_is_laid(tmp_path):
    study(tmp_path / "first").run()
    second = study(tmp_path / "second", reuse=tmp_path / "first", arms={"coat": ["coat"], "more": ["coat", "more"]})
    second.run()
    said = second.console.file.getvalue()
    assert said.count("copied from") == 1
    shared = next(route.coats[0] for route in second.graph().routes)
    for name in ("backbone.safetensors", "log.jsonl", "stage.yaml"):
        copies = [(tmp_path / one / "stages" / shared / name).read_bytes() for one in ("first", "second")]
        assert copies[0] == copies[1]


def test_an_unfinished_coat_is_not_copied(tmp_path):
    (tmp_path / "first" / "stages" / "abc").mkdir(parents=True)
    assert not copy_finished("abc", tmp_path / "first", tmp_path / "second")
    assert not copy_finished("other", tmp_path / "first", tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_what_a_finished_coat_has_no_need_of_is_left_behind(tmp_path):
    there = tmp_path / "first" / "stages" / "abc"
    (there / "features").mkdir(parents=True)
    for name in ("done.json", "checkpoint.pt", "features/rows.npy", ".done.json.1.tmp"):
        (there / name).write_text("{}")
    assert copy_finished("abc", tmp_path / "first", tmp_path / "second")
    assert [path.name for path in (tmp_path / "second" / "stages" / "abc").rglob("*")] == ["done.json"]


def test_the_command_of_a_study_can_be_pasted(monkeypatch):
    typed = ["study", "run", "a b.yaml", "--set", "data.x='my images' seeds=[0]"]
    monkeypatch.setattr("sys.argv", ["/bin/undercoat", *typed])
    assert shlex.split(command_line()) == ["undercoat", *typed]


def test_a_folder_without_a_study_is_refused_before_any_work(tmp_path):
    with pytest.raises(RunError, match="no study"):
        study(tmp_path / "second", reuse=tmp_path / "nothing").run()
    assert not (tmp_path / "second" / "stages").exists()
