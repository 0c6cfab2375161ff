"""A recipe: the YAML file of a study, and the arms that it stands for."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeInt

from undercoat.errors import SpecError, did_you_mean
from undercoat.evaluation import Protocol
from undercoat.spec import Spec
from undercoat.study.claim import Claim
from undercoat.study.recipe_file import merged, put, written
from undercoat.study.stage import K_MEANS, Stage

__all__ = ["STANDARD_ARMS", "Leaf", "Recipe", "expand"]

#: arms that a list may name without spelling out their stages; ``source`` is optional in them
STANDARD_ARMS: dict[str, list[Any]] = {
    "random": [],
    "base": ["base"],
    "base_refreshed": ["base", {"use": "target", "train": "statistics", "steps": None, "epochs": 1}],
    "target": ["target"],
    "hpt": ["base", "target"],
    "hpt_bn": ["base", {"use": "target", "train": "norm"}],
}

_SIZES = ("size_px", "canvas_px")
_OF_TRAINING = ("data", "method", "train", "frozen", "fresh", "steps", "epochs")
#: what an axis may point into: all else changes no coat, or is repeated in its own way
_ON_AXES = ("stages", "defaults", "arms", "backbone", "backbone_arguments", "data")


class Recipe(Spec):
    """A study: coats by name, arms made of them, and how the arms are judged.

    Attributes:
        name: of the study.
        backbone: of every chain from untrained weights whose first stage does not name its own.
        backbone_arguments: of that network.
        data: names for data specs; where a stage or the protocol says ``data: NAME``, this is looked up.
        defaults: settings of every stage that trains.
        stages: coats by name.
        arms: name → list of coats (a name, or a mapping with ``use: NAME`` and what differs), or a list of names
            among the standard arms ``random, base, base_refreshed, target, hpt, hpt_bn``.
        axes: path into the recipe, such as ``stages.target.steps`` → values; arms that a value changes are
            repeated for each.
        seeds: of every stage that trains; each arm runs once for each.
        protocol: how each arm's backbone is judged.
        watch: log-spaced points at which k-NN on held-out training images is measured during training.
        claims: what the study is run to find out; judged when it is done.
    """

    name: str = "study"
    backbone: str | None = None
    backbone_arguments: dict[str, Any] = {}
    data: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    stages: dict[str, dict[str, Any]] = {}
    arms: dict[str, list[Any]] | list[str] = ["random", "base", "target", "hpt", "hpt_bn"]
    axes: dict[str, list[Any]] = {}
    seeds: list[NonNegativeInt] = Field(default=[0], min_length=1)
    protocol: Protocol | None = None
    watch: int = Field(default=8, ge=0)
    claims: list[Claim] = []

    @classmethod
    def load(cls, path: Path | str, changes: str = "") -> Recipe:
        """Read a YAML recipe; one that ``extends`` another holds only what differs from it.

        Args:
            path: of the file.
            changes: settings to replace, ``path.to.setting=value`` with spaces between them (quotes keep spaces);
                values are YAML.

        Raises:
            SpecError: naming what is wrong, with the nearest known setting.
        """
        return cls.of(written(path, changes), where=f"recipe {str(path)!r}{f' with {changes}' if changes else ''}")

    @property
    def judged_by(self) -> Protocol | None:
        """The protocol with the data that it names looked up under ``data``."""
        if self.protocol is None:
            return None
        return self.protocol.model_copy(update={"data": self.data.get(self.protocol.data, self.protocol.data)})


@dataclass(frozen=True)
class Leaf:
    """One arm with one seed: the stages that lead to it, in order; the last one's backbone is judged."""

    arm: str
    seed: int
    stages: tuple[Stage, ...]


def expand(recipe: Recipe) -> list[Leaf]:
    """Write out every arm × axis value × seed, in the recipe's order, each distinct chain once.

    Raises:
        SpecError: for unknown stages, arms, axes or settings, an axis that changes no coat, or no arm at all.
    """
    leaves: dict[tuple[str, int], Leaf] = {}
    for tag, variant in _variants(recipe):
        for arm, coats in _arms(variant).items():
            for seed in variant.seeds:
                stages = tuple(_stages(variant, arm, coats, seed))
                name = f"{arm}[{tag}]" if tag and _touched(recipe, arm, coats) else arm
                leaf = Leaf(name, seed, stages)
                if leaves.setdefault((name, seed), leaf) != leaf:
                    raise SpecError(f"{tag} changes arm {name!r}, but not its name; spell out an arm for each value")
    if not leaves:
        raise SpecError(f"recipe {recipe.name!r} has no arms, so there is nothing to run; add some under arms")
    return list(leaves.values())


