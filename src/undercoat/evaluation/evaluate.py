"""Measure a frozen backbone: features once, every readout fitted on train, test read once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from undercoat.backbones.backbone import Backbone
from undercoat.data.canvases import Canvases
from undercoat.errors import RunError, SpecError, did_you_mean
from undercoat.evaluation.evaluation import Evaluation, key_of
from undercoat.evaluation.layers import FINAL
from undercoat.evaluation.measures import MaskPredictions, Measurement, Predictions, measure_named
from undercoat.evaluation.preparation import Prepared, prepare
from undercoat.evaluation.protocol import Protocol
from undercoat.evaluation.reading_out import Frozen
from undercoat.evaluation.view import Pass
from undercoat.records import Record
from undercoat.spec import canonical

__all__ = ["evaluate", "row_of"]


def evaluate(
    backbone: Backbone,
    train: Canvases,
    test: Canvases,
    protocol: Protocol,
    *,
    stage: str = "",
    cache: Path | None = None,
    device: torch.device | str = "cpu",
    autocast_dtype: torch.dtype | None = None,
    provenance: Mapping[str, Any] | None = None,
    also_final: bool = False,
) -> Evaluation:
    """Measure a frozen backbone on test images, with labels of train images.

    Args:
        backbone: left exactly as it was.
        train: labelled images to fit readouts on; unlabelled ones are left out.
        test: labelled images that are read once.
        protocol: readouts, measures, view and seed.
        stage: digest of the stage whose weights these are; needed for the cache.
        cache: folder for features.
        device: where backbone and readouts run.
        autocast_dtype: precision of the backbone; None = full.
        provenance: what is known of the backbone, as fields of :class:`~undercoat.records.Record`
            (``study``, ``arm``, ``chain``, ``seed``, …).
        also_final: with layers, read the backbone's own features in the same pass, for who takes them from the cache
            afterwards.

    Returns:
        Rows, one for each readout, layer and measure, and the scores behind them. ``seconds`` of a row counts from
        the start of its readout, which its layers share; reading features for it is not counted.

    Raises:
        DataError: no labels, no test images, a single class, or a class of which none can be held out.
        RunError: when features or scores are not finite, or reading them changed the backbone.
        SpecError: for a layer that the backbone does not have, or a pooling that does not fit it.
    """
    known = _known(backbone, stage, provenance or {}) | {"device": str(device)}
    prepared = prepare(train, test, protocol)
    reading = protocol.reading(backbone, device=device)
    once = Pass(view=protocol.view, device=torch.device(device), autocast_dtype=autocast_dtype, batch=256)
    frozen = Frozen(backbone, reading, once, cache=cache, stage=stage, also_final=also_final)
    rows: list[Record] = []
    notes = list(prepared.notes)
    predictions: dict[str, Predictions | MaskPredictions] = {}
    for name, readout in protocol.built_readouts().items():
        frozen.make_ready(readout, prepared)
        started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        for layer, scores, fitted in frozen.read_out(readout, prepared, seed=protocol.seed):
            found = _answers(scores, prepared, name, layer)
            predictions[key_of(name, layer)] = found
            notes += [note if layer == FINAL else f"{layer}: {note}" for note in fitted.notes]
            about = known | {"started": started, "readout": name, "layer": layer}
            about |= {"readout_args": canonical(fitted.chosen), "labels": len(prepared.train)}
            for metric in protocol.measure_names(prepared.test, masks=isinstance(found, MaskPredictions)):
                measured = measure_named(metric)(found, seed=protocol.seed)
                notes += [note for note in measured.notes if note not in notes]
                clocked = {"metric": metric, "seconds": round(time.perf_counter() - clock, 6)}
                rows.append(row_of(measured, prepared, protocol, about | clocked))
    return Evaluation(
        rows=tuple(rows), keys=np.asarray(prepared.test.keys), predictions=predictions, notes=tuple(notes)
    )


def row_of(measured: Measurement, prepared: Prepared, protocol: Protocol, about: Mapping[str, Any]) -> Record:
    """Write one measurement as a row of the results table.

    Args:
        measured: the number.
        prepared: the images.
        protocol: the settings.
        about: the remaining fields of :class:`~undercoat.records.Record`, ``metric`` among them.
    """
    own = {
        "eval": prepared.eval,
        "eval_data": protocol.data,
        "split": "test",
        "value": measured.value,
        "n": len(prepared.test),
        "ci_low": measured.low,
        "ci_high": measured.high,
        "interval": measured.interval,
        "torch": torch.__version__,
    }
    return Record(**(dict(about) | own))


def _answers(
    scores: NDArray[np.float32] | MaskPredictions, prepared: Prepared, readout: str, layer: str
) -> Predictions | MaskPredictions:
    """What a readout said of the test images, beside the truth."""
    if isinstance(scores, MaskPredictions):
        return scores
    _check_finite(scores, readout, layer)
    return Predictions(scores=scores, labels=prepared.truth, classes=prepared.train.classes)


def _check_finite(scores: NDArray[np.float32], readout: str, layer: str) -> None:
    """Stop at scores that are no numbers: of these the first class would be the highest, without a word."""
    broken = int((~np.isfinite(scores).all(axis=1)).sum())
    if broken:
        raise RunError(
            f"readout {readout!r} on layer {layer!r} gives scores that are not finite for {broken} of {len(scores)} "
            "test images, so it diverged; give it a lower lr, or look at the loss of what trained the backbone"
        )


def _known(backbone: Backbone, stage: str, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the backbone before it is measured."""
    names = [field.name for field in fields(Record)]
    for name in provenance:
        if name not in names:
            raise SpecError(f"a record has no field {name!r}{did_you_mean(name, names)}; see undercoat.records.Record")
    return {"backbone": backbone.name, "stage": stage} | dict(provenance)
