"""The product of a run: ``backbone.safetensors`` with plain library names, and ``backbone.json`` beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from undercoat.backbones import Backbone, build_backbone
from undercoat.errors import RunError, WeightsError
from undercoat.files import atomic, write_json
from undercoat.interop.state import load_into, read_state

__all__ = ["describe_backbone", "find_backbone", "load_backbone", "save_backbone"]

WEIGHTS, DESCRIPTION = "backbone.safetensors", "backbone.json"
IMPORT = "import.json"  # beside them where the weights came from elsewhere


def describe_backbone(backbone: Backbone) -> dict[str, Any]:
    """What is needed to build the same network again."""
    return {
        "name": backbone.name,
        "arguments": backbone.arguments,
        "channels": backbone.channels,
        "dim": backbone.dim,
        "mean": backbone.mean.flatten().tolist(),
        "std": backbone.std.flatten().tolist(),
    }


def save_backbone(backbone: Backbone, folder: Path | str) -> Path:
    """Write a backbone's weights and description; each file whole or not at all.

    Args:
        backbone: one that was built by name.
        folder: made when missing.

    Returns:
        the path of ``backbone.safetensors``, which plain timm can load too.
    """
    path = Path(folder) / WEIGHTS
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in backbone.trunk.state_dict().items()}
    with atomic(path) as temporary:
        save_file(state, temporary)
    write_json(Path(folder) / DESCRIPTION, describe_backbone(backbone))
    return path


def find_backbone(place: Path | str) -> Path | None:
    """Find the folder that holds a backbone: a run, an arm of a study (``runs/demo/hpt``), or a weights file's.

    For an arm with several seeds, the first seed's.
    """
    path = Path(place)
    if path.name == WEIGHTS:
        path = path.parent
    if (path / DESCRIPTION).is_file():
        return path
    study = path.parent / "study.json"
    if study.is_file() and not path.is_dir():
        for arm in json.loads(study.read_text(encoding="utf-8")).get("arms", []):
            if arm["name"] == path.name:
                stages = next(iter(arm["stages"].values()))
                return find_backbone(path.parent / "stages" / stages[-1])
    return None


def load_backbone(place: Path | str) -> Backbone:
    """Load the backbone that a run made.

    Args:
        place: a run folder, ``STUDY/ARM``, or the path of ``backbone.safetensors``.

    Returns:
        a module in evaluation mode: images (B, C, H, W) in 0..1 → features (B, D).

    Raises:
        RunError: when there is no finished backbone.
        WeightsError: when the weights do not fit their description.
    """
    folder = find_backbone(place)
    if folder is None:
        raise RunError(
            f"there is no finished backbone at {str(place)!r}; undercoat show {place} says how far the run is"
        )
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder / DESCRIPTION} cannot be read: {error}") from error
    backbone = build_backbone(
        described["name"],
        channels=described["channels"],
        arguments=described["arguments"],
        mean=described["mean"],
        std=described["std"],
    )
    state = read_state(folder / WEIGHTS)
    load_into(backbone.trunk, state, source=str(folder / WEIGHTS))
    backbone.trunk.load_state_dict(state)
    return backbone.eval()
