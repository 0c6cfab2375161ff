"""How long a fine-tuning run is, and at which steps its learning rate falls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from undercoat.errors import SpecError

__all__ = ["SCHEDULES", "Budget"]

SCHEDULES = ("as_described", "as_run")

_FORM = re.compile(r"\s*([0-9]+)\s*(steps?|epochs?)\s*")


@dataclass(frozen=True)
class Budget:
    """A number of optimiser steps, or of passes over the labelled images.

    Attributes:
        amount: of the unit, at least 1.
        unit: ``steps`` are the same whatever the number of images; ``epochs`` grow with it.

    Example:
        >>> Budget.of("90 epochs").steps(images=1000, batch=256)
        352
    """

    amount: int
    unit: Literal["steps", "epochs"]

    @classmethod
    def of(cls, text: Any) -> Budget:
        """Read ``"2500 steps"`` or ``"90 epochs"``.

        Raises:
            SpecError: for anything else.
        """
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        if found is None or int(found[1]) < 1:
            raise SpecError(f"{text!r} is no budget of fine-tuning; give a text such as '2500 steps' or '90 epochs'")
        return cls(int(found[1]), "steps" if found[2].startswith("step") else "epochs")

    def __str__(self) -> str:
        return f"{self.amount} {self.unit if self.amount > 1 else self.unit[:-1]}"

    def steps(self, *, images: int, batch: int) -> int:
        """Count the optimiser steps of ``batch`` images each; every image is seen equally often, but for rounding."""
        return self.amount if self.unit == "steps" else max(1, round(self.amount * images / batch))

    def falls(
        self, drops: Sequence[float], *, steps: int, schedule: str = "as_described", accumulation: int = 1
    ) -> tuple[int, ...]:
        """Say at which optimiser steps the learning rate falls to a tenth.

        The text of Reed et al. 2021 has the rate fall after a third and two thirds of the steps. Their released code
        gathers the gradient of several small batches for one step and multiplies a budget in steps by that number,
        but compares the points of the fall with the count of *small batches*: it falls that many times too early.
        A budget in epochs is free of the slip, since an epoch is the same in either count.

        Args:
            drops: fractions of the budget, rising.
            steps: of the optimiser, as :meth:`steps` gives them.
            schedule: ``as_described`` or ``as_run``.
            accumulation: small batches that one step gathers.

        Example:
            >>> published = Budget(2500, "steps")
            >>> published.falls((1 / 3, 2 / 3), steps=2500)
            (833, 1667)
            >>> published.falls((1 / 3, 2 / 3), steps=2500, schedule="as_run", accumulation=4)
            (208, 417)
        """
        early = accumulation if schedule == "as_run" and self.unit == "steps" else 1
        return tuple(max(1, round(drop * steps / early)) for drop in drops)  # the first step has the full rate
