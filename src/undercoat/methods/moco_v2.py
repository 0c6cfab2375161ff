"""Momentum contrast, version 2 (Chen, Fan, Girshick & He 2020), after He et al. 2020."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from undercoat.backbones import Backbone
from undercoat.backbones.grouped_norm import GroupedBatchNorm
from undercoat.errors import SpecError, did_you_mean
from undercoat.functional.contrastive import info_nce
from undercoat.functional.draws import permutation
from undercoat.methods.method import Auto, Batch, Facts, Method, Preset
from undercoat.methods.parts import Queue, ema_update, frozen_copy, mlp
from undercoat.runtime import gather_rows, rank, world_size

__all__ = ["MoCoV2"]

_HIDDEN_LAYERS = {"mlp": 1, "linear": 0}


class MoCoV2(Method):
    """Momentum contrast: every query must recognise its own key among queued ones.

    Keys come from a slowly moving target encoder; negatives are the last ``queue_size`` keys, so their number
    does not depend on the batch. Keys pass the target encoder in a shuffled order, over processes or over groups
    of one process's batch, so that batch statistics do not give the pair away. The preset ``moco_v1`` is the method's
    first version: a linear head, a sharper temperature, plainer views and a learning rate that falls in steps.

    Args:
        backbone: carries the gradient.
        dim: P, size of the embedding.
        head: ``mlp``, two layers, or ``linear``, the single layer of version 1.
        queue_size: K; auto: half the data set, so that it stays shorter than the data.
        temperature: τ of info-NCE.
        ema_momentum: m of the target encoder; auto: a memory of about a tenth of the budget, 0.99 at least: a target
            that follows at once lets the embeddings collapse.
        norm_groups: parts that batch statistics are taken over on each process; auto: groups of 64 on one
            process, as in the HPT runs (4 × 64).
        own_negatives: let an image's earlier keys stand among its own negatives, as the published code does.
        random_negatives: count the random rows that fill the queue at first as negatives, as the published code
            does. They teach nothing but that all images may look alike, which a short run does not recover from.
        seed: of the head and the first queue rows.

    Reference: He et al. 2020, eq. 1–2 and algorithm 1.
    """

    paper: ClassVar[str] = "Chen, Fan, Girshick & He 2020, arXiv 2003.04297"
    PRESETS: ClassVar[Mapping[str, Preset]] = {
        "auto": Preset(),
        "paper": Preset(
            arguments={
                "dim": 128,
                "queue_size": 65536,
                "temperature": 0.2,
                "ema_momentum": 0.999,
                "own_negatives": True,
                "random_negatives": True,
            },
            optimiser={"name": "sgd", "lr": 0.03, "weight_decay": 1e-4, "decay_all": True, "warmup_steps": 0},
        ),
        "moco_v1": Preset(  # He et al. 2020, section 3.3 and its published code
            arguments={
                "dim": 128,
                "head": "linear",
                "queue_size": 65536,
                "temperature": 0.07,
                "ema_momentum": 0.999,
                "own_negatives": True,
                "random_negatives": True,
            },
            optimiser={
                "name": "sgd",
                "lr": 0.03,
                "weight_decay": 1e-4,
                "decay_all": True,
                "warmup_steps": 0,
                "schedule": "step",
                "milestones": (0.6, 0.8),
            },
            augmentation="moco_v1",
        ),
    }

    def __init__(
        self,
        backbone: Backbone,
        *,
        dim: int = 128,
        head: Literal["mlp", "linear"] = "mlp",
        queue_size: int | None = None,
        temperature: float = 0.2,
        ema_momentum: float | None = None,
        norm_groups: int | None = None,
        own_negatives: bool = False,
        random_negatives: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone)
        if head not in _HIDDEN_LAYERS:
            raise SpecError(f"moco_v2's head is {head!r}{did_you_mean(head, _HIDDEN_LAYERS)}: give mlp or linear")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.projector = mlp(*[backbone.dim] * (1 + _HIDDEN_LAYERS[head]), dim)
        self.target = frozen_copy(nn.Sequential(backbone, self.projector))
        self.queue = Queue(4096 if queue_size is None else queue_size, dim, seed=seed)
        self.temperature = temperature
        self.ema_momentum = 0.999 if ema_momentum is None else ema_momentum
        self.norm_groups = 1 if norm_groups is None else norm_groups
        self.own_negatives, self.random_negatives = own_negatives, random_negatives
        self.seed = seed

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Fit queue, target encoder and groups to the data, batch and budget."""
        queue = max(1, min(65536, facts.images // 2))
        memory = max(facts.steps / 10, 1.0)
        momentum = round(min(0.999, max(0.99, 1 - 1 / memory)), 4)
        groups = _groups(facts.batch) if facts.batch_norm else 1
        return {
            "queue_size": Auto(queue, f"half of {facts.images:,} images, at most 65,536"),
            "ema_momentum": Auto(momentum, f"remembers about a tenth of {facts.steps:,} steps, within 0.99 … 0.999"),
            "norm_groups": Auto(
                groups,
                f"batch statistics over groups of {facts.batch // groups}, so that they do not give the pair away"
                if groups > 1
                else "no batch statistics to shuffle, or a batch that cannot be cut into equal groups",
            ),
        }

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Contrast the first view (query) with the second (key)."""
        query, key = batch.views
        grouped = GroupedBatchNorm(self.norm_groups) if self._groups_apply(len(query)) else nullcontext()
        with grouped:
            q = normalize(self.projector(self.backbone(query)).float(), dim=1)
            with torch.no_grad():
                k = normalize(self._shuffled_keys(key, batch.step).float(), dim=1)
        excluded = self._excluded(batch.index)
        loss = info_nce(q, k, self.queue.rows.clone(), temperature=self.temperature, excluded=excluded)
        self.queue.push(gather_rows(k), gather_rows(batch.index))
        return {"loss": loss, "embeddings": torch.stack([q.detach(), k])}

    def after_step(self, progress: float) -> None:
        """Move the target encoder."""
        ema_update(self.target, nn.Sequential(self.backbone, self.projector), self.ema_momentum)

    def _excluded(self, index: Tensor) -> Tensor:
        """(B, K) bool: queue rows that are no negatives of each image."""
        excluded = torch.zeros(len(index), len(self.queue.index), dtype=torch.bool, device=index.device)
        if not self.own_negatives:
            excluded |= self.queue.shows(index)
        if not self.random_negatives:
            excluded |= self.queue.index[None, :] < 0
        return excluded

    def _groups_apply(self, rows: int) -> bool:
        return self.norm_groups > 1 and world_size() == 1 and rows % self.norm_groups == 0

    def _shuffled_keys(self, images: Tensor, step: int) -> Tensor:
        """Encode keys in an order that is shuffled over all processes (He et al. 2020, section 3.3)."""
        everyone = gather_rows(images)
        order = permutation(len(everyone), seed=self.seed, epoch=step, purpose="shuffle keys")
        mine = np.array_split(order, world_size())[rank()]
        keys = gather_rows(self.target(everyone[torch.as_tensor(mine, device=images.device)]))
        back = torch.as_tensor(np.argsort(order), device=images.device)
        return keys[back][rank() * len(images) : (rank() + 1) * len(images)]


def _groups(batch: int) -> int:
    """Equal groups of about 64 images, two at least, four images each at least; 1 when there are none."""
    wanted = max(2, batch // 64)
    return next((groups for groups in range(wanted, 1, -1) if batch % groups == 0 and batch // groups >= 4), 1)
