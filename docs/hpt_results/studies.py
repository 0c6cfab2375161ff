"""The studies behind the page: which recipe on which data, where they run, and what they left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import study_pages

from undercoat.report.folder import Found
from undercoat.study.recipe import Recipe
from undercoat.study.study import Study

__all__ = ["STUDIES", "Question", "figures_of", "finished", "run"]

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes" / "hpt"
_NOT_SHOWN = ("verdict", "arms-", "loss-", "data-wait", "effective-rank", "knn-")


@dataclass(frozen=True)
class Question:
    """One study of the page.

    Attributes:
        recipe: its name in ``recipes/hpt``, without size.
        title: what it asks, and of which images.
        data: what is put in the place of the recipe's data; ``{fashion}`` and ``{brain}`` are filled in.
        set: further settings.
    """

    recipe: str
    title: str
    data: Mapping[str, str]
    set: str = ""

    def changes(self, places: Mapping[str, str]) -> str:
        """For ``--set``."""
        data = " ".join(f"'data.{name}={spec.format(**places)}'" for name, spec in self.data.items())
        return f"{data} {self.set}".strip()


STUDIES = {
    "separability-twemoji": Question("separability", "Faster? twemoji", {"target": "sample:twemoji"}),
    "separability-openmoji-line": Question(
        "separability", "Faster? line drawings, the far domain", {"target": "sample:openmoji-line"}
    ),
    "separability-fashion": Question("separability", "Faster? Fashion-MNIST", {"target": "{fashion}?limit=2000"}),
    "separability-brain": Question("separability", "Faster? slices of brains", {"target": "{brain}"}),
    "sequences": Question("sequences", "Which coats, in which order?", {}),
    "few_labels": Question("few_labels", "Few labels?", {}),
    "augmentation": Question("augmentation", "Fewer augmentations?", {}),
    "augmentation-leave-one-out": Question("augmentation-leave-one-out", "Which augmentation carries it?", {}),
    "data": Question("data", "Less data?", {}),
    "bases": Question("bases", "A base of one's own", {}),
    "own_base": Question(
        "own_base", "A chain whose base is trained here: Fashion-MNIST, then digits", {"base": "{fashion}?limit=6000"}
    ),
}


def folder_of(name: str, runs: Path) -> Path:
    """Where a study is run."""
    return runs / f"hpt-{name}"


def run(name: str, runs: Path, places: Mapping[str, str], workers: int = 1) -> None:
    """Run a study, or what is left of it, with so many processes."""
    question = STUDIES[name]
    recipe = Recipe.load(RECIPES / f"{question.recipe}-cpu.yaml", question.changes(places))
    Study(recipe, out=folder_of(name, runs), cache=runs / "hpt-cache").run(workers=workers)


def finished(runs: Path) -> dict[str, Found]:
    """The studies that have numbers, in their order."""
    return study_pages.finished({name: folder_of(name, runs) for name in STUDIES})


def figures_of(name: str, found: Found, pictures: Path) -> list[Path]:
    """Put a study's figures among the documents' pictures: those over an axis, or the bars of a sequence."""
    return study_pages.kept_figures(name, found, pictures, lambda file: not file.startswith(_NOT_SHOWN))
