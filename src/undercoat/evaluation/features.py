"""Frozen features: every image through the backbone once, kept on disk, and the backbone left as it was."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from undercoat.augment import centre_view
from undercoat.backbones.backbone import Backbone
from undercoat.data.canvases import Canvases
from undercoat.errors import RunError, SpecError
from undercoat.evaluation.frozen import frozen
from undercoat.files import atomic
from undercoat.spec import digest

__all__ = ["EvaluationView", "extract"]

Features = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class EvaluationView:
    """How an image is shown to the backbone when it is evaluated: a centre crop, nothing random.

    Attributes:
        size_px: side of the square view.
        crop_fraction: share of the shorter side that is kept, in (0, 1]; 1 shows all of a square image.

    Example:
        >>> EvaluationView(size_px=224, crop_fraction=0.875).crop_fraction
        0.875
    """

    size_px: int
    crop_fraction: float = 1.0

    def __post_init__(self) -> None:
        if self.size_px < 1:
            raise SpecError(f"size_px is {self.size_px}, but a view needs at least one pixel; give a larger size_px")
        if not 0 < self.crop_fraction <= 1:
            raise SpecError(f"crop_fraction is {self.crop_fraction}, but it is a share of the side; give 0 < x <= 1")


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """How one set of images is read."""

    view: EvaluationView
    device: torch.device
    autocast_dtype: torch.dtype | None
    batch: int


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
) -> Features:
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
    reading = _Reading(view=view, device=torch.device(device), autocast_dtype=autocast_dtype, batch=batch)
    if cache is None or not stage:
        return _compute(backbone, canvases, reading)
    path = Path(cache) / f"features-{_digest(backbone, canvases, reading, stage)}.npy"
    kept = _load(path, len(canvases))
    if kept is None:
        features = _compute(backbone, canvases, reading)
        with atomic(path) as temporary, temporary.open("wb") as out:
            np.save(out, features)
        kept = _load(path, len(canvases))
    if kept is None:
        raise RunError(
            f"features written to {str(path)!r} cannot be read back; look at that disk, or give another cache"
        )
    return kept


def _compute(backbone: Backbone, canvases: Canvases, reading: _Reading) -> Features:
    features = np.empty((len(canvases), backbone.dim), dtype=np.float32)
    view, device, dtype = reading.view, reading.device, reading.autocast_dtype
    with frozen(backbone, device), torch.inference_mode():
        for start in range(0, len(canvases), reading.batch):
            index = np.arange(start, min(start + reading.batch, len(canvases)))
            images = centre_view(
                torch.from_numpy(canvases.batch(index)).to(device),
                canvases.aspect[index],
                size_px=view.size_px,
                crop_fraction=view.crop_fraction,
                dtype=torch.float32,
                low=canvases.low,
                high=canvases.high,
            )
            with torch.autocast(device.type, dtype) if dtype is not None else nullcontext():
                features[index] = backbone(images).float().cpu().numpy()
    broken = int((~np.isfinite(features).all(axis=1)).sum())
    if broken:
        raise RunError(
            f"the features of {broken} of {len(features)} images of {canvases.name!r} are not finite, "
            "so nothing can be read out of them; look at the stage's loss, or lower its learning rate"
        )
    return features


def _digest(backbone: Backbone, canvases: Canvases, reading: _Reading, stage: str) -> str:
    """Everything the features depend on: weights (through the stage), images, view and precision."""
    return digest(
        {
            "stage": stage,
            "backbone": backbone.name,
            "normalisation": [backbone.mean.flatten().tolist(), backbone.std.flatten().tolist()],
            "data": canvases.digest,
            "canvas_px": canvases.size_px,
            "scale": [float(canvases.low), float(canvases.high)],
            "rows": blake2b(canvases.rows.astype(np.int64).tobytes(), digest_size=16).hexdigest(),
            "view": asdict(reading.view),
            "autocast": str(reading.autocast_dtype),
        }
    )


def _load(path: Path, rows: int) -> Features | None:
    try:
        kept = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):  # not there, or not whole: a cache may always be made again
        return None
    return kept if kept.ndim == 2 and len(kept) == rows and kept.dtype == np.float32 else None
