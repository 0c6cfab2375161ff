"""The result of one evaluation: rows for the table, and the scores behind them for paired comparisons."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undercoat.errors import RunError
from undercoat.evaluation.layers import FINAL
from undercoat.evaluation.measures import Predictions
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
        predictions: readout → scores of the test images beside the truth; of a layer under ``readout@layer``.
        notes: sentences that a reader of the numbers should know.
    """

    rows: tuple[Record, ...]
    keys: NDArray[np.str_]
    predictions: dict[str, Predictions]
    notes: tuple[str, ...] = ()

    @property
    def arm(self) -> str:
        """Name of the arm."""
        return self.rows[0].arm

    @property
    def seed(self) -> int:
        """Training seed of the arm."""
        return self.rows[0].seed

    def predictions_of(self, row: Record) -> Predictions:
        """The scores that a row was measured on."""
        return self.predictions[key_of(row.readout, row.layer)]

    @property
    def outcomes(self) -> dict[str, NDArray[np.generic]]:
        """Like ``predictions``: (N,) right or wrong; (N, classes) scores when an image can have several labels."""
        return {
            name: found.correct if found.labels.ndim == 1 else found.scores for name, found in self.predictions.items()
        }

    def save(self, folder: Path | str) -> Path:
        """Write rows, keys, labels and scores to ``folder/predictions-<eval>.npz``, atomically.

        The rows also belong into the results table: pass them to :func:`undercoat.records.append`.
        """
        path = Path(folder) / f"predictions-{self.rows[0].eval}.npz"
        first = next(iter(self.predictions.values()))
        about = {"rows": [asdict(row) for row in self.rows], "notes": self.notes, "classes": first.classes}
        arrays: dict[str, NDArray[Any]] = {f"scores_{name}": found.scores for name, found in self.predictions.items()}
        arrays |= {"about": np.array(json.dumps(about)), "keys": self.keys, "labels": first.labels}
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
            keys, labels = arrays.pop("keys"), arrays.pop("labels")
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise RunError(f"predictions {str(path)!r} cannot be read ({error}); evaluate that run again") from error
        classes = tuple(about["classes"])
        return cls(
            rows=tuple(Record(**row) for row in about["rows"]),
            keys=keys,
            predictions={
                name.removeprefix("scores_"): Predictions(scores=scores, labels=labels, classes=classes)
                for name, scores in arrays.items()
            },
            notes=tuple(about["notes"]),
        )
