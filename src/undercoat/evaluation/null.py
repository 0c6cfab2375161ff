"""What no backbone may fall below: the answer of somebody who saw the labels of train and no image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from undercoat.data.canvases import Canvases
from undercoat.evaluation.evaluate import row_of
from undercoat.evaluation.labels import class_counts
from undercoat.evaluation.masks import commonest_mask, shown_masks
from undercoat.evaluation.measures import MaskPredictions, Predictions, measure_named
from undercoat.evaluation.measures.mask_predictions import pixel_counts
from undercoat.evaluation.preparation import Prepared, prepare
from undercoat.evaluation.protocol import Protocol
from undercoat.evaluation.view import EvaluationView
from undercoat.records import Record

__all__ = ["NULL_ARM", "majority_class"]

NULL_ARM = "majority class"
_BLOCK = 256


def majority_class(
    train: Canvases, test: Canvases, protocol: Protocol, *, provenance: Mapping[str, Any] | None = None
) -> list[Record]:
    """Measure the answer that is the same for every image: how common each class is in train.

    Its accuracy is the share of the commonest class of train among the test images; its AUROC is 0.5. Of masks it is
    the commonest class of every pixel on the train images: what is known without looking at the image.

    Args:
        train: as for :func:`~undercoat.evaluation.evaluate`.
        test: likewise.
        protocol: likewise; the rows carry the same ``eval``.
        provenance: ``study`` and the like.

    Returns:
        One row for each measure, with arm ``"majority class"`` and readout ``"-"``.
    """
    prepared = prepare(train, test, protocol)
    known = dict(provenance or {}) | {"arm": NULL_ARM, "readout": "-", "labels": len(prepared.train)}
    return [
        row_of(measure_named(name)(found, seed=protocol.seed), prepared, protocol, known | {"metric": name})
        for masks in protocol.answers
        for found in [_same_mask(prepared, protocol.view) if masks else _same_scores(prepared)]
        for name in protocol.measure_names(prepared.test, masks=masks)
    ]


def _same_scores(prepared: Prepared) -> Predictions:
    share = class_counts(prepared.train) / len(prepared.train)
    scores = np.broadcast_to(share.astype(np.float32), (len(prepared.test), len(share)))
    return Predictions(scores=scores, labels=prepared.truth, classes=prepared.test.classes)


def _same_mask(prepared: Prepared, view: EvaluationView) -> MaskPredictions:
    answer, test = commonest_mask(prepared.train, view)[None], prepared.test
    counts = [
        pixel_counts(np.repeat(answer, len(truth), axis=0), truth, len(test.mask_classes))
        for start in range(0, len(test), _BLOCK)
        for truth in [shown_masks(test, np.arange(start, min(start + _BLOCK, len(test))), view)]
    ]
    return MaskPredictions(counts=np.concatenate(counts), classes=test.mask_classes)
