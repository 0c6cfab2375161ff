"""From a recipe to its leaves: every arm × axis value × seed, as chains of stages."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from undercoat.errors import SpecError, did_you_mean
from undercoat.evaluation import Protocol
from undercoat.study.axis import Axis, Setting, grid, tag
from undercoat.study.recipe import STANDARD_ARMS, Recipe
from undercoat.study.recipe_file import merged, put
from undercoat.study.stage import K_MEANS, Stage

__all__ = ["Leaf", "expand", "protocols_of", "with_point"]

_SIZES = ("size_px", "canvas_px")
_OF_TRAINING = ("data", "method", "train", "frozen", "fresh", "steps", "epochs")
#: what an axis may point into: all else is repeated in its own way
_ON_AXES = ("stages", "defaults", "arms", "backbone", "backbone_arguments", "data", "protocol")


@dataclass(frozen=True)
class Leaf:
    """One arm with one seed: the stages that lead to it, in order; the last one's backbone is judged.

    Attributes:
        arm: its name, with the values of the axes that change it: ``hpt[steps=50]``.
        seed: of every stage that trains.
        stages: first to last.
        point: those values; empty for an arm that no axis changes.
    """

    arm: str
    seed: int
    stages: tuple[Stage, ...]
    point: tuple[Setting, ...] = ()

    @property
    def of(self) -> str:
        """The arm's name in the recipe."""
        return self.arm.removesuffix(f"[{tag(self.point)}]") if self.point else self.arm


def expand(recipe: Recipe) -> list[Leaf]:
    """Write out every arm × value of the axes that change it × seed, in the recipe's order.

    Raises:
        SpecError: for unknown stages, arms, axes or settings, an axis that changes nothing, or no arm at all.
    """
    axes = {path: axis.settings(path) for path, axis in _axes(recipe).items() if not _of_protocol(path)}
    used: set[str] = set()
    leaves = []
    for arm in _arms(recipe):
        touching = [path for path, settings in axes.items() if _touches(recipe, recipe.axes[path], settings, arm)]
        used.update(touching)
        for point in grid(axes[path] for path in touching):
            variant = with_point(recipe, point)
            name = f"{arm}[{tag(point)}]" if point else arm
            leaves += [Leaf(name, seed, _stages(variant, arm, seed), point) for seed in recipe.seeds]
    if not leaves:
        raise SpecError(f"recipe {recipe.name!r} has no arms, so there is nothing to run; add some under arms")
    for path in axes:
        if path not in used:
            raise SpecError(f"axis {path!r} changes no coat of any arm; let an arm use that stage, or leave it out")
    return leaves


def protocols_of(recipe: Recipe) -> list[tuple[tuple[Setting, ...], Protocol]]:
    """Every protocol that the arms are judged by, with the values of the axes that point into it.

    Raises:
        SpecError: when an axis gives the protocol a value that it cannot have, or there is no protocol.
    """
    axes = {path: axis.settings(path) for path, axis in _axes(recipe).items() if _of_protocol(path)}
    if axes and recipe.protocol is None:
        raise SpecError(f"axis {next(iter(axes))!r} points into the protocol, and the recipe has none; add protocol")
    found = []
    for point in grid(axes.values()):
        judged_by = with_point(recipe, point).judged_by
        if judged_by is not None:
            found.append((point, judged_by))
    return found


def _of_protocol(path: str) -> bool:
    return path.partition(".")[0] == "protocol"


def _axes(recipe: Recipe) -> dict[str, Axis]:
    """The axes of a recipe, checked for what can be known without its values."""
    known = _arms(recipe)
    for path, axis in recipe.axes.items():
        if path.partition(".")[0] not in _ON_AXES:
            raise SpecError(f"axis {path!r} changes no coat; give values of a setting under {', '.join(_ON_AXES)}")
        for arm in axis.arms:
            if arm not in known:
                raise SpecError(f"axis {path!r} is for arm {arm!r}, which is not under arms{did_you_mean(arm, known)}")
    return recipe.axes


def _touches(recipe: Recipe, axis: Axis, settings: list[Setting], arm: str) -> bool:
    """Whether some value of the axis gives the arm other stages than it has without the axis."""
    if axis.arms and arm not in axis.arms:
        return False
    seed = recipe.seeds[0]
    variants = [_stages(with_point(recipe, (setting,)), arm, seed) for setting in settings]
    return any(stages != variants[0] for stages in variants) or variants[0] != _stages_or_none(recipe, arm, seed)


def _stages_or_none(recipe: Recipe, arm: str, seed: int) -> tuple[Stage, ...] | None:
    """The arm without the axis; None where it needs the axis to be complete."""
    try:
        return _stages(recipe, arm, seed)
    except SpecError:
        return None


def with_point(recipe: Recipe, point: Iterable[Setting]) -> Recipe:
    """Put values into a recipe, which then has no axes and nothing left to choose.

    Raises:
        SpecError: when a path leads nowhere, or the setting cannot have that value.
    """
    point = tuple(point)
    if not point:
        return recipe
    changed = recipe.model_dump(mode="python", exclude={"axes", "choose"})
    for setting in point:
        put(changed, setting.path.split("."), copy.deepcopy(setting.value), setting.path)
    return Recipe.of(changed, where=f"recipe {recipe.name!r} with {tag(point)}")


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


def _stages(recipe: Recipe, arm: str, seed: int) -> tuple[Stage, ...]:
    """The chain of one arm with one seed."""
    coats = _arms(recipe)[arm]
    if not coats:
        values = {"name": "random", "init": "random", "seed": seed, **_network(recipe)}
        return (Stage.of(values, where=f"arm {arm!r}"),)
    return tuple(_chain(recipe, arm, coats, seed))


def _chain(recipe: Recipe, arm: str, coats: list[Any], seed: int) -> Iterator[Stage]:
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
