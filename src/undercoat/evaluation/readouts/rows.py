"""Features as a probe wants them: few in memory, many gathered batch by batch from disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.evaluation.readouts.standardise import Standardise

__all__ = ["Rows", "Source", "StreamedRows"]

_ROOM_BYTES = {"cpu": 1 << 30}  # of float32 rows that several layers may take together …
_ROOM_ELSEWHERE_BYTES = 8 << 30  # … and on an accelerator
_BLOCK = 1024


class Source(Protocol):
    """Standardised rows: a tensor (N, D), or what gives batches like one."""

    @property
    def shape(self) -> torch.Size:
        """N, D."""
        ...

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return (B, D) rows by their positions."""
        ...


@dataclass(frozen=True)
class Rows:
    """Some rows of the features of one layer.

    Attributes:
        features: (N, D), float32, or float16 of a layer; may be a memory map.
        positions: which rows; None = all.
        device: where they are used.
        layers: how many layers share the memory.
        channels: of the map that the features are, to standardise them together; None standardises each by itself.
    """

    features: NDArray[np.floating[Any]]
    positions: NDArray[np.int64] | None
    device: str
    layers: int = 1
    channels: int | None = None

    @property
    def streamed(self) -> bool:
        """Whether the rows are too many to be in memory; a backbone's own features, in float32, never are."""
        room = _ROOM_BYTES.get(self.device.partition(":")[0], _ROOM_ELSEWHERE_BYTES)
        return self.features.dtype == np.float16 and 4 * self.features.size > room // self.layers

    def take(self, index: NDArray[np.int64] | slice) -> Tensor:
        """Return (B, D) float32 rows."""
        chosen: Any = self.features if self.positions is None else self.positions
        rows = chosen[index] if self.positions is None else self.features[chosen[index]]
        return torch.as_tensor(np.array(rows, dtype=np.float32), device=self.device)

    def blocks(self) -> Iterator[Tensor]:
        """All rows, in one piece or, when streamed, in several."""
        count = len(self.features) if self.positions is None else len(self.positions)
        step = _BLOCK if self.streamed else max(1, count)
        for start in range(0, count, step):
            yield self.take(slice(start, start + step))

    def standardised(self) -> tuple[Standardise, Source]:
        """Measure mean and deviation of these rows, and give the rows with them."""
        if self.streamed:
            standardise = Standardise.over(self.blocks(), channels=self.channels)
            return standardise, StreamedRows(self, standardise)
        (features,) = self.blocks()
        standardise = Standardise.of(features, channels=self.channels)
        return standardise, standardise(features)


@dataclass(frozen=True)
class StreamedRows:
    """Rows that are read from disk and standardised when a batch asks for them."""

    rows: Rows
    standardise: Standardise

    @property
    def shape(self) -> torch.Size:
        """N, D."""
        features, positions = self.rows.features, self.rows.positions
        return torch.Size((len(features) if positions is None else len(positions), features.shape[1]))

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return (B, D) rows by their positions."""
        return self.standardise(self.rows.take(index.cpu().numpy()))
