"""A recipe: the YAML file of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeInt, field_validator

from undercoat.evaluation import Protocol
from undercoat.spec import Spec
from undercoat.study.axis import Axis, Choice
from undercoat.study.claim import Claim
from undercoat.study.recipe_file import written

__all__ = ["STANDARD_ARMS", "Recipe"]

#: arms that a list may name without spelling out their stages; ``source`` is optional in them
STANDARD_ARMS: dict[str, list[Any]] = {
    "random": [],
    "base": ["base"],
    "base_refreshed": ["base", {"use": "target", "train": "statistics", "steps": None, "epochs": 1}],
    "target": ["target"],
    "hpt": ["base", "target"],
    "hpt_bn": ["base", {"use": "target", "train": "norm"}],
}


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
            repeated for each. An axis into the ``protocol`` judges every arm once for each value.
        choose: path → values of which one is chosen on held-out training images before anything else is run.
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
    axes: dict[str, Axis] = {}
    choose: dict[str, Choice] = {}
    seeds: list[NonNegativeInt] = Field(default=[0], min_length=1)
    protocol: Protocol | None = None
    watch: int = Field(default=8, ge=0)
    claims: list[Claim] = []

    @field_validator("axes", mode="before")
    @classmethod
    def _short_axes(cls, axes: Any) -> Any:
        if not isinstance(axes, dict):
            return axes
        return {path: {"values": axis} if isinstance(axis, list) else axis for path, axis in axes.items()}

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
