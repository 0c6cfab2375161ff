"""What no backbone may fall below: the answer of somebody who saw the labels of train and no image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from undercoat.data.canvases import Canvases
from undercoat.evaluation.evaluate import row_of
from undercoat.evaluation.labels import class_counts
from undercoat.evaluation.measures import Predictions, measure_named
from undercoat.evaluation.preparation import prepare
from undercoat.evaluation.protocol import Protocol
from undercoat.records import Record

__all__ = ["NULL_ARM", "majority_class"]

NULL_ARM = "majority class"


def majority_class(
    train: Canvases, test: Canvases, protocol: Protocol, *, provenance: Mapping[str, Any] | None = None
) -> list[Record]:
    """Measure the answer that is the same for every image: how common each class is in train.

    Its accuracy is the share of the commonest class of train among the test images; its AUROC is 0.5.

    Args:
        train: as for :func:`~undercoat.evaluation.evaluate`.
        test: likewise.
        protocol: likewise; the rows carry the same ``eval``.
        provenance: ``study`` and the like.

    Returns:
        One row for each measure, with arm ``"majority class"`` and readout ``"-"``.
    """
    prepared = prepare(train, test, protocol)
    share = class_counts(prepared.train) / len(prepared.train)
    scores = np.broadcast_to(share.astype(np.float32), (len(prepared.test), len(share)))
    found = Predictions(scores=scores, labels=np.asarray(prepared.test.labels), classes=prepared.test.classes)
    known = dict(provenance or {}) | {"arm": NULL_ARM, "readout": "-", "labels": len(prepared.train)}
    return [
        row_of(measure_named(name)(found, seed=protocol.seed), prepared, protocol, known | {"metric": name})
        for name in protocol.measure_names(prepared.test)
    ]
