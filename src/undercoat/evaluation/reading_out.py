"""One frozen backbone and its readouts: features of all layers from one pass, then every readout on every layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undercoat.backbones.backbone import Backbone
from undercoat.evaluation.features import extract_layers
from undercoat.evaluation.layers import FINAL, LayerReading
from undercoat.evaluation.measures import MaskPredictions
from undercoat.evaluation.preparation import Prepared
from undercoat.evaluation.readouts import Fitted, ImageReadout, Readout, fit_layers
from undercoat.evaluation.readouts.labelled import FittedOnImages, Trunk
from undercoat.evaluation.view import Pass

__all__ = ["Frozen"]

Features = NDArray[np.floating[Any]]


@dataclass
class Frozen:
    """A backbone that is read, never trained.

    Attributes:
        backbone: left as it was.
        reading: which layers, and how they are pooled.
        once: how images are shown.
        cache: folder for features; None keeps them in memory.
        stage: digest of the stage whose weights these are.
        also_final: put the backbone's own features into the cache in the same pass, whether or not they are read out.
    """

    backbone: Backbone
    reading: LayerReading
    once: Pass
    cache: Path | None = None
    stage: str = ""
    also_final: bool = False

    def __post_init__(self) -> None:
        self._read: dict[str, dict[str, Features]] = {}

    def make_ready(self, readout: Readout | ImageReadout, prepared: Prepared) -> None:
        """Read the features that a readout needs, unless they were read before."""
        if self._read or isinstance(readout, ImageReadout):
            return
        kept: dict[str, Any] = {"cache": self.cache, "stage": self.stage}
        reading = self.reading
        if self.also_final and FINAL not in reading.layers:
            reading = replace(reading, layers=(*reading.layers, FINAL), last=None)
        for part, images in (("train", prepared.train), ("test", prepared.test)):
            self._read[part] = extract_layers(self.backbone, images, reading, self.once, **kept)

    def read_out(
        self, readout: Readout | ImageReadout, prepared: Prepared, *, seed: int
    ) -> Iterator[tuple[str, NDArray[np.float32] | MaskPredictions, Fitted | FittedOnImages]]:
        """Fit a readout on every layer of the train images: layer, scores (or masks) of the test images, the fitted."""
        if isinstance(readout, ImageReadout):
            held_out = prepared.held_out
            trunk = Trunk(backbone=self.backbone, reading=self.reading, once=self.once, held_out=held_out)
            on_images = readout.fit_images(trunk, prepared.train, seed=seed)
            for layer, scores in on_images.predict(prepared.test).items():
                yield layer, scores, on_images
            return
        self.make_ready(readout, prepared)
        channels = self.reading.channels
        rows = self._read["train"]
        lessons = {layer: prepared.lesson(rows[layer], channels=channels.get(layer)) for layer in self.reading.layers}
        asked = self._read["test"]
        for layer, fitted in fit_layers(readout, lessons, seed=seed, device=str(self.once.device)):
            yield layer, fitted(asked[layer]), fitted
