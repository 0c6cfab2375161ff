"""What every readout is given and gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Features", "Fitted", "LabelledFeatures", "Readout"]

Features = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class LabelledFeatures:
    """Features of the training images with their labels.

    Attributes:
        features: (N, D) float32.
        labels: (N,) int64, 0 … classes-1; or (N, classes) of 0 and 1 when an image can have several.
        classes: names of the classes.
        held_out: (N,) booleans, True for images kept aside to choose settings on; None when nothing is kept
            aside.
    """

    features: Features
    labels: NDArray[np.int64] | NDArray[np.uint8]
    classes: tuple[str, ...]
    held_out: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def multi_label(self) -> bool:
        """Whether an image can have several classes at once."""
        return self.labels.ndim == 2

    def take(self, index: NDArray[np.int64]) -> Self:
        """Select images by position; what is kept aside is forgotten."""
        return type(self)(features=np.asarray(self.features[index]), labels=self.labels[index], classes=self.classes)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A readout after fitting: call it with features (N, D) to get scores (N, classes) in 0..1.

    Attributes:
        predict: features → scores; larger means more likely.
        chosen: the settings in force, chosen ones included; they go to the results table.
        notes: sentences that a reader of the number should know.
    """

    predict: Callable[[Features], Features]
    chosen: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __call__(self, features: Features) -> Features:
        """Return scores (N, classes) of features (N, D)."""
        return self.predict(features)


class Readout(Protocol):
    """The contract: keyword-only settings with defaults, and a fit on training features alone."""

    #: whether settings are chosen, on images kept aside from the training images
    chooses: ClassVar[bool]

    def fit(self, train: LabelledFeatures, *, seed: int = 0, device: str = "cpu") -> Fitted:
        """Fit on the training images; the same seed gives the same bits."""
        ...
