"""Pickles from strangers: dictionaries of numbers, texts and byte arrays, and nothing that could run.

A pickle is a program. The one written here for reads only what data sets of the Python 2 days contain; NumPy's
functions for taking arrays out of pickles are replaced by our own, which check every size, and whatever else
a pickle names is refused before it is looked up.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from undercoat.errors import DataError

__all__ = ["PICKLE_LIMIT_BYTES", "read_pickle"]

PICKLE_LIMIT_BYTES = 1 << 29  # the largest that is published, CIFAR-100's train, has 155 MB


class _RefusedError(Exception):
    """The pickle holds something that data does not need."""


class _Dtype:
    """Stands for ``numpy.dtype``: of a pickled type only its name is kept."""

    __slots__ = ("name",)

    def __init__(self, name: object, *rest: object) -> None:
        del rest
        self.name = _text(name)

    def __setstate__(self, state: object) -> None:
        """Byte order and the like; bytes have none."""


class _Array:
    """Stands for ``numpy.ndarray``: takes the pickled state, checked, and becomes a plain array."""

    __slots__ = ("values",)

    def __new__(cls, *given: object) -> _Array:
        del given
        made = super().__new__(cls)
        made.values = np.zeros(0, np.uint8)
        return made

    def __setstate__(self, state: object) -> None:
        match state:
            case (_, tuple() as shape, _Dtype(name="u1"), bool() | 0 | 1 as fortran, bytes() as data):
                self.values = _array(shape, data, fortran=bool(fortran))
            case _:
                raise _RefusedError("an array of something else than bytes")


class _Rebuild:
    """Stands for ``numpy.core.multiarray._reconstruct``: an empty array whose state follows."""

    __slots__ = ()

    def __call__(self, kind: object, *rest: object) -> _Array:
        del rest
        if kind is not _Array:
            raise _RefusedError("an array of an unknown kind")
        return _Array()

    def __setstate__(self, state: object) -> NoReturn:
        raise _RefusedError("a changed function")


class _FromBuffer(_Rebuild):
    """Stands for ``numpy.core.numeric._frombuffer``: an array in the newest pickles."""

    __slots__ = ()

    def __call__(self, data: object, *rest: object) -> _Array:
        made = _Array()
        match (data, *rest):
            case (bytes() | bytearray() as raw, _Dtype(), tuple() as shape, str() as order):
                made.__setstate__((1, shape, rest[0], order == "F", bytes(raw)))
            case _:
                raise _RefusedError("an array of something else than bytes")
        return made


class _Encode(_Rebuild):
    """Stands for ``_codecs.encode``, by which Python 3 writes bytes that Python 2 can read."""

    __slots__ = ()

    def __call__(self, text: object, *rest: object) -> Any:
        if not isinstance(text, str) or rest != ("latin1",):
            raise _RefusedError("text in an unknown encoding")
        return text.encode("latin1")


_ALLOWED = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Rebuild() for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _FromBuffer() for core in ("core", "_core")},
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Encode(),
}


class _Unpickler(pickle._Unpickler):  # the C one sets memory aside for whatever number a pickle names
    read: Callable[[int], bytes]
    append: Callable[[Any], None]

    def find_class(self, module: str, name: str) -> Any:
        """Only what stands in ``_ALLOWED``; nothing is imported."""
        if (module, name) not in _ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return _ALLOWED[module, name]

    def _load_bytearray8(self) -> None:
        """Python's own sets memory aside for whatever length is named, before it reads."""
        length = struct.unpack("<Q", self.read(8))[0]
        data = self.read(min(length, PICKLE_LIMIT_BYTES))
        if len(data) < length:
            raise EOFError
        self.append(bytearray(data))

    dispatch: ClassVar[dict[int, Any]] = {**pickle._Unpickler.dispatch, pickle.BYTEARRAY8[0]: _load_bytearray8}


def _array(shape: tuple[object, ...], raw: bytes, *, fortran: bool) -> NDArray[np.uint8]:
    sides = [side for side in shape if isinstance(side, int) and side >= 0]
    if len(sides) < len(shape) or len(shape) > 4 or math.prod(sides) != len(raw):
        raise _RefusedError(f"an array of shape {str(shape)[:40]} in {len(raw):,} bytes")
    return np.frombuffer(raw, np.uint8).reshape(sides, order="F" if fortran else "C")


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def read_pickle(data: bytes, where: str) -> dict[str, Any]:
    """Read a pickled dictionary of which nothing is run.

    Args:
        data: the file.
        where: its name, for messages.

    Returns:
        the dictionary with text as keys (Python 2 wrote bytes); arrays of bytes become uint8, everything
        else is as it was pickled, texts of Python 2 as bytes.

    Raises:
        DataError: for a file that is too large, cut off or no pickle, and for one that asks for more than
            dictionaries, lists, numbers, texts and arrays of bytes.

    Example:
        >>> read_pickle(pickle.dumps({b"labels": [3, 8]}, protocol=2), "data_batch_1")
        {'labels': [3, 8]}
    """
    if len(data) > PICKLE_LIMIT_BYTES:
        raise DataError(f"'{where}' has {len(data) / 1e9:.1f} GB, more than a batch of images; fetch it again")
    try:
        found = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except _RefusedError as error:
        raise DataError(
            f"'{where}' asks for {error}, which no file of images needs, and was not opened; "
            "it may be harmful, so fetch the set again from where it was published"
        ) from None
    except Exception:  # damaged pickles raise anything
        raise DataError(f"'{where}' is no pickle, or it is cut off; fetch it again") from None
    if not isinstance(found, dict):
        raise DataError(f"'{where}' holds no dictionary, so it is no file of such a set; fetch it again")
    return {_text(key): value.values if isinstance(value, _Array) else value for key, value in found.items()}
