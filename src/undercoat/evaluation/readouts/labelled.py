"""What every readout is given and gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.backbones.backbone import Backbone
from undercoat.data.canvases import Canvases
from undercoat.evaluation.layers import LayerReading
from undercoat.evaluation.measures.mask_predictions import MaskPredictions
from undercoat.evaluation.view import Pass

__all__ = [
    "LATER",
    "Features",
    "Fitted",
    "FittedOnImages",
    "ImageReadout",
    "LabelledFeatures",
    "Readout",
    "Trunk",
    "is_for_masks",
    "one_hot",
]

#: of a backbone float32, of a layer mostly float16
Features = NDArray[np.floating[Any]]

#: mark of a setting that was added later, with a default that changes nothing: see ``settings_of``
LATER: Mapping[str, Any] = {"later": True}


@dataclass(frozen=True, kw_only=True)
class LabelledFeatures:
    """Features of the training images with their labels.

    Attributes:
        features: (N, D) float32, or float16 for a layer; may be a memory map.
        labels: (N,) int64, 0 … classes-1; or (N, classes) of 0 and 1 when an image can have several.
        classes: names of the classes.
        held_out: (N,) booleans, True for images kept aside to choose settings on; None when nothing is kept
            aside.
        channels: of the map that the features are, which then are (channels, h, w) in that order; None when each is a
            channel of its own.
    """

    features: Features
    labels: NDArray[np.int64] | NDArray[np.uint8]
    classes: tuple[str, ...]
    held_out: NDArray[np.bool_] | None = None
    channels: int | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def multi_label(self) -> bool:
        """Whether an image can have several classes at once."""
        return self.labels.ndim == 2

    def take(self, index: NDArray[np.int64]) -> Self:
        """Select images by position; what is kept aside is forgotten."""
        return replace(self, features=np.asarray(self.features[index]), labels=self.labels[index], held_out=None)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A readout after fitting: call it with features (N, D) to get scores (N, classes) in 0..1.

    Attributes:
        predict: features → scores; larger means more likely.
        chosen: the settings in force, chosen ones included; they go to the results table.
        notes: sentences that a reader of the number should know.
    """

    predict: Callable[[Features], NDArray[np.float32]]
    chosen: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __call__(self, features: Features) -> NDArray[np.float32]:
        """Return scores (N, classes) of features (N, D)."""
        return self.predict(features)


class Readout(Protocol):
    """The contract: keyword-only settings with defaults, and a fit on training features alone."""

    @property
    def chooses(self) -> bool:
        """Whether settings are chosen, on images kept aside from the training images; a class variable will do."""
        ...

    def fit(self, train: LabelledFeatures, *, seed: int = 0, device: str = "cpu") -> Fitted:
        """Fit on the training images; the same seed gives the same bits."""
        ...


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """A frozen backbone, for readouts that show it images of their own.

    Attributes:
        backbone: left as it was.
        reading: which layers, and how they are pooled.
        once: the protocol's view, the device and the precision.
        held_out: (N,) booleans, True for training images kept aside to choose settings on; None when nothing is.
    """

    backbone: Backbone
    reading: LayerReading
    once: Pass
    held_out: NDArray[np.bool_] | None = None


@dataclass(frozen=True, kw_only=True)
class FittedOnImages:
    """An :class:`ImageReadout` after fitting.

    Attributes:
        predict: images → layer → scores (N, classes) in 0..1; of a readout that ``reads_masks``, how the predicted
            masks overlap with the true ones.
        chosen: as of :class:`Fitted`, for all layers.
        notes: likewise.
    """

    predict: Callable[[Canvases], Mapping[str, NDArray[np.float32] | MaskPredictions]]
    chosen: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@runtime_checkable
class ImageReadout(Protocol):
    """The second contract, for what cannot be fitted on features that were read once, such as augmented images.

    One with ``reads_masks = True`` is fitted on masks in place of labels (see :func:`is_for_masks`).
    """

    @property
    def chooses(self) -> bool:
        """As of :class:`Readout`."""
        ...

    def fit_images(self, trunk: Trunk, train: Canvases, *, seed: int = 0) -> FittedOnImages:
        """Fit every layer on the labelled training images alone; the same seed gives the same bits."""
        ...


def is_for_masks(readout: Readout | ImageReadout) -> bool:
    """Whether a readout predicts masks rather than labels."""
    return bool(getattr(readout, "reads_masks", False))


def one_hot(
    labels: NDArray[np.int64] | NDArray[np.uint8], classes: tuple[str, ...], device: torch.device | str
) -> Tensor:
    """Turn class numbers (N,), or (N, C) of 0 and 1, to float targets (N, C)."""
    if labels.ndim == 2:
        return torch.as_tensor(np.array(labels, dtype=np.float32), device=device)
    targets = torch.zeros(len(labels), len(classes), device=device)
    return targets.scatter_(1, torch.as_tensor(np.array(labels), device=device)[:, None], 1.0)
