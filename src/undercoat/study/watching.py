"""k-NN during training, on training images only: a curve to look at, never a choice made on test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from undercoat.backbones import Backbone
from undercoat.data import Canvases
from undercoat.evaluation import Protocol, extract
from undercoat.evaluation.splitting import held_out
from undercoat.functional.draws import permutation
from undercoat.functional.neighbours import knn_vote
from undercoat.runtime import Precision, Runtime
from undercoat.study.graph import DataShelf
from undercoat.study.judge import labelled_sets

__all__ = ["knn_watch"]

_MOST_IMAGES = 2000
_K, _TEMPERATURE = 20, 0.07


def knn_watch(
    protocol: Protocol, shelf: DataShelf, precision: Precision
) -> Callable[[Backbone], Callable[[int], dict[str, float]]]:
    """Make the function that training calls to measure its backbone.

    The labelled images are the protocol's training part, at most 2,000 of them; a fifth of those votes on none and
    is asked. The share of right answers is ``knn``; multi-label data gives no curve.
    """
    train, _ = labelled_sets(protocol, shelf)
    if train.multi_label or train.labels is None:
        return lambda backbone: lambda step: {}
    chosen = permutation(len(train), seed=protocol.seed, epoch=0, purpose="watch")[:_MOST_IMAGES]
    chosen = chosen[np.asarray(train.labels, dtype=np.int64)[chosen] >= 0]
    small = train.take(np.sort(chosen))
    asked = held_out(small, 0.2, seed=protocol.seed)
    return lambda backbone: _Watch(backbone, small, asked, protocol, precision)


class _Watch:
    """k-NN accuracy of one backbone in training."""

    def __init__(
        self, backbone: Backbone, images: Canvases, asked: NDArray[np.bool_], protocol: Protocol, precision: Precision
    ) -> None:
        self.backbone, self.images, self.asked, self.protocol = backbone, images, asked, protocol
        self.precision = precision

    def __call__(self, step: int) -> dict[str, float]:
        device = self.backbone.mean.device  # there may be no weights
        dtype = Runtime.reading(self.backbone, device=device.type, precision=self.precision).autocast_dtype
        features = extract(self.backbone, self.images, view=self.protocol.view, device=device, autocast_dtype=dtype)
        rows, labels = torch.as_tensor(np.array(features)), torch.as_tensor(np.array(self.images.labels))
        asked = torch.as_tensor(self.asked)
        votes = knn_vote(
            rows[asked],
            rows[~asked],
            labels[~asked],
            k=_K,
            temperature=_TEMPERATURE,
            classes=len(self.images.classes),
        )
        right = votes.argmax(dim=1) == labels[asked]
        return {"knn": float(right.float().mean()), "knn_images": int(asked.sum())}
