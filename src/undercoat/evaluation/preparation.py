"""Everything about labels and splits that must be right before a backbone is run at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from undercoat.data.canvases import Canvases
from undercoat.evaluation.few_labels import few
from undercoat.evaluation.labels import check_classes, labelled, unseen
from undercoat.evaluation.masks import check_masks, few_masks
from undercoat.evaluation.protocol import Protocol
from undercoat.evaluation.readouts import LabelledFeatures
from undercoat.evaluation.readouts.labelled import Features
from undercoat.evaluation.splitting import held_out

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Labelled images of both parts, checked against each other.

    Attributes:
        train: images whose labels may be used.
        test: images that are measured.
        held_out: (N,) booleans, the part of train for choosing settings; None when no readout chooses.
        eval: digest of everything the numbers depend on but the backbone.
        notes: sentences that a reader of the numbers should know.
    """

    train: Canvases
    test: Canvases
    held_out: NDArray[np.bool_] | None
    eval: str
    notes: tuple[str, ...]

    @property
    def truth(self) -> NDArray[np.int64] | NDArray[np.uint8]:
        """Labels of the test images."""
        return np.asarray(self.test.labels)

    def lesson(self, features: Features, *, channels: int | None = None) -> LabelledFeatures:
        """Put features (N, D) of the train images, of a map of so many channels, beside their labels."""
        return LabelledFeatures(
            features=features,
            labels=np.asarray(self.train.labels),
            classes=self.train.classes,
            held_out=self.held_out,
            channels=channels,
        )


def prepare(train: Canvases, test: Canvases, protocol: Protocol) -> Prepared:
    """Choose the images that a protocol uses, before anything expensive happens.

    Raises:
        DataError: no labels, or no masks where they are read; no test images, a single class, a class of which none
            can be held out, or a limit on labels that the data cannot meet.
    """
    chooses = any(readout.chooses for readout in protocol.built_readouts().values())
    of_labels, of_masks = False in protocol.answers, True in protocol.answers
    if of_labels:
        train, test = labelled(train, "train"), labelled(test, "test")
    if of_masks:
        check_masks(train, test)
    limit, listed = protocol.labels_limit, protocol.labels_from
    chosen = few if of_labels else few_masks
    train, notes = chosen(train, limit=limit, listed=listed, chooses=chooses, seed=protocol.seed)
    if of_labels:
        check_classes(train, test, chooses=chooses)
        notes += unseen(train, test)
    if of_masks:
        check_masks(train, test)
    return Prepared(
        train=train,
        test=test,
        held_out=held_out(train, protocol.held_out_fraction, seed=protocol.seed) if chooses else None,
        eval=protocol.eval_digest(train, test),
        notes=notes,
    )
