"""An axis: one setting of a recipe that takes several values, and the grid that several axes make."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import field_validator

from undercoat.spec import Spec

__all__ = ["Axis", "Choice", "Setting", "grid", "tag"]


@dataclass(frozen=True)
class Setting:
    """One value of one axis.

    Attributes:
        path: into the recipe, such as ``stages.target.steps``.
        name: of the axis, as arms show it.
        label: of the value, as arms and figures show it.
        value: what is put there.
    """

    path: str
    name: str
    label: str
    value: Any

    def __str__(self) -> str:
        return f"{self.name}={self.label}"


class Axis(Spec):
    """The values of a setting.

    Attributes:
        values: a list, or label → value where the values themselves would make long names.
        name: shown in arms and figures; the last part of the path when left out.
        arms: only these have the axis; empty = every arm that it changes.
    """

    values: dict[str, Any] | list[Any]
    name: str = ""
    arms: list[str] = []

    @field_validator("values", mode="before")
    @classmethod
    def _text_labels(cls, values: Any) -> Any:
        return {str(label): value for label, value in values.items()} if isinstance(values, Mapping) else values

    @field_validator("values")
    @classmethod
    def _some_values(cls, values: Any) -> Any:
        if not values:
            raise ValueError("an axis that has no values repeats nothing; give some, or leave it out")
        return values

    def settings(self, path: str) -> list[Setting]:
        """Every value with its label, in order.

        Example:
            >>> [str(setting) for setting in Axis(values=[50, 500]).settings("stages.target.steps")]
            ['steps=50', 'steps=500']
        """
        name = self.name or path.split(".")[-1]
        labelled = self.values.items() if isinstance(self.values, dict) else ((str(one), one) for one in self.values)
        return [Setting(path, name, label, value) for label, value in labelled]


class Choice(Axis):
    """A setting that is chosen on held-out training images before anything is tested.

    The arm named by ``by`` is laid with every value and scored on the part of the labelled training images that is
    kept aside; the value whose score, by the protocol's first readout and measure, is highest in the mean over
    seeds is put into the recipe. Test images play no part. Of equal scores the earlier value is taken.

    Attributes:
        by: the arm that is scored; it ends with the stage that the value changes.
    """

    by: str


def grid(axes: Iterable[list[Setting]]) -> Iterator[tuple[Setting, ...]]:
    """All combinations of one setting from each axis, the last axis fastest; one empty one for no axes."""
    return itertools.product(*axes)


def tag(point: Iterable[Setting]) -> str:
    """Name a point of the grid.

    Example:
        >>> tag([Setting("stages.t.steps", "steps", "50", 50), Setting("stages.t.train", "train", "norm", "norm")])
        'steps=50, train=norm'
    """
    return ", ".join(str(setting) for setting in point)
