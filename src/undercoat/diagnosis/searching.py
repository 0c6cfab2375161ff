"""One search: learn a detector on a network's maps, look through images, and compare with simpler ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from undercoat.backbones import Backbone, build_backbone
from undercoat.data import Canvases
from undercoat.data.progress import bar
from undercoat.diagnosis.dense_maps import DenseMaps
from undercoat.diagnosis.detector import Detector, DetectorSettings, fit_detector
from undercoat.diagnosis.example import Example
from undercoat.diagnosis.findings import Finding
from undercoat.diagnosis.pictures import picture_of
from undercoat.diagnosis.ranking import average_precision
from undercoat.diagnosis.scanning import Hit, detector_scanner, scan, scores_of, template_scanner
from undercoat.errors import DataError, SpecError
from undercoat.evaluation.frozen import frozen
from undercoat.functional.draws import permutation
from undercoat.runtime import Runtime

__all__ = ["Learned", "Search"]

_STATISTICS_IMAGES = 50  # that the channels' mean and deviation come from
_HELD_OUT = 5  # every fifth negative image says how often nothing scores high


class Learned(NamedTuple):
    """A detector, the maps that it reads, and the highest score of each negative that it was not learned from."""

    detector: Detector
    maps: DenseMaps
    held_out: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for, and how.

    Attributes:
        example: at the scale of the data.
        negatives: images that a detector is learned against.
        negative_images: how many of them are used, at least 2.
        settings: of the detector.
        layer: whose maps are used; None takes the second that the network names.
        size_px: longer side of the images as they are seen.
        flips: whether the mirror image counts as the example.
        device: where networks run.
    """

    example: Example
    negatives: Canvases
    negative_images: int
    settings: DetectorSettings
    layer: str | None
    size_px: int
    flips: bool
    device: str

    def learn(self, backbone: Backbone) -> Learned:
        """Learn a detector on a network's maps.

        Raises:
            DataError: when the example is smaller than a cell, or fewer than two negatives are as large as it.
        """
        names = backbone.layer_names
        if self.layer is None and not names:
            raise SpecError(f"{backbone.name or 'this network'} names no layers; give layer as a dotted path")
        layer = self.layer or names[min(1, len(names) - 1)]
        place = Runtime.reading(backbone, device=self.device).device
        with frozen(backbone, place):
            maps = DenseMaps(backbone, layer, device=place, size_px=self.size_px)
            rows, columns = self.example.cells(maps.stride)
            order = permutation(len(self.negatives), seed=self.settings.seed, epoch=0, purpose="negative images")
            pictures = [self._picture(self.negatives, int(i)) for i in order[: self.negative_images]]
            maps.fit(pictures[:_STATISTICS_IMAGES])
            seen = [found for found in maps.many(pictures) if found.shape[1] >= rows and found.shape[2] >= columns]
            if len(seen) < 2:
                raise DataError(
                    f"{len(seen)} negative images of {self.negatives.name!r} are as large as the example, and 2 are "
                    "needed; give other negatives, or a smaller crop"
                )
            kept = [one for number, one in enumerate(seen) if number % _HELD_OUT != 1]
            detector = fit_detector(self.example.windows(maps, flips=self.flips), kept, self.settings)
        held_out = np.array([float(detector.plane(one).max()) for one in seen[1::_HELD_OUT]])
        return Learned(detector, maps, held_out)

    def look(self, canvases: Canvases, learned: Learned, *, per_image: int = 1) -> Iterator[tuple[float, list[Hit]]]:
        """Give each image's highest score and best places."""
        with frozen(learned.maps.backbone, learned.maps.device):
            yield from scan(
                self._pictures(canvases), detector_scanner(learned.detector, learned.maps), per_image=per_image
            )

    def compare(
        self, canvases: Canvases, scores: NDArray[np.float64], backbone: Backbone, relevant: NDArray[np.bool_]
    ) -> list[Finding]:
        """Average precision of the scores, of raw pixels, and of the same network with random weights.

        Args:
            canvases: N images whose labels are known.
            scores: (N,) of the detector.
            backbone: whose kind the random network is; without a name there is none.
            relevant: (N,) which images are of the example's class.
        """
        found = {self.settings.method: scores}
        found["raw pixels (cross-correlation)"] = scores_of(
            self._pictures(canvases), template_scanner(self.example.crop)
        )
        if backbone.name:
            untrained = self.learn(untrained_like(backbone, seed=self.settings.seed))
            found[f"{self.settings.method}, random weights"] = np.array(
                [score for score, _ in self.look(canvases, untrained)]
            )
        return [average_precision(name, values, relevant, seed=self.settings.seed) for name, values in found.items()]

    def _picture(self, canvases: Canvases, position: int) -> Tensor:
        return picture_of(canvases, position, size_px=self.size_px)

    def _pictures(self, canvases: Canvases) -> Iterator[Tensor]:
        with bar("looking", len(canvases), True) as advance:
            for position in range(len(canvases)):
                yield self._picture(canvases, position)
                advance(1)


def untrained_like(backbone: Backbone, *, seed: int) -> Backbone:
    """The same kind of network with random weights and the same normalisation."""
    return build_backbone(
        backbone.name,
        channels=backbone.channels,
        arguments=backbone.arguments,
        mean=backbone.mean.flatten().tolist(),
        std=backbone.std.flatten().tolist(),
        seed=seed,
    ).eval()
