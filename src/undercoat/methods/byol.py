"""Bootstrap your own latent (Grill et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from undercoat.backbones import Backbone
from undercoat.errors import SpecError
from undercoat.functional.contrastive import cosine_regression
from undercoat.methods.global_norm import GlobalBatchNorm
from undercoat.methods.method import Auto, Batch, Facts, Method, Picture, Preset
from undercoat.methods.parts import ema_update, frozen_copy

__all__ = ["BYOL"]

_SHOWN = 8


class BYOL(Method):
    """From one view, predict what a slowly moving target encoder makes of the other: no negatives at all.

    Nothing in the loss forbids equal embeddings for all images. The predictor, which only the online side has, a
    target that follows more and more slowly and the heads' batch norm keep them apart; the log's effective rank
    tells whether they do.

    Simplified: the published runs train with LARS, which we do not have; ``preset: paper`` gives SGD the published
    learning rate and weight decay. Both views are drawn alike, where the published ones differ in blur and
    solarisation.

    Args:
        backbone: carries the gradient.
        dim: P, size of the embedding.
        hidden: width of the hidden layer of projector and predictor.
        batch_norm: batch statistics, over all processes, in the middle of projector and predictor. Without them a
            short run from random weights collapses to a few dimensions.
        ema_momentum: of the target encoder at the first step, growing to 1 at the last; auto: a memory of about a
            tenth of the budget.
        seed: of the heads.

    Reference: Grill et al. 2020, eq. 1–3, algorithm 1 and appendix A.
    """

    paper: ClassVar[str] = "Grill et al. 2020, arXiv 2006.07733"
    PRESETS: ClassVar[Mapping[str, Preset]] = {
        "auto": Preset(augmentation="byol", augmentation_arguments={"scale": (0.2, 1.0)}),  # larger crops: surer
        "paper": Preset(
            arguments={"dim": 256, "hidden": 4096, "batch_norm": True, "ema_momentum": 0.996},
            optimiser={"name": "sgd", "lr": 3.2, "weight_decay": 1.5e-6, "momentum": 0.9, "schedule": "cosine"},
            batch=4096,
            augmentation="byol",
        ),
    }

    def __init__(
        self,
        backbone: Backbone,
        *,
        dim: int = 256,
        hidden: int = 1024,
        batch_norm: bool = True,
        ema_momentum: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.projector = _head(backbone.dim, hidden, dim, batch_norm=batch_norm)
            self.predictor = _head(dim, hidden, dim, batch_norm=batch_norm)
        self.target = frozen_copy(nn.Sequential(backbone, self.projector))
        self.ema_momentum = 0.996 if ema_momentum is None else ema_momentum

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Fit the target encoder to the budget.

        Raises:
            SpecError: for a batch of one image, which has no batch statistics.
        """
        if facts.batch < 2:
            raise SpecError("byol takes statistics over a batch and this one has a single image: give batch 2 or more")
        memory = max(facts.steps / 10, 1.0)
        momentum = round(min(0.996, max(0.9, 1 - 1 / memory)), 4)
        reason = f"remembers about a tenth of {facts.steps:,} steps at first, within 0.9 … 0.996"
        return {"ema_momentum": Auto(momentum, reason)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Predict the target of each view from the other view (eq. 2 and its mirror image)."""
        projected = [self.projector(self.backbone(view)) for view in batch.views]
        with torch.no_grad():
            targets = [self.target(view) for view in batch.views]
        predicted = [self.predictor(rows) for rows in projected]
        loss = cosine_regression(predicted[0], targets[1]) + cosine_regression(predicted[1], targets[0])
        return {"loss": loss, "embeddings": normalize(torch.stack(projected).detach().float(), dim=2)}

    def after_step(self, progress: float) -> None:
        """Move the target encoder, at the end of the budget hardly any more."""
        momentum = 1.0 - (1.0 - self.ema_momentum) * (cos(pi * progress) + 1.0) / 2.0
        ema_update(self.target, nn.Sequential(self.backbone, self.projector), momentum)

    def pictures(self, batch: Batch) -> list[Picture]:
        """Show pairs of views, the least predictable first."""
        predicted = self.predictor(self.projector(self.backbone(batch.views[0])))
        alike = torch.cosine_similarity(predicted.float(), self.target(batch.views[1]).float(), dim=1).cpu()
        shown = alike.argsort()[:_SHOWN].tolist()
        rows = [[view[i] for i in shown] for view in batch.views]
        captions = [["from this" for _ in shown], [f"predicted {alike[i]:.2f}" for i in shown]]
        title = "Pairs of views, the least predictable first (cosine of prediction and target)"
        return [Picture(name="least-predictable", title=title, rows=rows, captions=captions)]


def _head(inputs: int, hidden: int, outputs: int, *, batch_norm: bool) -> nn.Sequential:
    """Linear, norm, ReLU, linear: projector and predictor alike."""
    norm = [GlobalBatchNorm(hidden)] if batch_norm else []
    return nn.Sequential(nn.Linear(inputs, hidden), *norm, nn.ReLU(), nn.Linear(hidden, outputs))
