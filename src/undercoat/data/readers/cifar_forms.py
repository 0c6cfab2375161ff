"""The forms in which CIFAR-10 and CIFAR-100 are published: which files they have and how to know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from undercoat.data.readers.packed import Packed, PackedFolder

__all__ = ["FILES", "FORMS", "Form", "form_of", "places_in"]

_FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin", "cifar-100-python", "cifar-100-binary")


@dataclass(frozen=True)
class Form:
    """One published form: the files of each split, and where each set of labels and its names stand.

    ``fields`` are keys of a pickle, or the column of a binary record; ``names`` the file and, in a pickle, the key.
    """

    title: str
    train: tuple[str, ...]
    test: str
    fields: Mapping[str, str | int]
    names: Mapping[str, tuple[str, str]]

    @property
    def pickled(self) -> bool:
        """Whether it is the python version."""
        return not self.test.endswith(".bin")

    @property
    def batches(self) -> tuple[str, ...]:
        """The files with images, in order."""
        return (*self.train, self.test)

    @property
    def files(self) -> tuple[str, ...]:
        """Everything that has to be there."""
        return (*self.batches, *dict.fromkeys(file for file, _ in self.names.values()))


FORMS = (
    Form(
        "CIFAR-10, python version",
        tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test_batch",
        {"fine": "labels"},
        {"fine": ("batches.meta", "label_names")},
    ),
    Form(
        "CIFAR-10, binary version",
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test_batch.bin",
        {"fine": 0},
        {"fine": ("batches.meta.txt", "")},
    ),
    Form(
        "CIFAR-100, python version",
        ("train",),
        "test",
        {"fine": "fine_labels", "coarse": "coarse_labels"},
        {"fine": ("meta", "fine_label_names"), "coarse": ("meta", "coarse_label_names")},
    ),
    Form(
        "CIFAR-100, binary version",
        ("train.bin",),
        "test.bin",
        {"fine": 1, "coarse": 0},
        {"fine": ("fine_label_names.txt", ""), "coarse": ("coarse_label_names.txt", "")},
    ),
)

FILES = frozenset(name for form in FORMS for name in form.files)


def places_in(folder: Path) -> list[Path]:
    """Where files of a form lie: the folder itself, and those in it that are called as the archives unpack."""
    places = [folder, *(folder / name for name in _FOLDERS)]
    return [place for place in places if form_of(PackedFolder(place, FILES)) is not None]


def form_of(packed: Packed) -> Form | None:
    """The form of which most files are there; half of them, and one batch, are enough to know it by."""
    found = [
        (len(packed.names & set(form.files)) / len(form.files), form)
        for form in FORMS
        if any(_is_batch(packed, form, name) for name in form.batches)
    ]
    share, form = max(found, key=lambda pair: pair[0], default=(0.0, None))
    return form if share >= 0.5 else None


def _is_batch(packed: Packed, form: Form, name: str) -> bool:
    """Files called ``train`` or ``test`` may be anything: a pickle begins as a pickle."""
    return name in packed.names and (not form.pickled or packed.begins(name) in (b"\x80", b"(", b"}"))
