"""Jigsaw puzzles (Noroozi & Favaro 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undercoat.backbones import Backbone
from undercoat.errors import SpecError
from undercoat.functional.jigsaw import (
    TILES,
    HammingDistances,
    hamming_distances,
    load_permutations,
    permutation_set,
)
from undercoat.functional.tiles import GRID, assemble
from undercoat.methods.method import Auto, Batch, Facts, Method, Picture, Preset
from undercoat.methods.parts import mlp
from undercoat.methods.tile_cutter import TileCutter, fitting_tile_px

__all__ = ["Jigsaw"]


class Jigsaw(Method):
    """Jigsaw puzzles: tell in which of P orders the nine tiles of a picture were laid.

    A view is cut into 3 × 3 cells and a tile out of each, at a random place in its cell so that edges do not match.
    The backbone sees one tile at a time; a head joins what it saw of the nine. Tiles are standardised one by one:
    otherwise their brightness alone can tell where they lay (see ``tests/methods/test_jigsaw_shortcuts.py``).

    Where this differs from the paper: any backbone that ends in features takes the place of AlexNet, each channel is
    standardised, and the head has no dropout; ``large_crop`` views stand in for crops of a resized image. Batch
    statistics of the backbone are those of tiles: ``refresh: true`` replaces them by those of whole images.

    Args:
        backbone: the tower that all tiles share.
        permutations: P, orders to tell apart; auto: more for more steps, 24 … 100.
        permutation_file: a published set, a ``.npy`` file of P × 9 integers, instead of one chosen here.
        choose: ``mean`` or ``minimum``: which Hamming distance of the set is maximised.
        tile_px: auto: 64/85 of a cell, as published.
        gap_px: pixels between tiles at least; a tile's random place adds to it.
        channel_shift_px: each colour channel of each tile is shifted by up to this, against colour fringes.
        grey_probability: how often a puzzle is grey, against colour fringes.
        normalise_tiles: standardise every tile by itself.
        tile_dim: features the head keeps of each tile.
        hidden_dim: of the layer that joins the nine.
        seed: of the head and of the permutation set.

    Reference: Noroozi & Favaro 2016, sections 3–4.
    """

    number_of_views = 1
    paper: ClassVar[str] = "Noroozi & Favaro 2016, arXiv 1603.09246"
    PRESETS: ClassVar[Mapping[str, Preset]] = {
        "auto": Preset(augmentation="large_crop"),
        "paper": Preset(
            arguments={"permutations": 1000, "channel_shift_px": 2, "tile_dim": 1024, "hidden_dim": 4096},
            optimiser={
                "name": "sgd",
                "lr": 0.01,
                "momentum": 0.9,
                "weight_decay": 5e-4,
                "warmup_steps": 0,
                "schedule": "step",
                "milestones": (100 / 350, 200 / 350, 300 / 350),
            },
            batch=256,
            augmentation="large_crop",
            augmentation_arguments={"flip_probability": 0.0},
        ),
    }

    permutations: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        permutations: int | None = None,
        permutation_file: str = "",
        choose: str = "mean",
        tile_px: int | None = None,
        gap_px: int = 0,
        channel_shift_px: int = 0,
        grey_probability: float = 0.0,
        normalise_tiles: bool = True,
        tile_dim: int = 128,
        hidden_dim: int = 512,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone)
        if permutations is not None and permutations < 2:
            raise SpecError(f"a jigsaw with {permutations} permutations has nothing to tell apart; give 2 or more")
        orders = (
            load_permutations(permutation_file)
            if permutation_file
            else permutation_set(permutations or 100, seed, choose)
        )
        self.register_buffer("permutations", torch.tensor(orders))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.tile_head = nn.Sequential(nn.Linear(backbone.dim, tile_dim), nn.ReLU())
            self.head = mlp(TILES * tile_dim, hidden_dim, len(orders))
        self.cutter = TileCutter(
            tile_px=tile_px,
            gap_px=gap_px,
            channel_shift_px=channel_shift_px,
            grey_probability=grey_probability,
            normalise=normalise_tiles,
        )

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Fit the tiles to the views and the number of permutations to the budget."""
        tile, cell = fitting_tile_px(facts.size_px), facts.size_px // GRID
        count = min(100, max(24, facts.steps // 5))
        mean, least = hamming_distances(permutation_set(count))
        return {
            "tile_px": Auto(tile, f"64/85 of the {cell} px cells of a {facts.size_px} px view, 8 px at least"),
            "permutations": Auto(
                count,
                f"one for 5 of {facts.steps:,} steps, within 24 … 100; two of seed 0 differ in {mean:.1f} of 9 tiles "
                f"on average, in {least} at least",
            ),
        }

    @property
    def distances(self) -> HammingDistances:
        """How unlike the permutations are: mean and smallest Hamming distance, in tiles."""
        return hamming_distances(self.permutations.cpu().numpy())

    @property
    def chance(self) -> dict[str, float]:
        """One of P."""
        return {"accuracy": 1.0 / len(self.permutations)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Cut, shuffle and name the order."""
        tiles, order = self._puzzles(batch)
        logits = self._logits(tiles)
        accuracy = (logits.detach().argmax(dim=1) == order).float().mean()
        return {"loss": F.cross_entropy(logits, order), "accuracy": accuracy}

    def inputs(self, batch: Batch) -> list[Tensor]:
        """The nine tiles in the order in which they are laid."""
        return list(self.cutter.fed_to(self.backbone, self._puzzles(batch)[0]).unbind(dim=1))

    def pictures(self, batch: Batch) -> list[Picture]:
        """Puzzles as laid, and put together in the order that was guessed."""
        tiles, order = self._puzzles(batch)
        guess = self._logits(tiles).argmax(dim=1)
        back = self.permutations[guess].argsort(dim=1)
        shown = [*zip(tiles, back, (guess == order).tolist(), strict=True)][:16]
        return [
            Picture(
                name="puzzles",
                title="Puzzles as laid, and below them put together as the network would.",
                rows=[[assemble(laid) for laid, _, _ in shown], [assemble(laid[to]) for laid, to, _ in shown]],
                captions=[[""] * len(shown), ["right" if right else "wrong" for _, _, right in shown]],
            )
        ]

    def _puzzles(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tiles (B, 9, C, t, t) as laid, and the number (B,) of the order that each puzzle has."""
        (images,) = batch.views
        drawn = (batch.draws.uniform("jigsaw order", 1)[:, 0] * len(self.permutations)).astype("int64")
        order = torch.as_tensor(drawn, device=images.device)
        row = torch.arange(len(images), device=images.device)[:, None]
        return self.cutter(images, batch.draws)[row, self.permutations[order]], order

    def _logits(self, tiles: Tensor) -> Tensor:
        fed = self.cutter.fed_to(self.backbone, tiles)
        features = self.tile_head(self.backbone(fed.flatten(0, 1)))
        logits: Tensor = self.head(features.unflatten(0, (-1, TILES)).flatten(1)).float()
        return logits
