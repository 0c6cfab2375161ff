"""Pretext-invariant representations (Misra & van der Maaten 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from undercoat.backbones import Backbone
from undercoat.backbones.trainable import batch_norms
from undercoat.errors import SpecError
from undercoat.functional.contrastive import info_nce
from undercoat.functional.draws import Draws
from undercoat.functional.jigsaw import TILES
from undercoat.functional.noise_contrastive import noise_contrastive
from undercoat.functional.tiles import GRID, assemble
from undercoat.methods.method import Auto, Batch, Facts, Method, Picture, Preset
from undercoat.methods.parts import MemoryBank, mlp
from undercoat.methods.tile_cutter import TileCutter, fitting_tile_px
from undercoat.runtime import gather_rows

__all__ = ["PIRL"]

LOSSES = {"nce": noise_contrastive, "info_nce": info_nce}


def _published(**arguments: Any) -> Preset:
    jitter = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2, "jitter_probability": 1.0}
    return Preset(
        arguments={"negatives": 32000, "random_rows": True, **arguments},
        optimiser={"name": "sgd", "lr": 0.12, "momentum": 0.9, "weight_decay": 1e-4, "warmup_steps": 0},
        batch=1024,
        augmentation="simclr",
        augmentation_arguments={**jitter, "blur_probability": 0.0},
    )


class PIRL(Method):
    """Pretext-invariant representations: a shuffled picture must be told by the same vector as the picture.

    A memory bank keeps one vector for every image: the moving average of what the image branch saw of it. Both
    branches, the image and its nine shuffled tiles, must recognise the image's own vector among those of others.

    Where this differs from the paper: both branches take their own view of the same augmentation, which does not
    posterise, solarise or sharpen; all other rows serve as negatives where the data has no more than m; the
    denominator of h is summed anew for each image, where the published code estimates it once. Running batch
    statistics follow the image branch alone, which is what the backbone will be given later. An image that was not
    seen before has a random row, which could only teach that pictures look like noise: unless ``random_rows`` it is
    no negative, and the image's own embedding of this step stands in as its positive.

    The preset ``mlp`` is the published code's later version: heads with a hidden layer and info-NCE.

    Args:
        backbone: sees images and tiles.
        images: N, size of the data set and of the bank; auto: the data's.
        negatives: m; auto: all other images, at most 4,096.
        dim: P, size of the embedding.
        loss: ``nce`` as published, or ``info_nce``.
        temperature: τ.
        weight: λ of the tiles' loss; the image's has 1 − λ.
        bank_momentum: how much of a row stays when its image is seen again.
        hidden_dim: of a hidden layer in both heads; 0 for linear heads, as published.
        tile_px: auto: 64/85 of a cell, as published.
        normalise_tiles: standardise every tile by itself.
        random_rows: count rows of unseen images, as published.
        seed: of the heads and the first rows.

    Reference: Misra & van der Maaten 2020, eq. 3–6.
    """

    paper: ClassVar[str] = "Misra & van der Maaten 2020, arXiv 1912.01991"
    PRESETS: ClassVar[Mapping[str, Preset]] = {
        "auto": Preset(),
        "paper": _published(loss="nce", temperature=0.07),
        "mlp": _published(loss="info_nce", temperature=0.1, hidden_dim=2048),
    }

    def __init__(
        self,
        backbone: Backbone,
        *,
        images: int | None = None,
        negatives: int | None = None,
        dim: int = 128,
        loss: str = "nce",
        temperature: float = 0.1,
        weight: float = 0.5,
        bank_momentum: float = 0.5,
        hidden_dim: int = 0,
        tile_px: int | None = None,
        normalise_tiles: bool = False,
        random_rows: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone)
        if images is None or images < 2:
            raise SpecError(f"pirl keeps a row for each image and tells images apart: {images} images; give 2 or more")
        if negatives is not None and negatives < 1:
            raise SpecError(f"pirl with {negatives} negatives has nothing to tell an image apart from; give 1 or more")
        if loss not in LOSSES:
            raise SpecError(f"loss: {loss!r} is no loss of pirl; give {' or '.join(LOSSES)}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.image_head = _head(backbone.dim, hidden_dim, dim)
            self.tile_head = nn.Linear(backbone.dim, dim)
            self.tiles_head = _head(TILES * dim, hidden_dim, dim)
        self.bank = MemoryBank(images, dim, momentum=bank_momentum, seed=seed)
        self.bank.seen.fill_(random_rows)
        self.negatives = images - 1 if negatives is None else min(negatives, images - 1)
        self.loss, self.temperature, self.weight = LOSSES[loss], temperature, weight
        self.cutter = TileCutter(tile_px=tile_px, normalise=normalise_tiles)

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Fit the bank to the data and the tiles to the views."""
        if facts.images < 2:
            raise SpecError(f"pirl tells images apart and the data has {facts.images}; use more images, or jigsaw")
        tile, cell = fitting_tile_px(facts.size_px), facts.size_px // GRID
        negatives = min(facts.images - 1, 4096)
        return {
            "images": Auto(facts.images, "a row of the memory bank for each image"),
            "negatives": Auto(negatives, f"all other images of {facts.images:,}, at most 4,096"),
            "tile_px": Auto(tile, f"64/85 of the {cell} px cells of a {facts.size_px} px view, 8 px at least"),
        }

    @classmethod
    def for_sample(cls, arguments: Mapping[str, Any], images: int) -> tuple[dict[str, Any], int]:
        """Keep all negatives, which wants a bank of more rows than that."""
        images = min(arguments["images"], max(images, arguments["negatives"] + 1))
        return {**arguments, "images": images}, images

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Recognise each image's row of the bank, from the first view and from tiles of the second."""
        image = normalize(self.image_head(self.backbone(batch.views[0])).float(), dim=1)
        tiles = normalize(self._embedded_tiles(self._shuffled_tiles(batch)).float(), dim=1)
        seen = self.bank.seen[batch.index]
        positive = torch.where(seen[:, None], self.bank.rows[batch.index], image.detach())
        chosen = self._chosen_rows(batch)
        negatives = self.bank.rows[chosen]
        excluded = (batch.index[:, None] == chosen[None, :]) | ~self.bank.seen[chosen]
        from_tiles, from_image = (
            self.loss(branch, positive, negatives, temperature=self.temperature, excluded=excluded)
            for branch in (tiles, image)
        )
        self.bank.update(gather_rows(batch.index), gather_rows(image))
        return {
            "loss": self.weight * from_tiles + (1.0 - self.weight) * from_image,
            "loss_tiles": from_tiles.detach(),
            "loss_image": from_image.detach(),
            "embeddings": torch.stack([image, tiles]).detach(),
        }

    def inputs(self, batch: Batch) -> list[Tensor]:
        """The image, and the nine tiles in the order in which they are laid."""
        return [batch.views[0], *self._shuffled_tiles(batch).unbind(dim=1)]

    def pictures(self, batch: Batch) -> list[Picture]:
        """Pairs that should be told by one vector."""
        laid = [assemble(tiles) for tiles in self._shuffled_tiles(batch)[:16]]
        side = laid[0].shape[-1]
        shown = nn.functional.interpolate(batch.views[0][:16].float(), size=(side, side), mode="bilinear")
        return [
            Picture(
                name="pairs",
                title="Each image and below it its shuffled tiles: one vector should tell both.",
                rows=[list(shown), laid],
            )
        ]

    def _chosen_rows(self, batch: Batch) -> Tensor:
        """Rows that this step's images are told apart from: all, or m drawn with replacement; the same everywhere."""
        count, device = len(self.bank.seen), batch.index.device
        if self.negatives >= count - 1:
            return torch.arange(count, device=device)
        step = Draws(seed=batch.draws.seed, epoch=np.array([batch.step]), index=np.array([0]))
        drawn = (step.uniform("pirl negatives", self.negatives)[0] * count).astype(np.int64)
        return torch.as_tensor(drawn, device=device)

    def _shuffled_tiles(self, batch: Batch) -> Tensor:
        """Tiles (B, 9, C, t, t) in one of all 9! orders, as they enter the backbone."""
        tiles = self.cutter(batch.views[1], batch.draws)
        order = torch.as_tensor(batch.draws.uniform("pirl order", TILES).argsort(axis=1), device=tiles.device)
        laid = tiles[torch.arange(len(tiles), device=tiles.device)[:, None], order]
        return self.cutter.fed_to(self.backbone, laid)

    def _embedded_tiles(self, tiles: Tensor) -> Tensor:
        with _unmoved_statistics(self.backbone):
            features = self.backbone(tiles.flatten(0, 1))
        embedded: Tensor = self.tiles_head(self.tile_head(features).unflatten(0, (-1, TILES)).flatten(1))
        return embedded


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return mlp(inputs, hidden, outputs) if hidden else mlp(inputs, outputs)


@contextmanager
def _unmoved_statistics(backbone: nn.Module) -> Iterator[None]:
    """Normalise with the batch's own statistics, and leave no trace of them in the running ones."""
    norms: list[Any] = batch_norms(backbone)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
