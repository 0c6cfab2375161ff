"""SimCLR (Chen, Kornblith, Norouzi & Hinton 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from undercoat.backbones import Backbone
from undercoat.functional.contrastive import nt_xent
from undercoat.methods.global_norm import GlobalBatchNorm
from undercoat.methods.method import Auto, Batch, Facts, Method, Picture, Preset
from undercoat.methods.parts import mlp
from undercoat.runtime import gather_rows, gather_rows_with_gradient, rank

__all__ = ["SimCLR"]

_SHOWN = 8


class SimCLR(Method):
    """Each view must find the other view of its image among all views of the batch.

    There is no queue and no target encoder: negatives are the other images of the batch, over all processes, so a
    larger batch makes a harder task. A batch cut into portions contrasts within each portion only.

    Simplified: the published runs train with LARS, which we do not have. ``preset: paper`` takes SGD with MoCo's
    learning rate, 0.03 for 256 images; LARS's own, 0.3, is too high for it.

    Args:
        backbone: carries the gradient.
        dim: P, size of the embedding.
        temperature: τ of NT-Xent; auto: by the batch, as published for 512 and for 4,096 images.
        batch_norm: batch statistics, over all processes, after both layers of the head, as in the published code.
        own_negatives: let an image that is in a batch twice be its own negative, as the published code does.
        seed: of the head.

    Reference: Chen et al. 2020, eq. 1 and algorithm 1.
    """

    paper: ClassVar[str] = "Chen, Kornblith, Norouzi & Hinton 2020, arXiv 2002.05709"
    PRESETS: ClassVar[Mapping[str, Preset]] = {
        "auto": Preset(augmentation="simclr"),
        "paper": Preset(
            arguments={"dim": 128, "temperature": 0.1, "batch_norm": True, "own_negatives": True},
            optimiser={"name": "sgd", "lr": 0.48, "weight_decay": 1e-6, "momentum": 0.9, "schedule": "cosine"},
            batch=4096,
            augmentation="simclr",
        ),
    }

    def __init__(
        self,
        backbone: Backbone,
        *,
        dim: int = 128,
        temperature: float | None = None,
        batch_norm: bool = False,
        own_negatives: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.projector = mlp(backbone.dim, backbone.dim, dim)
        if batch_norm:
            self.projector.insert(1, GlobalBatchNorm(backbone.dim)).append(GlobalBatchNorm(dim))
        self.temperature = 0.5 if temperature is None else temperature
        self.own_negatives = own_negatives

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Fit the temperature to the batch."""
        few = facts.batch <= 1024
        reason = "published for a batch of 512" if few else "published for a batch of 4,096"
        return {"temperature": Auto(0.5 if few else 0.1, f"{reason}; here {facts.batch:,}")}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Contrast both views with the views of all images of all processes."""
        embedded = self._embed(batch)
        everyone = torch.stack([gather_rows_with_gradient(view) for view in embedded])
        same = None if self.own_negatives else batch.index[:, None] == gather_rows(batch.index)[None, :]
        loss = nt_xent(
            embedded,
            temperature=self.temperature,
            everyone=everyone,
            offset=rank() * len(batch),
            excluded=same,
        )
        return {"loss": loss, "embeddings": embedded.detach()}

    def pictures(self, batch: Batch) -> list[Picture]:
        """Show pairs of views with the image that is most easily mistaken for the partner."""
        first, second = self._embed(batch)
        if len(first) < 2:
            return []
        alike = (first @ second.T).cpu()
        hardest, other = alike.clone().fill_diagonal_(-torch.inf).max(dim=1)
        shown = range(min(_SHOWN, len(first)))
        views = batch.views
        rows = [
            [views[0][i] for i in shown],
            [views[1][i] for i in shown],
            [views[1][int(other[i])] for i in shown],
        ]
        captions = [
            ["view" for _ in shown],
            [f"partner {alike[i, i]:.2f}" for i in shown],
            [f"other {hardest[i]:.2f}" for i in shown],
        ]
        title = "A view, its partner and the other image most like it to the network (cosine)"
        return [Picture(name="hardest-negatives", title=title, rows=rows, captions=captions)]

    def _embed(self, batch: Batch) -> Tensor:
        """(2, B, P) unit rows; both views pass together, as published, so that batch statistics are of both."""
        rows = self.projector(self.backbone(torch.cat(batch.views)))
        return torch.stack(normalize(rows.float(), dim=1).chunk(2))
