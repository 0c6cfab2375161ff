"""Adversarial feature learning, or BiGAN (Donahue, Krähenbühl & Darrell 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import interpolate, mse_loss

from undercoat.backbones import Backbone
from undercoat.errors import SpecError
from undercoat.functional.adversarial import discriminator_loss, encoder_generator_loss
from undercoat.functional.draws import Draws
from undercoat.methods.bigan_networks import Generator, JointDiscriminator, Norm
from undercoat.methods.method import Auto, Batch, Facts, Method, Picture, Preset

__all__ = ["BiGAN"]

_SHOWN = 8


class BiGAN(Method):
    """A generator draws images from codes, an encoder reads codes off images, a discriminator judges the pairs.

    Pairs (x, E(x)) are to be told from (G(z), z); encoder and generator try to make that impossible, which at the
    optimum makes them each other's inverse. All three take one step at a time from one backward pass: the
    discriminator is judged on detached pairs, the others through a copy of it without gradient, so that each
    gets the gradient of its own loss and of no other.

    On small budgets the discriminator wins long before the game teaches the encoder anything. Two terms that are
    zero at the same optimum bridge that time (after Li et al. 2017, "ALICE"): ``reconstruction`` asks G(E(x)) to be
    x, ``regression`` asks E(G(z)) to be z. By default nearly all that a short run learns is learned from these; the
    ``paper`` preset plays the game alone. It steps the learning rate down where the published one decays
    exponentially over the second half, and keeps batch norm's running averages where the published code makes an
    extra pass over the data at the end.

    Args:
        backbone: the encoder, with a linear layer and a sigmoid to codes in −1..1.
        latent: numbers in a code; z is uniform in −1..1.
        size_px: side of the images that are generated and judged, a power of two; views are resized to it,
            the encoder sees them whole. auto: 32, or 16 for views smaller than that.
        width: channels at the finest stage of generator and discriminator, doubled with every halving of the side.
        norm: ``batch`` as published; ``spectral`` normalises the discriminator's weights and groups of the
            generator's channels, and does not depend on the batch; ``none``.
        game: weight of the adversarial loss of encoder and generator; 1 in the paper. (The discriminator's has
            none: Adam would not notice.)
        reconstruction: weight of the mean squared difference of G(E(x)) and x, pixels in 0..1; 0 in the paper.
        regression: weight of the mean squared difference of E(G(z)) and z; 0 in the paper, which saves a second
            pass of the backbone.
        seed: of all but the backbone.

    Raises:
        SpecError: for a side, width, norm or latent that the networks cannot have.

    Reference: Donahue et al. 2017, eq. 3 and section 3.4.
    """

    number_of_views = 1
    paper: ClassVar[str] = "Donahue, Krähenbühl & Darrell 2017, arXiv 1605.09782"
    PRESETS: ClassVar[Mapping[str, Preset]] = {
        "auto": Preset(
            optimiser={"name": "adam", "lr": 1e-3, "weight_decay": 2.5e-5, "betas": (0.5, 0.999)},
            batch=64,
            augmentation="crop_flip",
        ),
        "paper": Preset(
            arguments={
                "latent": 200, "size_px": 64, "width": 64, "norm": "batch",
                "game": 1.0, "reconstruction": 0.0, "regression": 0.0,
            },
            optimiser={
                "name": "adam", "lr": 2e-4, "weight_decay": 2.5e-5, "betas": (0.5, 0.999), "warmup_steps": 0,
                "schedule": "step", "milestones": (0.625, 0.875),
            },
            batch=128,
            augmentation="crop_flip",
            augmentation_arguments={"scale": (0.79, 0.79), "ratio": (1.0, 1.0), "flip_probability": 0.0},  # 64 of 72 px
        ),
    }  # fmt: skip

    def __init__(
        self,
        backbone: Backbone,
        *,
        latent: int = 64,
        size_px: int | None = None,
        width: int = 32,
        norm: Norm = "spectral",
        game: float = 0.01,
        reconstruction: float = 1.0,
        regression: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone)
        if latent < 1:
            raise SpecError(f"bigan's latent is {latent}, but a code needs at least one number; the paper's have 200")
        self.latent, self.size_px = latent, 64 if size_px is None else size_px
        shape = {"latent": latent, "channels": backbone.channels, "size_px": self.size_px, "width": width}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.code = nn.Linear(backbone.dim, latent)
            self.generator = Generator(**shape, norm=norm)
            self.discriminator = JointDiscriminator(**shape, norm=norm)
        self.game, self.reconstruction, self.regression = game, reconstruction, regression
        self.seed = seed

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Fit the small images to the views."""
        size_px = 32 if facts.size_px >= 32 else 16
        return {"size_px": Auto(size_px, f"what small networks can draw, from views of {facts.size_px} px")}

    @property
    def chance(self) -> dict[str, float]:
        """A discriminator that cannot tell."""
        return {"real_accuracy": 0.5, "fake_accuracy": 0.5}

    def encode(self, images: Tensor) -> Tensor:
        """E: codes (B, latent) in −1..1 of images (B, C, h, w) in 0..1, of any size."""
        return 2 * torch.sigmoid(self.code(self.backbone(images)).float()) - 1

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Play one round."""
        view = batch.views[0]
        image, code, z = self._small(view), self.encode(view), self._codes(batch.draws, view.device)
        drawn = self.generator(z)
        judged = self.discriminator(image, code.detach()), self.discriminator(drawn.detach(), z)
        unmoved = {name: parameter.detach() for name, parameter in self.discriminator.named_parameters()}
        felt = [functional_call(self.discriminator, unmoved, pair) for pair in ((image, code), (drawn, z))]
        numbers = {
            "discriminator_loss": discriminator_loss(*judged),
            "encoder_generator_loss": encoder_generator_loss(*felt),
        }
        loss = numbers["discriminator_loss"] + self.game * numbers["encoder_generator_loss"]
        if self.reconstruction:
            numbers["reconstruction_error"] = mse_loss(self.generator(code), image)
            loss = loss + self.reconstruction * numbers["reconstruction_error"]
        if self.regression:
            numbers["regression_error"] = mse_loss(self.encode(_resized(drawn, view.shape[-2:])), z)
            loss = loss + self.regression * numbers["regression_error"]
        numbers["real_accuracy"] = (judged[0] > 0).float().mean()
        numbers["fake_accuracy"] = (judged[1] <= 0).float().mean()
        return {"loss": loss, **{name: number.detach() for name, number in numbers.items()}}

    def pictures(self, batch: Batch) -> list[Picture]:
        """What comes back of images from their codes, and images of codes that are always the same."""
        real = self._small(batch.views[0][:_SHOWN])
        again = self.generator(self.encode(batch.views[0][:_SHOWN]))
        always = Draws(self.seed, np.zeros(_SHOWN**2, np.int64), np.arange(_SHOWN**2))
        drawn = self.generator(self._codes(always, real.device))
        return [
            Picture(
                name="reconstructions",
                title="Above, images; below, what the generator draws from their codes.",
                rows=[list(real), list(again)],
            ),
            Picture(
                name="samples",
                title="What the generator draws from random codes, the same ones every time.",
                rows=[list(row) for row in drawn.split(_SHOWN)],
            ),
        ]

    def _small(self, view: Tensor) -> Tensor:
        return _resized(view, (self.size_px, self.size_px))

    def _codes(self, draws: Draws, device: torch.device) -> Tensor:
        return torch.from_numpy(2 * draws.uniform("latent code", self.latent) - 1).float().to(device)


def _resized(images: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(images.shape[-2:]) == tuple(size):
        return images.float()
    return interpolate(images.float(), size=list(size), mode="bilinear", antialias=True)
