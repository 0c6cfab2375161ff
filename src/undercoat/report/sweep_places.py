"""What all figures over an axis share: its places, its names and the words around them."""

from __future__ import annotations

import re

from undercoat.report.charts import Axes, tick_text
from undercoat.report.estimates import Estimate, Measure
from undercoat.report.sweeps import Spot, Sweep
from undercoat.report.wording import data_name

__all__ = ["along", "axes_of", "band", "capital", "file_stem", "of_family", "on_data", "where"]


def along(sweep: Sweep, place: int) -> float:
    """Where a value stands along the axis: its number, or 1, 2, … for names."""
    return sweep.numbers[place] if sweep.numbers else place + 1


def axes_of(sweep: Sweep, y: str) -> Axes:
    """The axes of its figures; logarithmic where the values span a factor of ten."""
    if not sweep.numbers:
        return Axes(x=sweep.name, y=y, x_names=sweep.labels, wrap_names=True)
    positive = [number for number in sweep.numbers if number > 0]
    log = bool(positive) and min(sweep.numbers) >= 0 and max(positive) >= 10 * min(positive)
    ticks = tuple((number, f"{tick_text(number)}{sweep.unit}") for number in sorted(set(sweep.numbers)))
    return Axes(x=sweep.name + (" (log)" if log else ""), y=y, log_x=log, x_ticks=ticks)


def where(sweep: Sweep, spot: Spot) -> str:
    """A place in words: ``steps 50``."""
    return f"{sweep.name} {sweep.labels[spot.place]}"


def band(found: Estimate) -> tuple[float, float]:
    """The band: the interval of the rows, else one standard deviation over seeds, else nothing."""
    if found.low is not None and found.high is not None:
        return found.low, found.high
    spread = found.std or 0.0
    return found.value - spread, found.value + spread


def capital(text: str) -> str:
    """Begin with a capital letter, but for k-NN."""
    return text if text.startswith("k-NN") else text[:1].upper() + text[1:]


def on_data(measure: Measure) -> str:
    """The tested data, for a title."""
    return f", {data_name(measure.eval_data)}" if measure.eval_data else ""


def of_family(sweep: Sweep) -> str:
    """Which arm of the recipe a figure is of, where it is of one of them."""
    families = {line.spots[0].arm.family or line.name for line in sweep.lines}
    several = any(line.name != line.spots[0].arm.family for line in sweep.lines)
    return f": {families.pop()}" if len(families) == 1 and several and len(sweep.lines) > 1 else ""


def file_stem(text: str) -> str:
    """A name of a file from a text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
