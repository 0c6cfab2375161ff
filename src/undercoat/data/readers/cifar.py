"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), in both forms that are published, unpacked or as the ``.tar.gz``.

The *python version* holds pickles (``data_batch_1`` … ``test_batch`` and ``batches.meta``; ``train``, ``test`` and
``meta``), the *binary version* records of 3,073 or 3,074 bytes (``data_batch_1.bin`` …; ``train.bin``, ``test.bin``).
Both become the same images, keys and classes, so that they share a digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undercoat.data.listing import ArrayRows, Listing
from undercoat.data.names import Names
from undercoat.data.readers.cifar_forms import FILES, Form, form_of, places_in
from undercoat.data.readers.packed import Packed, is_tar_name, open_packed
from undercoat.data.readers.pickles import read_pickle
from undercoat.errors import DataError, SpecError, did_you_mean

__all__ = ["holds_cifar", "is_cifar_name", "read_cifar"]

_PIXELS = 3 * 32 * 32  # red, green and blue planes of 32 rows
_PUBLISHED = 60_000
_Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]  # pixels (N, 3072), labels (N,)


def is_cifar_name(name: str) -> bool:
    """Whether a file's name is that of a published archive.

    Example:
        >>> is_cifar_name("cifar-10-python.tar.gz"), is_cifar_name("data.tar.gz")
        (True, False)
    """
    return name.lower().startswith("cifar-10") and is_tar_name(name)


def holds_cifar(folder: Path) -> bool:
    """Whether a folder, or a ``cifar-10…`` folder in it, holds files of CIFAR-10 or CIFAR-100."""
    return bool(places_in(folder))


def read_cifar(source: str, labels: str = "") -> Listing:
    """CIFAR-10 or CIFAR-100 as published, pickled or binary, a folder or .tar.gz; ?labels=coarse for 20 classes."""
    place = _one_place(source)
    with open_packed(place, FILES) as packed:
        form = _complete_form(packed, source)
        which = _label_set(form, labels, source)
        classes = _classes(packed, form, which)
        numbers = {}
        for name in packed.in_file_order(form.batches):
            numbers[name] = _read_batch(packed, form, name, which)[1]
            _check_labels(numbers[name], classes, f"{place}: {name}")
        stamp = packed.stamp(form.files)
    counts = [len(numbers[name]) for name in form.batches]
    return Listing(
        name=source,
        reader="cifar",
        keys=Names.of(f"{name.removesuffix('.bin')}/{i}" for name in form.batches for i in range(len(numbers[name]))),
        source=ArrayRows((sum(counts), 32, 32, 3), np.dtype(np.uint8), lambda: _stream(place, form, which)),
        stamp=stamp,
        classes=classes,
        labels=np.concatenate([numbers[name] for name in form.batches]),
        splits=np.repeat(np.array(["train"] * len(form.train) + ["test"], "<U5"), counts),
        groups=np.zeros(sum(counts), "<U1"),
        notes=_notes(form, sum(counts)),
    )


def _one_place(source: str) -> Path:
    path = Path(source)
    if path.is_file():
        return path
    places = places_in(path)
    if len(places) > 1:
        raise DataError(f"'{source}' holds several sets ({', '.join(p.name for p in places)}); give the folder of one")
    if not places:
        raise DataError(
            f"'{source}' holds no CIFAR: neither data_batch_1 … test_batch (CIFAR-10) nor train, test and meta "
            "(CIFAR-100), with or without .bin; give the folder or .tar.gz as it was published"
        )
    return places[0]


def _complete_form(packed: Packed, source: str) -> Form:
    form = form_of(packed)
    if form is None:
        raise DataError(
            f"'{source}' holds no CIFAR; give cifar-10-python.tar.gz or another archive as it was published"
        )
    missing = [name for name in form.files if name not in packed.names]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise DataError(
            f"'{source}' is a part of {form.title}: {', '.join(missing)} {verb} missing; unpack the archive again"
        )
    return form


def _label_set(form: Form, labels: str, source: str) -> str:
    if labels and labels not in form.names:
        near = did_you_mean(labels, form.names) or f"; label sets are {', '.join(form.names)}"
        raise SpecError(f"'{labels}' is no set of labels of {form.title} in '{source}'{near}")
    return labels or "fine"


def _classes(packed: Packed, form: Form, which: str) -> tuple[str, ...]:
    file, key = form.names[which]
    if not form.pickled:
        lines = packed.read(file).decode("utf-8", "replace").splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    names = read_pickle(packed.read(file), file).get(key)
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise DataError(f"'{file}' has no list '{key}' of class names; unpack the archive again")
    return tuple(name.decode("latin1") if isinstance(name, bytes) else name for name in names)


def _read_batch(packed: Packed, form: Form, name: str, which: str) -> _Batch:
    """The pixels (N, 3072) and labels (N,) of one file."""
    data = packed.read(name)
    if form.pickled:
        return _from_pickle(data, str(form.fields[which]), name)
    fields = len(form.fields)
    if not data or len(data) % (fields + _PIXELS):
        raise DataError(
            f"'{name}' has {len(data):,} bytes, not a whole number of records of {fields + _PIXELS:,}; fetch it again"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, fields + _PIXELS)
    return records[:, fields:], records[:, int(form.fields[which])].astype(np.int64)


def _from_pickle(data: bytes, key: str, name: str) -> _Batch:
    found = read_pickle(data, name)
    pixels, labels = found.get("data"), found.get(key)
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != _PIXELS or not len(pixels):
        raise DataError(f"'{name}' has no array 'data' of images (N, 3072); unpack the archive again")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"'{name}' has no list '{key}' of whole numbers; unpack the archive again")
    if len(labels) != len(pixels):
        raise DataError(f"'{name}' has {len(labels):,} labels for {len(pixels):,} images; unpack the archive again")
    return pixels, np.array([min(max(label, -1), 1 << 20) for label in labels], np.int64)


def _check_labels(labels: NDArray[np.int64], classes: tuple[str, ...], where: str) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise DataError(
            f"image {wrong[0]} in '{where}' has label {labels[wrong[0]]}, and there are {len(classes)} classes; "
            "fetch the set again"
        )


def _stream(place: Path, form: Form, which: str) -> Iterator[NDArray[np.generic]]:
    with open_packed(place, FILES) as packed:
        for name in form.batches:
            pixels, _ = _read_batch(packed, form, name, which)
            yield from pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _notes(form: Form, count: int) -> tuple[str, ...]:
    short = () if count == _PUBLISHED else (f"{count:,} images, and {_PUBLISHED:,} are published",)
    return (form.title, *short)
