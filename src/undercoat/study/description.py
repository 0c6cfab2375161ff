"""What ``study.json`` says of a study: its arms, the axes that repeat them, and how they are judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from undercoat.study.axis import Setting
from undercoat.study.graph import Graph
from undercoat.study.judging import Judged
from undercoat.study.recipe import Recipe

__all__ = ["described"]


def described(recipe: Recipe, graph: Graph, judges: Sequence[Judged]) -> dict[str, Any]:
    """Describe a study for whoever reads its folder without the recipe: the report, ``show`` and ``status``.

    Args:
        recipe: as it was written.
        graph: its coats and routes.
        judges: one for each protocol.
    """
    arms: dict[str, dict[str, Any]] = {}
    for route in graph.routes:
        coats = [graph.coats[digest].stage.coat for digest in route.coats]
        about = {"name": route.arm, "arm": route.of, **_point(route.point), "coats": coats, "stages": {}}
        arms.setdefault(route.arm, about)["stages"][str(route.seed)] = list(route.coats)
    return {
        "name": recipe.name,
        "seeds": recipe.seeds,
        "arms": list(arms.values()),
        "axes": [_axis(axis.settings(path)) for path, axis in recipe.axes.items()],
        "protocols": [{"eval": judge.eval, **_point(point)} for point, judge in judges],
        "claims": [claim.model_dump(mode="json") for claim in recipe.claims],
    }


def _point(point: Iterable[Setting]) -> dict[str, dict[str, Any]]:
    point = tuple(point)
    return {
        "values": {setting.path: setting.value for setting in point},
        "labels": {setting.path: setting.label for setting in point},
    }


def _axis(settings: list[Setting]) -> dict[str, Any]:
    return {
        "path": settings[0].path,
        "name": settings[0].name,
        "values": [setting.value for setting in settings],
        "labels": [setting.label for setting in settings],
    }
