"""One picture in the look of another, seen through the early layers of a frozen network (Gatys et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from undercoat.backbones import Backbone
from undercoat.errors import RunError, SpecError
from undercoat.evaluation.frozen import frozen
from undercoat.functional.style import content_loss, gram_matrix, style_loss, total_variation

__all__ = ["StyleSettings", "Stylised", "stylise"]

_EDGE = 0.01  # black and white lie this far inside, where the smooth bound still has a slope
_MEMORY = 20  # steps that L-BFGS remembers


@dataclass(frozen=True, kw_only=True)
class StyleSettings:
    """What is asked of the picture.

    Attributes:
        layers: whose Gram matrices are matched; None takes the first two that the network names.
        content_layer: whose maps are kept; None takes the last of ``layers``.
        steps: of the optimiser, at least 1.
        style_weight: of the style loss, the mean over layers, relative to each layer's own size.
        content_weight: of the content loss, relative likewise.
        smoothness: weight of the total variation.
        optimiser: ``lbfgs``, as in the paper, or ``adam``.
        lr: of ``adam``.
    """

    layers: tuple[str, ...] | None = None
    content_layer: str | None = None
    steps: int = 200
    style_weight: float = 1.0
    content_weight: float = 0.05
    smoothness: float = 0.02
    optimiser: str = "lbfgs"
    lr: float = 0.05

    def __post_init__(self) -> None:
        if self.layers is not None and not self.layers:
            raise SpecError("no layer says what style is; name some, such as conv1,conv2")
        if self.steps < 1:
            raise SpecError(f"steps is {self.steps}, which changes nothing; give at least 1")
        if self.optimiser not in ("lbfgs", "adam"):
            raise SpecError(f"optimiser {self.optimiser!r} is neither lbfgs nor adam")
        if min(self.style_weight, self.content_weight, self.smoothness) < 0 or self.lr <= 0:
            raise SpecError("a weight is below 0 or lr is not above 0; give weights of 0 or more and a positive lr")


class Stylised(NamedTuple):
    """A picture and how near it came, each a loss relative to that of nothing.

    Attributes:
        picture: (C, H, W) in 0..1.
        style_before: style loss of the content itself.
        style_after: of the result.
        content_after: content loss of the result (that of the content is 0).
        by_layer: style loss of the result in each layer.
    """

    picture: Tensor
    style_before: float
    style_after: float
    content_after: float
    by_layer: dict[str, float]


class _Aim:
    """The loss of a picture, and its parts."""

    def __init__(self, backbone: Backbone, content: Tensor, style: Tensor, settings: StyleSettings) -> None:
        self.backbone, self.settings = backbone, settings
        layers = settings.layers or backbone.layer_names[:2]
        if not layers:
            raise SpecError(f"{backbone.name or 'this network'} names no layers; give layers as dotted paths")
        self.kept = settings.content_layer or layers[-1]
        self.names = tuple(dict.fromkeys((*layers, self.kept)))
        with torch.no_grad():
            self.content = backbone.maps(content, [self.kept])[self.kept]
            seen = backbone.maps(style, layers)
            self.grams = {layer: gram_matrix(seen[layer]) for layer in layers}

    def parts(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Style loss of each layer, and the content loss."""
        maps = self.backbone.maps(image, self.names)
        styles = {layer: style_loss(maps[layer], gram) for layer, gram in self.grams.items()}
        return styles, content_loss(maps[self.kept], self.content)

    def __call__(self, image: Tensor) -> Tensor:
        styles, content = self.parts(image)
        wanted = self.settings.style_weight * torch.stack(list(styles.values())).mean()
        kept = self.settings.content_weight * content
        return wanted + kept + self.settings.smoothness * total_variation(image)


def stylise(
    backbone: Backbone,
    content: Tensor,
    style: Tensor,
    *,
    settings: StyleSettings | None = None,
    device: torch.device | str = "cpu",
) -> Stylised:
    """Change the content's pixels until early layers see the style's textures in it.

    Starts from the content. Pixels stay in 0..1 because the optimiser moves them on a line that a sigmoid bends to
    that range. Everything is float32 and nothing is random: the same input gives the same picture.

    Args:
        backbone: frozen; compared with what it was at the end.
        content: (C, H, W) in 0..1, large enough for the deepest layer.
        style: (C, h, w) in 0..1, of any size.
        settings: layers, weights and steps.
        device: where it runs.

    Raises:
        SpecError: for an unknown layer or a picture that is too small.
        RunError: when the loss is not finite.

    Reference: Gatys et al. 2016, eq. 1–7; total variation after Johnson et al. 2016, section 3.2.
    """
    settings = settings or StyleSettings()
    place = torch.device(device)
    with frozen(backbone, place):
        needed = [parameter.requires_grad for parameter in backbone.parameters()]
        backbone.requires_grad_(False)
        try:
            start, look = content[None].float().to(place), style[None].float().to(place)
            aim = _Aim(backbone, start, look, settings)
            image = _descend(aim, start, settings)
            before, after = _measured(aim, start), _measured(aim, image)
        finally:
            for parameter, needs in zip(backbone.parameters(), needed, strict=True):
                parameter.requires_grad_(needs)
    return Stylised(image[0].cpu(), _mean(before[0]), _mean(after[0]), after[1], after[0])


def _measured(aim: _Aim, image: Tensor) -> tuple[dict[str, float], float]:
    with torch.no_grad():
        styles, content = aim.parts(image)
    return {layer: float(loss) for layer, loss in styles.items()}, float(content)


def _mean(losses: dict[str, float]) -> float:
    return sum(losses.values()) / len(losses)


def _descend(aim: _Aim, start: Tensor, settings: StyleSettings) -> Tensor:
    # contiguous, for L-BFGS flattens it, and pixels of a decoded picture lie channels last
    free = torch.logit(start.contiguous().clamp(_EDGE, 1 - _EDGE)).requires_grad_()
    optimiser = _optimiser([free], settings)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = aim(torch.sigmoid(free))
        if not bool(loss.isfinite()):
            raise RunError("the style loss is not finite; lower style_weight, or look at the network's maps")
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    rounds = 1 if settings.optimiser == "lbfgs" else settings.steps
    for _ in range(rounds):
        optimiser.step(closure)  # type: ignore[arg-type]
    return torch.sigmoid(free.detach())


def _optimiser(parameters: Sequence[Tensor], settings: StyleSettings) -> torch.optim.Optimizer:
    if settings.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=settings.lr)
    return torch.optim.LBFGS(
        parameters, max_iter=settings.steps, history_size=_MEMORY, line_search_fn="strong_wolfe", tolerance_change=1e-12
    )
