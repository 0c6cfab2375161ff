"""RotNet: which way up is it? (Gidaris, Singh & Komodakis 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from undercoat.backbones import Backbone
from undercoat.errors import SpecError
from undercoat.functional.rotation import Fill, Kernel, check_choice, rotate
from undercoat.methods.method import Batch, Method, Picture, Preset
from undercoat.methods.parts import mlp

__all__ = ["RotNet"]

_SHOWN = 8


class RotNet(Method):
    """Tell by how much an image was turned; all turned copies of an image stand in the batch.

    Four rotations (or two) are exact: pixels change places and leave no trace. Any other number needs interpolation,
    so there all copies, the one at 0° too, pass the same kernel that is blind to the angle, within a disc that hides
    the corners; both can be switched off to see what a network makes of them.

    What no rotation can hide: images that are not square are squeezed to square canvases, and stretching them back
    leaves one axis blurrier than the other when views are nearly as fine as the canvases. On noise, a small network
    then finds the axis: with originals of 2:1 it is right half of the time where ``canvas_px`` is 1.2 × ``size_px``,
    43 % at twice and 27 % at four times, chance being 25 % (one run each). Decode such images large.

    Args:
        backbone: carries the gradient.
        rotations: R, equal steps of a full turn; 2 or more.
        hidden: widths of layers before the classifier; the published AlexNet has (4096, 4096) there, its linear
            classifier alone is the default.
        batch_norm: batch statistics in the hidden layers, as published.
        fill: what is shown where a canvas ends when rotations are not exact: ``disc``, ``zero``, ``mean`` or
            ``reflect``.
        resample: when rotations are not exact, whether ``all`` copies pass the kernel, or only those ``turned``
            by no multiple of 90°, plainly interpolated.
        seed: of the head.

    Reference: Gidaris et al. 2018, section 2.
    """

    number_of_views: int = 1
    paper: ClassVar[str] = "Gidaris, Singh & Komodakis 2018, arXiv 1803.07728"
    PRESETS: ClassVar[Mapping[str, Preset]] = {
        "auto": Preset(augmentation="crop_flip"),
        # The published AlexNet: learning rate divided by 10 after 15, 30 and 45 of 50 epochs, 192 images a step.
        "paper": Preset(
            arguments={"rotations": 4, "hidden": [4096, 4096], "batch_norm": True},
            optimiser={
                "name": "sgd",
                "lr": 0.01,
                "weight_decay": 5e-4,
                "decay_all": True,
                "momentum": 0.9,
                "nesterov": True,
                "warmup_steps": 0,
                "schedule": "step",
                "milestones": (0.3, 0.6, 0.9),
            },
            batch=192,
            augmentation="inception_crop",
        ),
    }

    def __init__(
        self,
        backbone: Backbone,
        *,
        rotations: int = 4,
        hidden: Sequence[int] = (),
        batch_norm: bool = False,
        fill: Fill = "disc",
        resample: Literal["all", "turned"] = "all",
        seed: int = 0,
    ) -> None:
        super().__init__(backbone)
        if not isinstance(rotations, int) or rotations < 2:
            raise SpecError(f"rotations is {rotations!r}, no whole number from 2 up of angles to choose from: use 4")
        check_choice("fill", fill, get_args(Fill))
        check_choice("resample", resample, ("all", "turned"))
        self.rotations, self.fill, self.exact = rotations, fill, rotations in (2, 4)
        self.kernel: Kernel = "linear" if self.exact or resample == "turned" else "round"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.classifier = mlp(backbone.dim, *hidden, rotations, batch_norm=batch_norm)

    @property
    def chance(self) -> dict[str, float]:
        """A guess is right once in R."""
        return {"accuracy": 1 / self.rotations}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Classify the R copies of each image; copy r of image i is row r B + i."""
        logits = self.classifier(self.backbone(torch.cat(self.inputs(batch)))).float()
        turns = torch.arange(self.rotations, device=logits.device).repeat_interleave(len(batch))
        return {"loss": cross_entropy(logits, turns), "accuracy": (logits.argmax(1) == turns).float().mean()}

    def inputs(self, batch: Batch) -> list[Tensor]:
        """Return the R copies of each image, at 0, 1/R, 2/R, … of a turn counter-clockwise."""
        (images,) = batch.views
        fill: Fill = "reflect" if self.exact else self.fill  # a quarter turn leaves no corner to look for
        return [
            rotate(images, degrees, fill=fill, kernel=self.kernel, outside=self.backbone.mean.mean())
            for degrees in self._degrees()
        ]

    def pictures(self, batch: Batch) -> list[Picture]:
        """Show turned copies with what the network took them for."""
        copies = self.inputs(batch)
        guesses = [self.classifier(self.backbone(copy)).argmax(1).tolist() for copy in copies]
        degrees, shown = self._degrees(), range(min(_SHOWN, len(batch)))
        rows = [[copies[turn][image] for turn in range(self.rotations)] for image in shown]
        captions = [
            [_caption(degrees[turn], degrees[guesses[turn][image]]) for turn in range(self.rotations)]
            for image in shown
        ]
        title = "Turned images: the true angle, and what the network took it for where it was wrong"
        return [Picture(name="rotations", title=title, rows=rows, captions=captions)]

    def _degrees(self) -> list[float]:
        return [360.0 * turn / self.rotations for turn in range(self.rotations)]


def _caption(true: float, predicted: float) -> str:
    return f"{true:.4g}°" if true == predicted else f"{true:.4g}° as {predicted:.4g}°"
