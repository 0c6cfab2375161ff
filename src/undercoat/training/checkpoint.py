"""The checkpoint of a run: everything a resume needs, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from undercoat.errors import RunError
from undercoat.files import atomic

__all__ = ["load_checkpoint", "save_checkpoint"]

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write what a resume needs to ``folder/checkpoint.pt``."""
    with atomic(folder / CHECKPOINT) as temporary:
        torch.save(state, temporary)


def load_checkpoint(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """Read the checkpoint, or None when there is none.

    Raises:
        RunError: when the file cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise RunError(f"{path} cannot be read ({type(error).__name__}); delete it to start this run anew") from error
    return state