def _variants(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """Each point of the grid with a short tag, such as ``steps=50``."""
    if not recipe.axes:
        yield "", recipe
        return
    for path, given in recipe.axes.items():
        if not given or path.partition(".")[0] not in _ON_AXES:
            why = "changes no coat" if given else "has no values"
            raise SpecError(f"axis {path!r} {why}; give values of a setting under {', '.join(_ON_AXES)}")
    for values in itertools.product(*recipe.axes.values()):
        changed = recipe.model_dump(mode="python", exclude={"axes"})
        for path, value in zip(recipe.axes, values, strict=True):
            put(changed, path.split("."), value, path)
        tag = ", ".join(f"{path.split('.')[-1]}={value}" for path, value in zip(recipe.axes, values, strict=True))
        yield tag, Recipe.of(changed, where=f"recipe {recipe.name!r} with {tag}")


def _touched(recipe: Recipe, arm: str, coats: list[Any]) -> bool:
    """Whether any axis points at a stage of this arm, or at settings of all that train."""
    used = {coat if isinstance(coat, str) else coat.get("use", "") for coat in coats}
    for path in recipe.axes:
        head, _, rest = path.partition(".")
        owner = rest.partition(".")[0]
        trains = any(_trains(recipe.stages.get(name, {})) for name in used)
        if (head == "stages" and owner in used) or (head == "arms" and owner == arm):
            return True
        if (head == "defaults" and trains) or head in ("backbone", "backbone_arguments"):
            return True
    return False


def _arms(recipe: Recipe) -> dict[str, list[Any]]:
    if isinstance(recipe.arms, dict):
        return recipe.arms
    arms: dict[str, list[Any]] = {}
    for name in recipe.arms:
        if name not in STANDARD_ARMS:
            hint = did_you_mean(name, STANDARD_ARMS)
            raise SpecError(f"arm {name!r} is not a standard arm{hint}; spell out its stages: arms: {{{name}: [...]}}")
        arms[name] = copy.deepcopy(STANDARD_ARMS[name])
    return arms


def _stages(recipe: Recipe, arm: str, coats: list[Any], seed: int) -> Iterator[Stage]:
    if not coats:
        values = {"name": "random", "init": "random", "seed": seed, **_network(recipe)}
        yield Stage.of(values, where=f"arm {arm!r}")
        return
    for position, coat in enumerate(coats):
        where = f"arm {arm!r}, coat {position + 1}"
        if not isinstance(coat, str | dict):
            raise SpecError(f"{where} must be a stage's name or a mapping, not {coat!r}")
        asked = {"use": coat} if isinstance(coat, str) else dict(coat)
        values = _merged(recipe, asked, where)
        if isinstance(values.get("data"), str):
            values["data"] = recipe.data.get(values["data"], values["data"])
        values.setdefault("seed", seed)
        if position == 0 and "data" in values:
            values.setdefault("init", "random")
        if position == 0 and _untrained(values.get("init")) and "backbone" not in values:
            values = {**_network(recipe), **values}
        if position > 0 and "init" in values:
            raise SpecError(f"{where} has init, but its weights come from the coat before; put init on the first coat")
        yield Stage.of(values, where=where)


def _merged(recipe: Recipe, asked: dict[str, Any], where: str) -> dict[str, Any]:
    """A named stage with the recipe's defaults below it and what this arm changes above it."""
    name = asked.pop("use", None)
    if name is None:
        values: dict[str, Any] = {"name": where, **asked}
    elif not isinstance(name, str) or name not in recipe.stages:
        hint = did_you_mean(str(name), recipe.stages)
        raise SpecError(f"{where} uses stage {name!r}, which is not under stages{hint}")
    else:
        values = merged({"name": name, **recipe.stages[name]}, asked)
    if _trains(values):
        return merged(recipe.defaults, values)
    if str(values.get("init", "")).startswith(K_MEANS):  # made from images, at the size that the stages see that train
        return merged({key: recipe.defaults[key] for key in _SIZES if key in recipe.defaults}, values)
    return values


def _trains(values: dict[str, Any]) -> bool:
    """Whether a stage trains, by what is written at it; its data may stand under ``defaults``."""
    return not values.keys().isdisjoint(_OF_TRAINING)


def _untrained(init: Any) -> bool:
    return isinstance(init, str) and (init == "random" or init.startswith("k_means"))


def _network(recipe: Recipe) -> dict[str, Any]:
    arguments = {"backbone_arguments": recipe.backbone_arguments} if recipe.backbone_arguments else {}
    return {"backbone": _random_backbone(recipe), **arguments}


def _random_backbone(recipe: Recipe) -> str:
    """The network of chains that start from random weights: the recipe's, or the base's."""
    if recipe.backbone is not None:
        return recipe.backbone
    for stage in recipe.stages.values():
        if "backbone" in stage:
            return str(stage["backbone"])
        if stage.get("init") == "imagenet-lite0":
            return "timm/tf_efficientnet_lite0"
    raise SpecError("the recipe names no backbone; add backbone: timm/resnet18 (undercoat list backbones)")
