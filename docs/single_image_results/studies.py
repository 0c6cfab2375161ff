"""The studies behind the page: which recipes, where they run, and what they left."""

from __future__ import annotations

from pathlib import Path

import study_pages

from undercoat.report.folder import Found
from undercoat.study.recipe import Recipe
from undercoat.study.study import Study

__all__ = ["RECIPES", "STUDIES", "figures_of", "finished", "folder_of", "recipe_of", "run"]

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes" / "single_image"
STUDIES = {
    "table": "How much does each layer learn from 1, 10, 1,000 and all images?",
    "augmentation": "Which augmentation makes one photograph enough?",
    "photo": "Which photograph?",
    "frozen": "Are early layers from one photograph good enough for labels?",
    "networks": "Does it hold for other networks?",
}
WANTED = ("layers-", "sources-", "arms-")


def recipe_of(name: str) -> Path:
    """The recipe of a study in its CPU size."""
    return RECIPES / f"{name}-cpu.yaml"


def folder_of(name: str, runs: Path) -> Path:
    """Where a study is run."""
    return runs / f"single-image-{name}"


def changes(name: str, probe: str) -> str:
    """The place of the probing data, for ``--set``."""
    limited = f"{probe}?limit=5000"
    named = Recipe.load(recipe_of(name)).data
    return " ".join(f"'data.{key}={limited}'" for key in ("probe", "labelled") if key in named)


def run(name: str, runs: Path, *, probe: str) -> None:
    """Run a study, or what is left of it."""
    table = folder_of("table", runs)
    reuse = table if name != "table" and (table / "study.json").exists() else None
    Study(Recipe.load(recipe_of(name), changes(name, probe)), out=folder_of(name, runs), reuse=reuse).run()


def finished(runs: Path) -> dict[str, Found]:
    """The studies that have numbers, in their order."""
    return study_pages.finished({name: folder_of(name, runs) for name in STUDIES})


def figures_of(name: str, found: Found, pictures: Path) -> list[Path]:
    """Put a study's figures over layers and over source images among the documents' pictures."""
    wanted = WANTED if name == "frozen" else WANTED[:2]
    return study_pages.kept_figures(name, found, pictures, lambda file: file.startswith(wanted))
