"""Detectors learned from one example: the exemplar SVM, and the maximum-margin correlation filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from sklearn.svm import SVC
from torch import Tensor
from torch.nn.functional import conv2d

from undercoat.errors import SpecError
from undercoat.functional.correlation_filter import inverse_root, plane_energy, sharpened
from undercoat.functional.draws import Draws

__all__ = ["DETECTORS", "Detector", "DetectorSettings", "fit_detector", "peaks"]

#: name → what it is
DETECTORS: dict[str, str] = {
    "exemplar_svm": "linear SVM of one positive against many negatives (Malisiewicz et al. 2011)",
    "correlation_filter": "the same with a sharp peak asked for (MMCF, Rodriguez et al. 2013)",
}
_NUMBERS = 40_000_000  # that all training windows together may hold
_MOST_WINDOWS = 1000
_PEAKS_PER_IMAGE = 5


@dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """How a detector is learned.

    Attributes:
        method: of ``DETECTORS``.
        margin: λ of the correlation filter in 0..1; 1 is the exemplar SVM.
        positive_cost: of the example being missed, shared by its shifts and mirror images.
        negative_cost: of each negative window inside the margin. The paper's costs have the same ratio, 50.
        rounds: of mining; 0 takes random windows only.
        seed: of the random windows.
    """

    method: str = "exemplar_svm"
    margin: float = 0.5
    positive_cost: float = 50.0
    negative_cost: float = 1.0
    rounds: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in DETECTORS:
            raise SpecError(f"method {self.method!r} is not one of {', '.join(DETECTORS)}")
        if not 0 <= self.margin <= 1:
            raise SpecError(f"margin is {self.margin}, but it lies between 0 (correlation filter) and 1 (SVM)")
        if min(self.positive_cost, self.negative_cost) <= 0 or self.rounds < 0:
            raise SpecError("a cost is not above 0 or rounds is below 0; give positive costs and 0 or more rounds")


class Detector(NamedTuple):
    """A filter over cells and its offset: a window's score is above 0 on the example's side.

    Attributes:
        weight: (c, rows, columns).
        bias: added to each score.
        negatives: how many negative windows it was learned from.
        mined: how many of these were found by looking for mistakes.
    """

    weight: Tensor
    bias: float
    negatives: int
    mined: int

    def plane(self, maps: Tensor) -> Tensor:
        """Scores (h - rows + 1, w - columns + 1) of all windows of maps (c, h, w)."""
        return conv2d(maps[None], self.weight[None])[0, 0] + self.bias


def fit_detector(positives: Tensor, negatives: Sequence[Tensor], settings: DetectorSettings) -> Detector:
    """Learn a detector of one thing.

    Random windows of the negatives come first; then, in rounds, the windows that the detector so far gets wrong or
    nearly wrong (score above -1), the worst of each image, until there are no new ones.

    Args:
        positives: (P, c, rows, columns), views of one example, cells of length 1.
        negatives: maps (c, h, w) of images without it, each at least as large as the example.
        settings: method, costs and rounds.
    """
    numbers = positives[0].numel()
    most = max(len(positives) + 2, min(_MOST_WINDOWS, _NUMBERS // numbers))
    shape = (positives.shape[2], positives.shape[3])
    places = _random_places(negatives, shape, count=max(1, most // 2), seed=settings.seed)
    drawn = len(places)
    problem = _Problem(positives, _cut(negatives, places, shape), settings)
    detector = problem.solve()
    for _ in range(settings.rounds):
        known = set(places)
        found = [place for place in _mistakes(detector, negatives) if place not in known][: most - len(places)]
        if not found:
            break
        places += found
        problem.add(_cut(negatives, found, shape))
        detector = problem.solve()
    return detector._replace(negatives=len(places), mined=len(places) - drawn)


Place = tuple[int, int, int]


def _random_places(maps: Sequence[Tensor], shape: tuple[int, int], *, count: int, seed: int) -> list[Place]:
    """Windows spread evenly over images: (image, row, column), each once."""
    each = -(-count // len(maps))
    index = np.arange(len(maps))
    drawn = Draws(seed=seed, epoch=np.zeros_like(index), index=index).uniform("negative windows", 2 * each)
    places = []
    for image, numbers in enumerate(drawn):
        rows, columns = maps[image].shape[1] - shape[0] + 1, maps[image].shape[2] - shape[1] + 1
        places += [(image, int(y * rows), int(x * columns)) for y, x in numbers.reshape(-1, 2)]
    return list(dict.fromkeys(places))[:count]


def _cut(maps: Sequence[Tensor], places: Sequence[Place], shape: tuple[int, int]) -> Tensor:
    return torch.stack([maps[image][:, y : y + shape[0], x : x + shape[1]] for image, y, x in places])


def _mistakes(detector: Detector, maps: Sequence[Tensor]) -> list[Place]:
    """Windows inside the margin, the worst first."""
    shape = detector.weight.shape[1:]
    found: list[tuple[float, Place]] = []
    for image, one in enumerate(maps):
        for score, y, x in peaks(detector.plane(one), (shape[0], shape[1]), count=_PEAKS_PER_IMAGE):
            if score > -1:
                found.append((score, (image, y, x)))
    return [place for _, place in sorted(found, key=lambda item: -item[0])]


def peaks(plane: Tensor, shape: tuple[int, int], *, count: int) -> list[tuple[float, int, int]]:
    """The highest places of a plane of scores, none within half a window of a higher one: (score, row, column).

    Example:
        >>> peaks(torch.tensor([[1.0, 9.0, 8.0, 0.0, 5.0]]), (1, 4), count=2)
        [(9.0, 0, 1), (5.0, 0, 4)]
    """
    left = plane.clone()
    found = []
    for _ in range(min(count, plane.numel())):
        y, x = divmod(int(left.argmax()), left.shape[1])
        score = float(left[y, x])
        if score == float("-inf"):
            break
        found.append((score, y, x))
        down, across = max(1, shape[0] // 2), max(1, shape[1] // 2)
        left[max(0, y - down) : y + down + 1, max(0, x - across) : x + across + 1] = float("-inf")
    return found


class _Problem:
    """The SVM in the space where its peak is sharp, which the first windows fix; for λ = 1 that is the plain space.

    Kept are the windows in that space and their inner products, to which new windows add a border: the problem's size
    is the number of windows, not of their cells.
    """

    def __init__(self, positives: Tensor, negatives: Tensor, settings: DetectorSettings) -> None:
        self.shape, self.settings, self.count = positives.shape[1:], settings, len(positives)
        self.root: Tensor | None = None
        if settings.method == "correlation_filter" and settings.margin < 1:
            # the example's side and the other count half each, however many windows either has
            share = torch.cat([torch.full((len(side),), 0.5 / len(side)) for side in (positives, negatives)])
            self.root = inverse_root(plane_energy(torch.cat([positives, negatives]), share), margin=settings.margin)
        self.scale = 1.0
        self.scale = float(self._rows(positives).norm(dim=1).mean().clamp(min=1e-12))
        self.rows = self._rows(positives)
        self.products = self.rows @ self.rows.T
        self.add(negatives)

    def _rows(self, windows: Tensor) -> Tensor:
        changed = windows if self.root is None else sharpened(windows, self.root)
        return changed.flatten(1) / self.scale

    def add(self, negatives: Tensor) -> None:
        """Learn from more windows."""
        rows = self._rows(negatives)
        across, among = self.rows @ rows.T, rows @ rows.T
        self.products = torch.cat([torch.cat([self.products, across], 1), torch.cat([across.T, among], 1)])
        self.rows = torch.cat([self.rows, rows])

    def solve(self) -> Detector:
        """Solve the exact published problem, offset included."""
        sides = np.repeat([1, -1], [self.count, len(self.rows) - self.count])
        costs = np.where(sides > 0, self.settings.positive_cost / self.count, self.settings.negative_cost)
        machine = SVC(C=1.0, kernel="precomputed")
        machine.fit(self.products.double().numpy(), sides, sample_weight=costs)
        parts = torch.from_numpy(machine.dual_coef_[0]).float()
        weight = (parts @ self.rows[torch.from_numpy(machine.support_).long()]).view(1, *self.shape) / self.scale
        if self.root is not None:
            weight = sharpened(weight, self.root)
        return Detector(weight[0], float(machine.intercept_[0]), len(self.rows) - self.count, 0)
