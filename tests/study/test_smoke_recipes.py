"""Every recipe in smoke size runs from images to report, with the data that come with the package."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from undercoat.study.recipe import Recipe
from undercoat.study.study import Study

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*-smoke.yaml")), ids=lambda path: path.stem)
def test_smoke_recipes_run(path, tmp_path):
    recipe = Recipe.load(path)
    console = Console(file=io.StringIO(), width=120)
    report = Study(recipe, out=tmp_path / "study", cache=tmp_path / "cache", console=console).run()
    assert report.exists()
    assert recipe.name in (tmp_path / "study" / "summary.md").read_text("utf-8")
