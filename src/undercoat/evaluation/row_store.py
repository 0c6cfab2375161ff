"""Rows of numbers as they come, batch by batch: in memory, or in a ``.npy`` file that is never whole in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowStore", "Unfit", "stored_rows"]

Rows = NDArray[np.floating[Any]]

_LARGEST = float(np.finfo(np.float16).max)  # 65,504
_FAINT = 1e-3  # float16 loses digits below 6e-5


class Unfit(Exception):  # noqa: N818 - no error of the user's: the caller starts again with wide rows
    """Values that float16 cannot hold."""

    def __init__(self, store: RowStore) -> None:
        super().__init__()
        self.store = store


class RowStore:
    """A table (N, D) that is filled in order; D is that of the first batch.

    Args:
        count: N.
        path: file to write; None keeps the rows in memory.
        wide: keep float32 rather than float16.

    Example:
        >>> with RowStore(3, None) as store:
        ...     store.add(np.ones((2, 4), dtype=np.float32))
        ...     store.add(np.zeros((1, 4), dtype=np.float32))
        >>> store.rows.shape, store.rows.dtype
        ((3, 4), dtype('float16'))
    """

    def __init__(self, count: int, path: Path | None, *, wide: bool = False) -> None:
        self.count, self.path, self.wide = count, path, wide
        self.rows: Rows | None = None
        self._file: IO[bytes] | None = None
        self._filled = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, rows: NDArray[np.float32]) -> None:
        """Add (B, D) rows after those that are there.

        Raises:
            Unfit: when a value is too large for float16, or all that are not 0 are too small; not when ``wide``.
        """
        if not self.wide:
            finite = np.abs(rows[np.isfinite(rows)])
            largest = finite.max(initial=0.0)
            if largest > _LARGEST or 0 < largest < _FAINT:
                raise Unfit(self)
        kept: Rows = rows if self.wide else rows.astype(np.float16)
        if self.path is None:
            if self.rows is None:
                self.rows = np.empty((self.count, kept.shape[1]), dtype=kept.dtype)
            self.rows[self._filled : self._filled + len(kept)] = kept
        else:
            self._open(kept).write(np.ascontiguousarray(kept).tobytes())
        self._filled += len(kept)

    def _open(self, first: Rows) -> IO[bytes]:
        """The file, with a header for all rows at its start; a full disk is then an error and no crash."""
        if self._file is None:
            assert self.path is not None
            self._file = self.path.open("wb")
            header = {"descr": first.dtype.str, "fortran_order": False, "shape": (self.count, first.shape[1])}
            np.lib.format.write_array_header_1_0(self._file, header)
        return self._file


def stored_rows(path: Path, count: int, *, dtypes: Sequence[type[np.floating[Any]]]) -> Rows | None:
    """Read a file that :class:`RowStore` wrote, as a read-only memory map; None when it is not there or not whole."""
    try:
        kept = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return kept if kept.ndim == 2 and len(kept) == count and kept.dtype in dtypes else None
