"""A plan in words: what is left to do, how long it takes, and how much it writes."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from undercoat.study.disk import in_bytes, shortage
from undercoat.study.plan import Plan
from undercoat.study.status_table import duration

__all__ = ["print_plan"]


def print_plan(
    plan: Plan, out: Path, console: Console, *, workers: int = 1, images_per_second: float | None = None
) -> None:
    """Print a plan.

    Args:
        plan: of a study.
        out: the study's folder; the free space there is compared.
        console: where to print.
        workers: that will lay coats side by side.
        images_per_second: that the time was reckoned with, if none was measured.
    """
    console.print(plan.tree)
    saved = plan.if_separate - plan.coats
    console.print(
        f"{plan.coats} coats ({saved} saved by shared prefixes), {plan.steps:,} steps and {plan.images:,} images to go"
    )
    for line in (
        _time(plan, workers, images_per_second),
        _disk(plan, workers),
        shortage(plan.disk, out, workers=workers),
    ):
        if line:
            console.print(line, highlight=False, markup=False)


def _time(plan: Plan, workers: int, images_per_second: float | None) -> str:
    if plan.seconds != plan.seconds:
        return ""
    stated = images_per_second is not None
    where = f"at {images_per_second:,.0f} images/s" if stated else "on this machine"
    line = f"about {duration(plan.seconds)} of training {where}"
    if workers > 1:
        apart = (
            "each this fast" if stated else "if each computes as fast as one alone, which needs cores or GPUs to spare"
        )
        line += f", {duration(plan.seconds_with(workers))} with {workers} workers ({apart})"
    return f"{line}; evaluation comes on top"


def _disk(plan: Plan, workers: int) -> str:
    peak = plan.disk.peak(workers)
    return f"about {in_bytes(peak)} more on disk: {plan.disk}" if peak else ""
