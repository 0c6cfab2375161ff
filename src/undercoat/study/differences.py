"""What differs between two studies: settings of their recipes, and which coats they share."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from undercoat.errors import SpecError
from undercoat.spec import difference, digest
from undercoat.study.expansion import expand
from undercoat.study.folder import STUDY, read_study, stages_folder
from undercoat.study.graph import DataShelf, build_graph
from undercoat.study.recipe import Recipe
from undercoat.study.stage import NOT_IN_DIGEST, Stage

__all__ = ["StudyDifference", "compare_studies"]

_Words = tuple[str, int | None]  # a chain of coats, and its seed
_KINDS = {
    "digest": "by digest: settings, images and the coats below",
    "stage": "by settings, with defaults filled in; images were not opened (--digests does that)",
}


@dataclass(frozen=True)
class StudyDifference:
    """Two recipes side by side.

    Attributes:
        first: where the first was read.
        second: where the second was read.
        settings: what differs, as ``path: first → second``.
        shared: chains of coats that both have, with their seeds, in words.
        only_first: those of the first alone.
        only_second: those of the second alone.
        compared_by: ``digest`` or ``stage``.
    """

    first: str
    second: str
    settings: list[str]
    shared: list[str]
    only_first: list[str]
    only_second: list[str]
    compared_by: str

    def to_json(self) -> str:
        """For machines."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    def __str__(self) -> str:
        """For people: settings first, then coats."""
        lines = [f"A  {self.first}", f"B  {self.second}", ""]
        lines += [f"{len(self.settings)} settings differ (A → B):" if self.settings else "No setting differs."]
        lines += [f"  {one}" for one in self.settings]
        parts = {
            "Coats in both": self.shared,
            "Coats of A alone": self.only_first,
            "Coats of B alone": self.only_second,
        }
        lines += ["", f"Coats, compared {_KINDS[self.compared_by]}."]
        for title, coats in parts.items():
            lines += [f"{title}: {len(coats) or 'none'}", *(f"  {one}" for one in coats)]
        return "\n".join(lines)


def compare_studies(first: Path | str, second: Path | str, *, digests: bool = False) -> StudyDifference:
    """Compare two recipes after ``extends`` and defaults are filled in.

    Args:
        first: a recipe file, or the folder of a study.
        second: likewise.
        digests: open the data of recipe files, so that coats are compared by their images too; otherwise two coats are
            the same when every setting is, down to the first weights. Two study folders are always compared by digest.

    Raises:
        SpecError: for a recipe that cannot be used.
        DataError: with ``digests``, for data that cannot be opened.
    """
    paths = (Path(first), Path(second))
    recipes = [_recipe(path) for path in paths]
    by_digest = digests or all(path.is_dir() for path in paths)
    named = [
        _digests(path, recipe) if by_digest else _stages(recipe) for path, recipe in zip(paths, recipes, strict=True)
    ]
    before, after = (recipe.model_dump(mode="json") for recipe in recipes)
    return StudyDifference(
        first=str(first),
        second=str(second),
        settings=difference(before, after),
        shared=_listed(words for key, words in named[0].items() if key in named[1]),
        only_first=_listed(words for key, words in named[0].items() if key not in named[1]),
        only_second=_listed(words for key, words in named[1].items() if key not in named[0]),
        compared_by="digest" if by_digest else "stage",
    )


def _recipe(path: Path) -> Recipe:
    if path.is_dir() and not (path / "study.yaml").exists():
        raise SpecError(f"'{path}' holds no study.yaml; give a recipe file, or the folder of a study")
    return Recipe.load(path / "study.yaml" if path.is_dir() else path)


def _stages(recipe: Recipe) -> dict[str, _Words]:
    """Coats by the settings of their whole chain, in words."""
    found: dict[str, _Words] = {}
    for leaf in expand(recipe):
        chain: list[Any] = []
        for place, stage in enumerate(leaf.stages):
            chain.append(_settings(stage))
            coats = [one.coat for one in leaf.stages[: place + 1]]
            last = place == len(leaf.stages) - 1
            found.setdefault(digest(chain), _words(coats, leaf.arm.removeprefix(leaf.of) if last else "", _seed(stage)))
    return found


def _settings(stage: Stage) -> dict[str, Any]:
    """What decides the weights; the seed of weights that only are loaded does not."""
    values = {key: value for key, value in stage.model_dump(mode="json").items() if key not in NOT_IN_DIGEST}
    if _seed(stage) is None:
        values.pop("seed")
    return values


def _seed(stage: Stage) -> int | None:
    loaded = stage.kind == "init" and stage.init != "random"
    return None if loaded else stage.seed


def _words(coats: list[str], point: str, seed: int | None) -> _Words:
    return " > ".join(coats) + (f" {point}" if point else ""), seed


def _listed(named: Iterable[_Words]) -> list[str]:
    """Coats that differ by their seed only in one line."""
    seeds: dict[str, list[str]] = {}
    for words, seed in named:
        seeds.setdefault(words, []).extend([] if seed is None else [str(seed)])
    several = {words: f", seed{'s' if len(own) > 1 else ''} {', '.join(own)}" for words, own in seeds.items() if own}
    return [words + several.get(words, "") for words in seeds]


def _digests(path: Path, recipe: Recipe) -> dict[str, _Words]:
    """Coats by digest: those of a study's folder, or of a recipe whose data is opened."""
    found: dict[str, _Words] = {}
    if path.is_dir() and (path / STUDY).exists():
        for arm in read_study(path)["arms"]:
            point = arm["name"].removeprefix(arm.get("arm", arm["name"]))
            for seed, chain in arm["stages"].items():
                for place, name in enumerate(chain):
                    own = point if place == len(chain) - 1 else ""
                    found.setdefault(name, _words(arm["coats"][: place + 1], own, int(seed)))
        return found
    folder = path if path.is_dir() else path.parent
    leaves = expand(recipe)
    graph = build_graph(leaves, DataShelf(), stages_folder(folder))
    points = {route.coats[-1]: leaf.arm.removeprefix(leaf.of) for route, leaf in zip(graph.routes, leaves, strict=True)}
    for name, coat in graph.coats.items():
        coats = [one.stage.coat for one in graph.chain(name)]
        found[name] = _words(coats, points.get(name, ""), _seed(coat.stage))
    return found
