"""From numbers to pixels, with ticks at round numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Scale", "linear_ticks", "log_ticks"]

ZERO_GAP = 0.5  # on a log axis step 0 stands half a decade left of the first step


def linear_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers within [low, high], about as many as wanted.

    Example:
        >>> linear_ticks(0.47, 0.78)
        [0.5, 0.55, 0.6, 0.65, 0.7, 0.75]
    """
    if not high > low:
        return [low]
    rough = (high - low) / wanted
    power = 10 ** math.floor(math.log10(rough))
    step = min((1, 2, 5, 10), key=lambda one: abs(math.log(one * power / rough))) * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = (float(f"{index * step:.12g}") for index in range(first, last + 1))
    return list(dict.fromkeys(ticks))


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten within [low, high], with 2 and 5 between them where there are few.

    Example:
        >>> log_ticks(10, 200)
        [10.0, 20.0, 50.0, 100.0, 200.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens = [10.0**power for power in decades]
    ticks = [one for one in tens if low <= one <= high]
    if len(ticks) >= 4:
        return ticks
    return [factor * ten for ten in tens for factor in (1, 2, 5) if low <= factor * ten <= high] or [low]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A straight or logarithmic axis from ``low``..``high`` to ``start_px``..``end_px``.

    A logarithmic axis starts at the first positive number; zero has a place of its own left of it.
    """

    low: float
    high: float
    start_px: float
    end_px: float
    log: bool = False
    zero: bool = False

    def _along(self, value: float) -> float:
        if not self.log:
            return value
        return math.log10(self.low) - ZERO_GAP if value <= 0 else math.log10(value)

    def __call__(self, value: float) -> float:
        """Return the place of a value in pixels.

        Example:
            >>> Scale(low=0, high=1, start_px=100, end_px=0)(0.25)
            75.0
        """
        first = self._along(0.0 if self.log and self.zero else self.low)
        width = (self._along(self.high) - first) or 1.0
        return self.start_px + (self._along(value) - first) / width * (self.end_px - self.start_px)

    def ticks(self, wanted: int = 5) -> list[float]:
        """Round numbers along the axis, zero first where a logarithmic axis holds it."""
        if not self.log:
            return linear_ticks(self.low, self.high, wanted)
        return [*([0.0] if self.zero else []), *log_ticks(self.low, self.high)]
