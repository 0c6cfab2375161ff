"""Look at what a method sees, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from undercoat.errors import RunError
from undercoat.methods import method_class
from undercoat.runtime import Runtime
from undercoat.study.coat import first_weights, recipe_of
from undercoat.study.expansion import Leaf
from undercoat.study.graph import DataShelf, build_graph
from undercoat.study.stage import Stage
from undercoat.study.views_sheet import save_views_sheet
from undercoat.training.training import Budget, Training

__all__ = ["preview"]


def preview(
    data: str,
    *,
    method: str = "moco_v2",
    out: Path | str = Path("preview.png"),
    method_arguments: dict[str, Any] | None = None,
    preset: str = "auto",
    size_px: int | None = None,
    canvas_px: int | None = None,
    augmentation: str = "auto",
    augmentation_arguments: dict[str, Any] | None = None,
    seed: int = 0,
    cache: Path | str | None = None,
    overwrite: bool = False,
) -> Path:
    """Save a contact sheet of the very images that a method hands to its network: tiles, rotations, views.

    Args:
        data: images: a folder, CSV, IDX or NumPy file, or ``sample:NAME``.
        method: of ``undercoat list methods``.
        out: the PNG: one row an image, the whole image first, then what enters the network in its first epochs.
        method_arguments: settings of the method.
        preset: of the method.
        size_px: side of the views.
        canvas_px: side of the decoded squares.
        augmentation: of ``undercoat list augmentations``; auto: what the method's preset is fed.
        augmentation_arguments: what differs from it.
        seed: of everything random; the same seed shows what a run with it will see.
        cache: where decoded images are kept (default: ``.undercoat-cache``).
        overwrite: replace the file when it is there.

    Raises:
        SpecError, DataError: in one sentence.
        RunError: when the file is there already.
    """
    path = Path(out)
    if path.exists() and not overwrite:
        raise RunError(f"{path} is there already; add --overwrite, or choose another --out")
    asked = {
        "data": data,
        "method": method,
        "method_arguments": method_arguments or {},
        "preset": preset,
        "size_px": size_px,
        "canvas_px": canvas_px,
        "augmentation": augmentation,
        "augmentation_arguments": augmentation_arguments or {},
        "seed": seed,
    }
    # what a method sees does not depend on its network: a small one builds at once
    stage = Stage.of({**asked, "init": "random", "backbone": "timm/test_resnet", "steps": 1}, where="preview")
    shelf = DataShelf(cache=None if cache is None else Path(cache))
    graph = build_graph([Leaf("preview", seed, (stage,))], shelf, path.parent, device="cpu")
    coat = graph.coats[graph.routes[0].coats[-1]]
    assert coat.data is not None
    training = Training(
        data=coat.data,
        recipe=recipe_of(coat.stage),
        optimiser=coat.stage.optimiser,
        budget=Budget(steps=1, batch=coat.stage.batch, seed=seed),
        part="all",
        runtime=Runtime.start(device="cpu", precision="fp32"),
        folder=path.parent,
    )
    backbone = first_weights(coat.stage).backbone
    return save_views_sheet(method_class(method)(backbone, **coat.stage.method_arguments).eval(), training, path)
