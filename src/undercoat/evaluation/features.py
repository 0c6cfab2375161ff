"""Frozen features: every image through the backbone once, kept on disk, and the backbone left as it was."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from undercoat.backbones.backbone import Backbone
from undercoat.data.canvases import Canvases
from undercoat.errors import RunError
from undercoat.evaluation.frozen import frozen
from undercoat.evaluation.layers import FINAL, LayerReading, read_layers
from undercoat.evaluation.row_store import RowStore, Unfit, stored_rows
from undercoat.evaluation.view import EvaluationView, Pass
from undercoat.files import atomic
from undercoat.spec import digest

__all__ = ["EvaluationView", "Pass", "extract", "extract_layers"]

Features = NDArray[np.floating[Any]]


def extract(
    backbone: Backbone,
    canvases: Canvases,
    *,
    view: EvaluationView,
    device: torch.device | str = "cpu",
    autocast_dtype: torch.dtype | None = None,
    batch: int = 256,
    cache: Path | None = None,
    stage: str = "",
) -> NDArray[np.float32]:
    """Read the features of all images with a frozen backbone, or take them from the cache.

    The backbone runs in evaluation mode without gradients; afterwards it is on the device it was on, with the
    same training flags, and every parameter and buffer has been compared with what it was.

    Args:
        backbone: images → features (B, D).
        canvases: N images; labels are not looked at.
        view: size and crop.
        device: where the backbone runs.
        autocast_dtype: ``torch.bfloat16`` for autocast, None for full precision.
        batch: images at a time.
        cache: folder in which features are kept; None keeps nothing.
        stage: digest of the stage whose weights these are; without one nothing is kept.

    Returns:
        (N, D) float32; a read-only memory map when a cache is used.

    Raises:
        RunError: when reading the features changed the backbone, or features are not finite.
    """
    if not len(canvases):
        return np.empty((0, backbone.dim), dtype=np.float32)
    once = Pass(view=view, device=torch.device(device), autocast_dtype=autocast_dtype, batch=batch)
    rows: NDArray[np.float32] = extract_layers(backbone, canvases, LayerReading(), once, cache=cache, stage=stage)[
        FINAL
    ]
    return rows


def extract_layers(
    backbone: Backbone,
    canvases: Canvases,
    reading: LayerReading,
    once: Pass,
    *,
    cache: Path | None = None,
    stage: str = "",
) -> dict[str, Features]:
    """Read several layers of all images in one pass of a frozen backbone; those in the cache are taken from it.

    Layers are kept in float16, which is exact to a part in two thousand and half the size; a layer with a value above
    65,504, or a batch whose largest is below 0.001 and not 0, is kept in float32 instead. The backbone's own features
    are float32 always.

    Args:
        backbone: left as it was, as by :func:`extract`.
        canvases: N images.
        reading: which layers, and how they are pooled.
        once: how the pass is made.
        cache: folder for one file a layer; None keeps them in memory.
        stage: digest of the stage whose weights these are; without one nothing is kept.

    Returns:
        Layer → (N, D); read-only memory maps when a cache is used, written batch by batch.

    Raises:
        RunError: when reading changed the backbone, or values are not finite.
        SpecError: for a layer or pooling that does not fit the backbone.
    """
    if cache is None or not stage:
        return _compute(backbone, canvases, reading, once, {})
    paths = {name: Path(cache) / _file_name(backbone, canvases, reading, once, stage, name) for name in reading.layers}
    missing = tuple(name for name, path in paths.items() if _kept(path, name, len(canvases)) is None)
    if missing:
        wanted = replace(reading, layers=missing, last=reading.last if reading.last in missing else None)
        with ExitStack() as files:
            _compute(backbone, canvases, wanted, once, {n: files.enter_context(atomic(paths[n])) for n in missing})
    found = {}
    for name, path in paths.items():
        kept = _kept(path, name, len(canvases))
        if kept is None:
            raise RunError(
                f"features written to {str(path)!r} cannot be read back; look at that disk, or give another cache"
            )
        found[name] = kept
    return found


def _compute(
    backbone: Backbone, canvases: Canvases, reading: LayerReading, once: Pass, paths: Mapping[str, Path]
) -> dict[str, Features]:
    """Run the backbone over all images; once more for every layer that turns out not to fit float16."""
    wide = {FINAL}
    while True:
        try:
            with ExitStack() as files:
                stores = {
                    name: files.enter_context(RowStore(len(canvases), paths.get(name), wide=name in wide))
                    for name in reading.layers
                }
                _fill(stores, backbone, canvases, reading, once)
                return {name: store.rows for name, store in stores.items() if store.rows is not None}
        except Unfit as unfit:
            wide |= {name for name, store in stores.items() if store is unfit.store}


def _fill(
    stores: Mapping[str, RowStore], backbone: Backbone, canvases: Canvases, reading: LayerReading, once: Pass
) -> None:
    broken = dict.fromkeys(reading.layers, 0)
    with frozen(backbone, once.device), torch.inference_mode():
        for _, images in once.batches(canvases):
            with once.autocast:
                found = read_layers(backbone, images, reading)
            for name, values in found.items():
                rows = values.flatten(1).cpu().numpy()
                broken[name] += int((~np.isfinite(rows).all(axis=1)).sum())
                stores[name].add(rows)
    for name, count in broken.items():
        if count:
            what = "the features" if name == FINAL else f"{name} maps"
            raise RunError(
                f"{what} of {count} of {len(canvases)} images of {canvases.name!r} are not finite, "
                "so nothing can be read out of them; look at the stage's loss, or lower its learning rate"
            )


def _file_name(
    backbone: Backbone, canvases: Canvases, reading: LayerReading, once: Pass, stage: str, layer: str
) -> str:
    """A name made of everything the numbers depend on: weights (through the stage), images, view, precision, layer."""
    about: dict[str, Any] = {
        "stage": stage,
        "backbone": backbone.name,
        "normalisation": [backbone.mean.flatten().tolist(), backbone.std.flatten().tolist()],
        "data": canvases.digest,
        "canvas_px": canvases.size_px,
        "scale": [float(canvases.low), float(canvases.high)],
        "rows": blake2b(canvases.rows.astype(np.int64).tobytes(), digest_size=16).hexdigest(),
        "view": asdict(once.view),
        "autocast": str(once.autocast_dtype),
    }
    if layer == FINAL:
        return f"features-{digest(about)}.npy"
    pooling = [reading.pooling, reading.max_features if reading.pooling == "auto" else None]
    return f"layer-{digest(about | {'layer': layer, 'pooling': pooling})}.npy"


def _kept(path: Path, layer: str, rows: int) -> Features | None:
    """The rows of a file that is there and whole; a cache may always be made again."""
    return stored_rows(path, rows, dtypes=(np.float32,) if layer == FINAL else (np.float16, np.float32))
