"""Which setting of fine-tuning is best on the held-out images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from undercoat.backbones.backbone import Backbone
from undercoat.data.canvases import Canvases
from undercoat.errors import DataError, RunError, SpecError
from undercoat.evaluation.few_labels import every_class_held_out
from undercoat.evaluation.labels import class_counts
from undercoat.evaluation.readouts.choosing import best_of, score
from undercoat.evaluation.readouts.fine_tuning.run import Candidate, Run

__all__ = ["choose"]


def choose(
    grid: Sequence[Candidate], run: Run, backbone: Backbone, held_out: NDArray[np.bool_] | None
) -> tuple[Candidate, dict[str, Any], tuple[str, ...]]:
    """Train every candidate without the held-out images and score it on them.

    Args:
        grid: two candidates or more.
        run: what they share.
        backbone: copied for each.
        held_out: (N,) booleans; where they can, they get an image of every class.

    Returns:
        the best candidate (highest score, then lowest loss, then first); the scores of all, None for what diverged;
        and what a reader of the number should know.

    Raises:
        SpecError: when no part is held out.
        DataError: when the held-out images have no class to rank by.
        RunError: when all diverge.
    """
    part = _sides(run.images, held_out, len(grid), run.seed)
    fit, asked = np.flatnonzero(~part), run.images.take(np.flatnonzero(part))
    scores, losses = _scores(grid, run, backbone, fit, asked)
    alive = torch.isfinite(losses) & torch.isfinite(scores)
    if not alive.any():
        raise RunError(
            f"all {len(grid)} settings of fine_tune diverged on {len(fit)} images; give smaller lrs than "
            f"{min(candidate.lr for candidate in grid):g}, or look at the loss of what trained the backbone"
        )
    best = best_of(scores, losses)
    told = {
        str(candidate): round(float(value), 6) if fine else None  # JSON has no NaN
        for candidate, value, fine in zip(grid, scores, alive, strict=True)
    }
    won = float(scores[best])
    about = {"candidates": len(grid), "held_out": len(asked), "held_out_score": round(won, 6), "held_out_scores": told}
    return grid[best], about, _notes(told, asked, won)


def _scores(
    grid: Sequence[Candidate], run: Run, backbone: Backbone, fit: NDArray[np.int64], asked: Canvases
) -> tuple[torch.Tensor, torch.Tensor]:
    """Score and loss of each candidate; what stopped being numbers is the worst there is."""
    labels = torch.as_tensor(np.asarray(asked.labels))
    scores = torch.full((len(grid),), -math.inf, dtype=torch.float64)
    losses = torch.full((len(grid),), math.inf)
    for place, candidate in enumerate(grid):
        network = run.train(backbone, candidate, fit)
        if network is not None:
            found, loss = score(network.logits(asked, run.once)[:, None], labels)
            scores[place], losses[place] = found[0], loss[0]
    return scores, losses


def _sides(train: Canvases, held_out: NDArray[np.bool_] | None, grid: int, seed: int) -> NDArray[np.bool_]:
    """The held-out part with an image of every class that has two."""
    if held_out is None or not held_out.any() or held_out.all():
        raise SpecError(
            f"fine_tune has {grid} settings but no held-out images to choose on; hold out a part of train, or give "
            "one lr and one budget"
        )
    part = every_class_held_out(train, held_out, seed=seed)
    if train.multi_label:
        asked = np.asarray(train.labels)[part]
        if not ((asked.sum(axis=0) > 0) & (asked.sum(axis=0) < len(asked))).any():
            raise DataError(
                f"no class of {train.name!r} is on some of the {len(asked)} held-out images and off others, so "
                "fine_tune cannot choose; raise held_out_fraction, add labels, or give one lr and one budget"
            )
    return part


def _notes(told: dict[str, float | None], asked: Canvases, won: float) -> tuple[str, ...]:
    """Say which settings diverged, and when even the best is no better than not looking."""
    notes = []
    if diverged := [name for name, value in told.items() if value is None]:
        notes.append(f"fine_tune: {len(diverged)} of {len(told)} settings diverged ({'; '.join(diverged)})")
    blind = 0.5 if asked.multi_label else float(class_counts(asked).max() / len(asked))
    if won <= blind:
        notes.append(
            f"fine_tune: its best setting scores {won:.3f} on the {len(asked)} held-out images, no better than not "
            f"looking ({blind:.3f}), so the budget is too short, the learning rates do not fit, or labels are too few"
        )
    return tuple(notes)
