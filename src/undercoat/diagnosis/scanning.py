"""Looking for the example in every image: the best places, and how they rank images against simpler ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.feature import match_template
from torch import Tensor

from undercoat.diagnosis.dense_maps import DenseMaps
from undercoat.diagnosis.detector import Detector, peaks
from undercoat.diagnosis.example import Box

__all__ = ["Hit", "Scanner", "detector_scanner", "scan", "scores_of", "template_scanner"]

_PER_IMAGE = 5
_CHUNK = 32  # pictures that go through a network together
_OVERLAP = 0.5


@dataclass(frozen=True)
class Hit:
    """One place in one image.

    Attributes:
        image: position in the data.
        score: higher is more alike.
        box: in pixels of the image as it was seen.
    """

    image: int
    score: float
    box: Box


#: gives the best places of each of several pictures (C, H, W); none where the example does not fit into it
Scanner = Callable[[Sequence[Tensor]], list[list[tuple[float, Box]]]]


def detector_scanner(detector: Detector, maps: DenseMaps, *, count: int = _PER_IMAGE) -> Scanner:
    """Slide a detector over a layer's maps; a cell is ``stride`` pixels."""
    rows, columns = detector.weight.shape[1:]

    def best(seen: Tensor) -> list[tuple[float, Box]]:
        if seen.shape[1] < rows or seen.shape[2] < columns:
            return []
        stride = maps.stride
        return [
            (score, Box(x * stride, y * stride, columns * stride, rows * stride))
            for score, y, x in peaks(detector.plane(seen), (rows, columns), count=count)
        ]

    return lambda pictures: [best(seen) for seen in maps.many(pictures)]


def template_scanner(crop: Tensor, *, count: int = 1) -> Scanner:
    """Slide the raw pixels of the crop (C, h, w): normalised cross-correlation, -1..1 (Lewis 1995)."""
    template = crop.permute(1, 2, 0).numpy()

    def best(picture: Tensor) -> list[tuple[float, Box]]:
        if picture.shape[1] < crop.shape[1] or picture.shape[2] < crop.shape[2]:
            return []
        shown = picture.expand(len(crop), -1, -1) if len(picture) < len(crop) else picture
        found = match_template(shown.permute(1, 2, 0).numpy(), template)  # type: ignore[no-untyped-call]
        plane = torch.from_numpy(found[..., 0].copy())
        size = (crop.shape[1], crop.shape[2])
        return [(score, Box(x, y, size[1], size[0])) for score, y, x in peaks(plane, size, count=count)]

    return lambda pictures: [best(picture) for picture in pictures]


def scan(pictures: Iterable[Tensor], scanner: Scanner, *, per_image: int = 1) -> Iterator[tuple[float, list[Hit]]]:
    """Give each picture's highest score (-inf when the example does not fit into it) and its best places.

    Places whose intersection with a better one is more than half of their union are left out.
    """
    image = 0
    for chunk in _chunks(pictures):
        for found in scanner(chunk):
            kept: list[Hit] = []
            for score, box in found:
                if len(kept) < per_image and all(box.overlap(hit.box) <= _OVERLAP for hit in kept):
                    kept.append(Hit(image, score, box))
            yield (kept[0].score if kept else float("-inf")), kept
            image += 1


def _chunks(pictures: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    rest = iter(pictures)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def scores_of(pictures: Iterable[Tensor], scanner: Scanner) -> NDArray[np.float64]:
    """The highest score of each picture, (N,)."""
    return np.array([score for score, _ in scan(pictures, scanner)])
