"""k nearest neighbours: what the features say with nothing trained on top of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from undercoat.errors import SpecError
from undercoat.evaluation.readouts.labelled import Features, Fitted, LabelledFeatures
from undercoat.functional.neighbours import knn_vote

__all__ = ["KNN"]


@dataclass(frozen=True, kw_only=True)
class KNN:
    """Vote of the k most similar training images, weighted by exp(cosine / temperature).

    Attributes:
        k: how many neighbours vote; all of them when there are fewer.
        temperature: > 0; smaller listens more to the very nearest.

    Example:
        >>> train = LabelledFeatures(
        ...     features=np.eye(2, dtype=np.float32), labels=np.array([0, 1]), classes=("a", "b")
        ... )
        >>> KNN(k=1).fit(train)(np.array([[0.0, 3.0]], dtype=np.float32)).tolist()
        [[0.0, 1.0]]

    Reference: Wu et al. 2018, section 3.4 (k = 200, temperature 0.07 there; 20 suits small sets).
    """

    chooses: ClassVar[bool] = False

    k: int = 20
    temperature: float = 0.07

    def __post_init__(self) -> None:
        if self.k < 1:
            raise SpecError(f"k is {self.k}, but at least one neighbour must vote; give k=1 or more")
        if not self.temperature > 0:
            raise SpecError(f"temperature is {self.temperature}, but weights need one above 0; the usual is 0.07")

    def fit(self, train: LabelledFeatures, *, seed: int = 0, device: str = "cpu") -> Fitted:
        """Keep the bank; nothing is random and nothing is chosen."""
        bank = torch.as_tensor(np.array(train.features, dtype=np.float32), device=device)
        labels = torch.as_tensor(np.array(train.labels), device=device)

        def predict(features: Features) -> NDArray[np.float32]:
            votes = knn_vote(
                torch.as_tensor(np.array(features, dtype=np.float32), device=device),
                bank,
                labels,
                k=self.k,
                temperature=self.temperature,
                classes=len(train.classes),
            )
            scores: NDArray[np.float32] = votes.cpu().numpy()
            return scores

        capped = len(train) < self.k
        note = f"k-NN: all {len(train)} training images vote, fewer than k = {self.k}"
        chosen = {"k": min(self.k, len(train)), "temperature": self.temperature}
        return Fitted(predict=predict, chosen=chosen, notes=(note,) if capped else ())
