"""The result of one evaluation: rows for the table, and the scores behind them for paired comparisons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undercoat.errors import RunError
from undercoat.evaluation.layers import FINAL
from undercoat.evaluation.measures import MaskPredictions, Predictions
from undercoat.files import atomic
from undercoat.records import Record

__all__ = ["Evaluation", "key_of"]


def key_of(readout: str, layer: str) -> str:
    """The name of the scores of one readout on one layer; of the backbone's own features the readout's alone.

    Example:
        >>> key_of("linear", "conv3"), key_of("linear", "final")
        ('linear@conv3', 'linear')
    """
    return readout if layer == FINAL else f"{readout}@{layer}"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One backbone, measured by one protocol.

    Attributes:
        rows: one record per readout, layer and measure.
        keys: (N,) names of the test images.
        predictions: readout → scores (or overlaps of masks) of the test images beside the truth; of a layer under
            ``readout@layer``.
        notes: sentences that a reader of the numbers should know.
    """

    rows: tuple[Record, ...]
    keys: NDArray[np.str_]
    predictions: Mapping[str, Predictions | MaskPredictions]
    notes: tuple[str, ...] = ()

    @property
    def arm(self) -> str:
        """Name of the arm."""
        return self.rows[0].arm

    @property
    def seed(self) -> int:
        """Training seed of the arm."""
        return self.rows[0].seed

    def predictions_of(self, row: Record) -> Predictions | MaskPredictions:
        """The scores that a row was measured on."""
        return self.predictions[key_of(row.readout, row.layer)]

    @property
    def outcomes(self) -> dict[str, NDArray[np.generic]]:
        """Like ``predictions``: (N,) right or wrong; (N, classes) scores when an image can have several labels.

        Of masks (N, classes) Dice coefficients, NaN where an image does not have the class.
        """
        return {name: _outcome(found) for name, found in self.predictions.items()}

    def save(self, folder: Path | str) -> Path:
        """Write rows, keys, labels and scores to ``folder/predictions-<eval>.npz``, atomically.

        The rows also belong into the results table: pass them to :func:`undercoat.records.append`.
        """
        path = Path(folder) / f"predictions-{self.rows[0].eval}.npz"
        about: dict[str, Any] = {"rows": [asdict(row) for row in self.rows], "notes": self.notes, "classes": ()}
        arrays: dict[str, NDArray[Any]] = {"keys": self.keys}
        for name, found in self.predictions.items():
            if isinstance(found, MaskPredictions):
                arrays[f"overlap_{name}"], about["mask_classes"] = found.counts, found.classes
            else:
                arrays[f"scores_{name}"], arrays["labels"], about["classes"] = found.scores, found.labels, found.classes
        arrays["about"] = np.array(json.dumps(about))
        with atomic(path) as temporary, temporary.open("wb") as out:
            np.savez_compressed(out, allow_pickle=False, **arrays)
        return path

    @classmethod
    def load(cls, path: Path | str) -> Evaluation:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: when the file is not there or is not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as saved:
                arrays = {name: saved[name] for name in saved.files}
            about = json.loads(str(arrays.pop("about")))
            keys, labels = arrays.pop("keys"), arrays.pop("labels", np.zeros(0, np.int64))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise RunError(f"predictions {str(path)!r} cannot be read ({error}); evaluate that run again") from error
        classes, mask_classes = tuple(about["classes"]), tuple(about.get("mask_classes", ()))
        predictions: dict[str, Predictions | MaskPredictions] = {}
        for name, array in arrays.items():
            kind, _, key = name.partition("_")
            predictions[key] = (
                MaskPredictions(counts=array, classes=mask_classes)
                if kind == "overlap"
                else Predictions(scores=array, labels=labels, classes=classes)
            )
        return cls(
            rows=tuple(Record(**row) for row in about["rows"]),
            keys=keys,
            predictions=predictions,
            notes=tuple(about["notes"]),
        )


def _outcome(found: Predictions | MaskPredictions) -> NDArray[Any]:
    if isinstance(found, MaskPredictions):
        return found.dice
    return found.correct if found.labels.ndim == 1 else found.scores
