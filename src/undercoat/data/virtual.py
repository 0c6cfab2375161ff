"""What is known about the images of a set without keeping it for each: rows, names and facts of any number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["EveryRow", "NumberedNames", "alike"]


def alike(value: Any, count: int, dtype: Any) -> NDArray[Any]:
    """(count,) of one value that is kept once.

    Example:
        >>> column = alike(1.0, 10_000_000, np.float32)
        >>> column.shape, column.strides
        ((10000000,), (0,))
    """
    return np.broadcast_to(np.array(value, dtype), (count,))


class EveryRow:
    """The numbers 0 … count-1 as an array that takes no memory until it is asked for.

    Example:
        >>> rows = EveryRow(10_000_000)
        >>> len(rows), rows[np.array([3, 5])].tolist()
        (10000000, [3, 5])
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return np.arange(*index.indices(self.count), dtype=np.int64)
        found = np.asarray(index)
        if found.dtype == bool:
            return np.flatnonzero(found)
        if found.size and not (-self.count <= found.min() and found.max() < self.count):
            worst = found.min() if found.min() < -self.count else found.max()
            raise IndexError(f"row {worst} of {self.count}")
        return found.astype(np.int64) % self.count

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.arange(self.count, dtype=dtype or np.int64)

    def astype(self, dtype: Any) -> NDArray[Any]:
        """All of them as an array."""
        return np.arange(self.count, dtype=dtype)


class NumberedNames(Sequence[str]):
    """Names that are numbers of seven digits or more: ``0000000``, ``0000001`` and so on.

    Args:
        rows: which numbers.

    Example:
        >>> NumberedNames(EveryRow(10_000_000))[7]
        '0000007'
    """

    def __init__(self, rows: EveryRow | NDArray[np.int64]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, position: int) -> str: ...
    @overload
    def __getitem__(self, position: slice) -> list[str]: ...
    def __getitem__(self, position: int | slice) -> str | list[str]:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        return f"{int(self.rows[position]):07d}"

    def take(self, index: NDArray[np.int64]) -> NumberedNames:
        """Choose names by position."""
        return NumberedNames(self.rows[index])
