"""The figures of an experiment: over each axis, and of sequences of coats; nothing for a plain comparison of arms."""

from __future__ import annotations

from undercoat.report.drawing import Drawing
from undercoat.report.folder import Found
from undercoat.report.markup import Markup
from undercoat.report.sequences import sequence_drawings
from undercoat.report.speed_ups import convergences_block
from undercoat.report.sweep_figures import sweep_drawings

__all__ = ["experiment_blocks", "experiment_drawings"]


def experiment_drawings(found: Found) -> list[Drawing]:
    """All of them, in the order of the page."""
    return [*sweep_drawings(found), *sequence_drawings(found)]


def experiment_blocks(found: Found) -> list[Markup]:
    """The same as parts of the page, with what they say about speed."""
    speed = convergences_block(found)
    return [*(drawing.block for drawing in experiment_drawings(found)), *([speed] if speed else [])]
