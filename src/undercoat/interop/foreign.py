"""A file of anybody's weights → the backbone's tensors by timm's names, and an account of all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from undercoat.errors import WeightsError
from undercoat.interop.formats import LAYOUTS, find_layout, to_timm_names
from undercoat.interop.formats.layout import Normalisation
from undercoat.interop.untrusted import Array, read_content

__all__ = ["OURS", "Foreign", "read_foreign"]

#: the layout of what a run of ours made
OURS = "undercoat"
_DEEPEST = 12


@dataclass(frozen=True)
class Foreign:
    """What was found in a file of weights.

    Attributes:
        source: the file.
        layout: a key of ``LAYOUTS``, or ``undercoat``; None where nothing was recognised, and names are as they were.
        dialect: how the backbone's tensors were named; None for timm's names.
        state: the backbone's tensors, by timm's names.
        dropped: what else there was → how many tensors.
        other: names of tensors that are neither.
        notes: where timm's network does otherwise than the original.
    """

    source: Path
    layout: str | None
    dialect: str | None
    state: dict[str, Tensor]
    dropped: dict[str, int]
    other: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The layout in words."""
        if self.layout == OURS:
            return "a run of Undercoat"
        return "no layout that is known" if self.layout is None else LAYOUTS[self.layout].title

    @property
    def normalisation(self) -> Normalisation | None:
        """Mean and std that the layout implies; None for what the network's library says."""
        return None if self.layout in (None, OURS) else LAYOUTS[self.layout or ""].normalisation


def read_foreign(path: Path | str) -> Foreign:
    """Read a checkpoint and find the backbone in it, by its tensors' names.

    Raises:
        WeightsError: when it cannot be read, or holds no tensors by name.
    """
    content = read_content(path)
    tensors = _flat(content)
    if not tensors:
        raise WeightsError(f"{str(path)!r} holds no tensors by name; save a state_dict")
    facts = [str(key) for key in content if not isinstance(content[key], Tensor | Array)]
    layout = find_layout(tensors, facts)
    if layout is None:
        return Foreign(Path(path), None, None, tensors, {}, ())
    parted = layout.part(tensors)
    state, dialect, notes = to_timm_names(parted.backbone)
    name = next(name for name, known in LAYOUTS.items() if known is layout)
    return Foreign(Path(path), name, dialect, state, parted.dropped, parted.other, notes)


def _flat(content: Any, start: str = "", depth: int = 0) -> dict[str, Tensor]:
    """Tensors by dotted names, through nested dictionaries but not through lists."""
    if not isinstance(content, Mapping) or depth > _DEEPEST:
        return {}
    found: dict[str, Tensor] = {}
    for key, value in content.items():
        if isinstance(value, Array):
            value = value.tensor()
        if isinstance(value, Tensor):
            found[f"{start}{key}"] = value
        elif isinstance(value, Mapping):
            found.update(_flat(value, f"{start}{key}.", depth + 1))
    return found
