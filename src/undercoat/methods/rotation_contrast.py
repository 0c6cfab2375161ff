"""Contrast of an image with itself turned by an angle (Saranchuk & Guerzhoy 2024)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from undercoat.backbones import Backbone
from undercoat.errors import SpecError
from undercoat.functional.rotation import Fill, Kernel, check_choice, check_degrees, is_quarter_turn, rotate
from undercoat.methods.method import Auto, Batch, Extract, Facts, Method, Picture, Preset, check_arguments
from undercoat.methods.moco_v2 import MoCoV2
from undercoat.methods.simclr import SimCLR

__all__ = ["RotationContrast"]

_OVER: Mapping[str, type[Method]] = {"moco_v2": MoCoV2, "simclr": SimCLR}
_SHOWN = 8


class RotationContrast(Method):
    """Each image must find itself turned by θ among others that are turned alike.

    Makes pairs (image, image turned by θ) and leaves the contrast to another method. What could give a pair's second
    view away without a look at what it shows is taken out of both unless asked for: a disc hides the corners, and one
    kernel that is blind to the angle makes both. At multiples of 90° pixels only change places and nothing is
    resampled; nearby angles are therefore a little less sharp (a Gaussian of 0.9 px) than those.

    Where papers differ: the abstract makes θ a setting of pretraining, and the authors' follow-up (Yan, Saranchuk &
    Guerzhoy 2025) trains afresh for each θ with nothing else done to the pair: that is ``theta_at: pretrain``. A
    notebook of the first author, likely behind the figures, instead draws a random rotation among other changes while
    training and varies θ only when saliency is computed; ``theta_at: random`` is the nearest to it here.

    Args:
        backbone: carries the gradient.
        theta: angle of every pair under ``theta_at: pretrain``, in degrees, any real number, counter-clockwise.
        theta_at: ``pretrain`` turns every pair by ``theta``; ``random`` draws each pair's angle from ``theta_range``.
        theta_range: lowest and highest angle to draw, in degrees.
        views: ``same`` takes both from one augmented view, as published; ``independent`` from two.
        fill: what is shown where a turned canvas ends: ``disc`` (only the inscribed circle, in both views), ``zero``,
            ``mean`` or ``reflect``. The last three show in the second view only, and a network can tell.
        resample: ``both`` views pass the kernel, or only the ``second``, whose blur a network can tell.
        over: the method that contrasts: ``moco_v2`` or ``simclr``.
        over_arguments: of that method; what it leaves out is resolved as that method would; auto: all of it.
        over_facts: what it is resolved from; auto: the data and the budget.
        seed: of the head.

    Reference: Saranchuk & Guerzhoy 2024; Yan, Saranchuk & Guerzhoy 2025 (NeurReps workshop).
    """

    number_of_views: int = 1
    paper: ClassVar[str] = "Saranchuk & Guerzhoy 2024, arXiv 2407.05218"
    PRESETS: ClassVar[Mapping[str, Preset]] = {
        "auto": Preset(augmentation="crop_flip"),
        # Nothing but the rotation: stated in the follow-up. Fill, resampling and optimiser: its authors' code.
        "paper": Preset(
            arguments={
                "fill": "zero",
                "resample": "second",
                "over_arguments": dict(MoCoV2.PRESETS["paper"].arguments),
            },
            optimiser={"name": "sgd", "lr": 0.03, "weight_decay": 1e-4, "decay_all": True, "warmup_steps": 0},
            batch=64,
            augmentation="centre",
        ),
    }

    def __init__(
        self,
        backbone: Backbone,
        *,
        theta: float = 30.0,
        theta_at: Literal["pretrain", "random"] = "pretrain",
        theta_range: tuple[float, float] = (0.0, 360.0),
        views: Literal["same", "independent"] = "same",
        fill: Fill = "disc",
        resample: Literal["both", "second"] = "both",
        over: Literal["moco_v2", "simclr"] = "moco_v2",
        over_arguments: Mapping[str, Any] | None = None,
        over_facts: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone)
        check_choice("theta_at", theta_at, ("pretrain", "random"))
        check_choice("views", views, ("same", "independent"))
        check_choice("fill", fill, get_args(Fill))
        check_choice("resample", resample, ("both", "second"))
        check_choice("over", over, tuple(_OVER))
        drawn = check_degrees("theta_range", theta_range)
        if drawn.shape != (2,) or drawn[0] > drawn[1]:
            raise SpecError(f"theta_range is {theta_range!r}: give two angles in degrees, the lower first")
        self.theta = float(check_degrees("theta", theta))
        self.theta_at, self.theta_range, self.fill = theta_at, (float(drawn[0]), float(drawn[1])), fill
        exact = theta_at == "pretrain" and is_quarter_turn(self.theta)
        self.kernel: Kernel = "round" if resample == "both" and not exact else "linear"
        self.number_of_views = 1 if views == "same" else 2
        self.over = _contrasting(backbone, over, {"seed": seed, **(over_arguments or {})}, over_facts)

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Hand the facts on, as only the constructor knows which method contrasts."""
        return {
            "over_arguments": Auto({}, "all of the contrasting method's settings are resolved by its own rules"),
            "over_facts": Auto(asdict(facts), "what those rules look at"),
        }

    @property
    def chance(self) -> dict[str, float]:
        """Those of the contrasting method."""
        return self.over.chance

    def before_epoch(self, epoch: int, extract: Extract) -> Iterable[nn.Parameter]:
        """Tell the contrasting method."""
        return self.over.before_epoch(epoch, extract)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Contrast images with themselves turned."""
        output: dict[str, Tensor] = self.over(self._pairs(batch))
        return output

    def after_step(self, progress: float) -> None:
        """Tell the contrasting method."""
        self.over.after_step(progress)

    def inputs(self, batch: Batch) -> list[Tensor]:
        """Both views of the pairs."""
        return self.over.inputs(self._pairs(batch))

    def pictures(self, batch: Batch) -> list[Picture]:
        """Show pairs, and what the contrasting method shows of them."""
        pairs, degrees = self._pairs(batch), self._degrees(batch)
        rows = [list(view[:_SHOWN]) for view in pairs.views]
        captions = [["0°"] * len(rows[0]), [f"{angle:.4g}°" for angle in degrees[:_SHOWN]]]
        own = Picture(name="rotations", title="Pairs: each image and its turned self", rows=rows, captions=captions)
        return [own, *self.over.pictures(pairs)]

    def _degrees(self, batch: Batch) -> NDArray[np.float64]:
        """(B,) by how much each pair's second view is turned."""
        if self.theta_at == "pretrain":
            return np.full(len(batch), self.theta)
        low, high = self.theta_range
        return low + (high - low) * batch.draws.uniform("rotation contrast", 1)[:, 0]

    def _pairs(self, batch: Batch) -> Batch:
        """The batch that the contrasting method sees; what surrounds a disc is the grey of an average image."""
        angles = (np.zeros(len(batch)), self._degrees(batch))
        views = tuple(
            rotate(view, angle, fill=self.fill, kernel=self.kernel, outside=self.backbone.mean.mean())
            for view, angle in zip((batch.views[0], batch.views[-1]), angles, strict=True)
        )
        return Batch(views, batch.index, batch.draws, batch.step, batch.labels)


def _contrasting(backbone: Backbone, name: str, given: Mapping[str, Any], facts: Mapping[str, Any] | None) -> Method:
    """Build the method that contrasts, its auto values resolved where there are facts to do so."""
    arguments = check_arguments(_OVER[name], given)
    if facts is not None:
        try:
            known = Facts(**facts)
        except TypeError as error:
            raise SpecError(f"over_facts cannot be read ({error}): leave it out, it is found from the data") from None
        arguments |= {key: auto.value for key, auto in _OVER[name].auto(known).items() if arguments[key] is None}
    return _OVER[name](backbone, **arguments)
