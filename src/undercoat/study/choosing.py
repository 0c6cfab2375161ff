"""Settings that a study chooses for itself: on held-out training images, before a test image is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from undercoat.errors import SpecError, did_you_mean
from undercoat.files import write_json
from undercoat.study.axis import Axis, Choice
from undercoat.study.coat import read_json
from undercoat.study.expansion import Leaf, expand, with_point
from undercoat.study.recipe import Recipe

__all__ = ["CHOICES", "Chosen", "assumed", "candidates", "check_choices", "chosen_before", "settle", "write_choices"]

CHOICES = "choices.json"


@dataclass(frozen=True)
class Chosen:
    """What was chosen for one setting.

    Attributes:
        path: into the recipe.
        label: of the value that was taken.
        by: the arm that was scored.
        scores: label → score on held-out training images for each seed, in 0..1.
        steps: label → optimiser steps that were spent on trying it, over all seeds.
    """

    path: str
    label: str
    by: str
    scores: Mapping[str, Sequence[float]]
    steps: Mapping[str, int]

    def __str__(self) -> str:
        means = ", ".join(f"{label}: {fmean(scores):.3f}" for label, scores in self.scores.items())
        return f"{self.path} = {self.label}, by {self.by} on held-out training images ({means})"


def check_choices(recipe: Recipe) -> None:
    """Refuse choices that cannot be made, before any work.

    Raises:
        SpecError: for an unknown arm, a path that leads nowhere or changes nothing there, a setting that is an
            axis as well, or a recipe without a protocol.
    """
    for path, choice in recipe.choose.items():
        if recipe.protocol is None:
            raise SpecError(f"choose {path!r} needs a protocol to score by; add protocol: {{data: …, size_px: …}}")
        if path in recipe.axes:
            raise SpecError(f"{path!r} is under axes and under choose; an axis shows all values, so keep one of them")
        arms = {leaf.of for leaf in expand(_plain(recipe))}
        if choice.by not in arms:
            raise SpecError(f"choose {path!r} by arm {choice.by!r}, which is not there{did_you_mean(choice.by, arms)}")
        candidates(recipe, path)


def _plain(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"axes": {}, "choose": {}})


def candidates(recipe: Recipe, path: str) -> list[Leaf]:
    """The leaves that are scored for one choice: its arm with every value and seed."""
    choice = recipe.choose[path]
    only: Any = {choice.by: recipe.arms[choice.by]} if isinstance(recipe.arms, dict) else [choice.by]
    axis = Axis(values=choice.values, name=choice.name)
    return expand(recipe.model_copy(update={"arms": only, "axes": {path: axis}, "choose": {}}))


def settle(recipe: Recipe, score: Callable[[list[Leaf]], list[float]]) -> list[Chosen]:
    """Make every choice in the recipe's order; a later one is made with the earlier ones in force.

    Args:
        recipe: with ``choose``.
        score: lays leaves and scores each on held-out training images, in 0..1.
    """
    made = []
    for path, choice in recipe.choose.items():
        made.append(_choose(recipe, path, choice, score))
        recipe = _taken(recipe, path, made[-1].label)
    return made


def assumed(recipe: Recipe, made: Sequence[Chosen] = ()) -> tuple[Recipe, list[Leaf]]:
    """What a plan counts: the recipe with what was chosen before, or else the first values, and all candidates.

    Args:
        recipe: with ``choose``.
        made: choices of an earlier run.
    """
    known = {one.path: one.label for one in made}
    tried: list[Leaf] = []
    for path, choice in recipe.choose.items():
        tried += candidates(recipe, path)
        labels = [setting.label for setting in choice.settings(path)]
        recipe = _taken(recipe, path, known[path] if known.get(path) in labels else labels[0])
    return recipe.model_copy(update={"choose": {}}), tried


def _taken(recipe: Recipe, path: str, label: str) -> Recipe:
    setting = next(one for one in recipe.choose[path].settings(path) if one.label == label)
    return with_point(recipe, (setting,)).model_copy(update={"axes": recipe.axes, "choose": recipe.choose})


def _choose(recipe: Recipe, path: str, choice: Choice, score: Callable[[list[Leaf]], list[float]]) -> Chosen:
    leaves = candidates(recipe, path)
    scores: dict[str, list[float]] = {}
    steps: dict[str, int] = {}
    for leaf, value in zip(leaves, score(leaves), strict=True):
        label = leaf.point[0].label
        scores.setdefault(label, []).append(value)
        steps[label] = steps.get(label, 0) + sum(stage.steps or 0 for stage in leaf.stages)
    best = max(scores, key=lambda label: fmean(scores[label]))
    return Chosen(path, best, choice.by, scores, steps)


def write_choices(out: Path, made: Sequence[Chosen]) -> None:
    """Keep what was chosen, and why, in the study's folder."""
    if made:
        write_json(out / CHOICES, [vars(one) for one in made])


def chosen_before(out: Path) -> list[Chosen]:
    """What an earlier run of the study chose."""
    return [Chosen(**one) for one in read_json(out / CHOICES) or []]
