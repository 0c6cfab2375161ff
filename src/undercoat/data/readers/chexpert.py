"""CheXpert (Irvin et al. 2019): chest radiographs with 14 findings that are there, not there, or uncertain.

Read are ``train.csv`` and ``valid.csv`` of CheXpert-v1.0 and CheXpert-v1.0-small. ``?labels=competition`` (the
default) keeps the five findings of the competition, ``?labels=all`` the 14. Blank means not mentioned and counts as
absent. An uncertain finding (-1) is, by ``?uncertain=``: absent with ``zeros`` (the default, and what Reed et al. 2021
do), present with ``ones``, and with ``ignore`` an image that has one among the chosen findings is unlabelled. The 234
official validation images, read by radiologists, are the split ``test``; ``val`` is one patient of five of train, by
a draw of our own. Groups are patients.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from undercoat.data.listing import Listing
from undercoat.data.readers.annotations import VAL_SHARE, Annotated, drawn_alike, place_of, presence
from undercoat.data.readers.complete import stamps_of_all
from undercoat.data.readers.published import a_few
from undercoat.errors import DataError, SpecError, did_you_mean

__all__ = ["FINDINGS", "read_chexpert"]

FINDINGS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
_SETS = {
    "competition": ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"),
    "all": FINDINGS,
}
_POLICIES = ("zeros", "ones", "ignore")
_VALUES = {"": 0, "0": 0, "0.0": 0, "1": 1, "1.0": 1, "-1": -1, "-1.0": -1}
_PLACES = ("train.csv", "CheXpert-v1.0-small/train.csv", "CheXpert-v1.0/train.csv")
_PATIENT = re.compile(r"/(patient\d+)/")


@dataclass(frozen=True)
class _Row:
    """One radiograph: its path below the set's folder, its patient, and the findings; None when unlabelled."""

    path: str
    patient: str
    shown: frozenset[int] | None


def read_chexpert(source: str, labels: str = "", uncertain: str = "") -> Listing:
    """CheXpert, small or full: train.csv and valid.csv; ?labels=all for 14 findings, ?uncertain=ones or ignore."""
    which, policy = labels or "competition", uncertain or "zeros"
    _check_choice("labels", which, tuple(_SETS), source)
    _check_choice("uncertain", policy, _POLICIES, source)
    base = place_of(source, _PLACES, "train.csv, valid.csv, train/ and valid/")
    findings = _SETS[which]
    parts = {name: list(_rows(base / f"{name}.csv", findings, policy)) for name in ("train", "valid")}
    empty = [name for name, rows in parts.items() if not rows]
    if empty:
        raise DataError(f"'{base / empty[0]}.csv' names no image; take it as it was published")
    _check_patients(parts["train"], parts["valid"], base)
    rows = parts["train"] + parts["valid"]
    files = [row.path for row in rows]
    listing = Annotated(
        source=source,
        reader="chexpert",
        base=base,
        files=files,
        stamps=stamps_of_all(base, files, "train.csv and valid.csv", "unpack the images again"),
        beside=[base / "train.csv", base / "valid.csv"],
        classes=findings,
        labels=presence([row.shown for row in rows], len(findings)),
        splits=["train"] * len(parts["train"]) + ["test"] * len(parts["valid"]),
        groups=[row.patient for row in rows],
        notes=(f"{len(findings)} findings; uncertain ones: {policy}", "the official valid is the split 'test'"),
    ).listing()
    return drawn_alike(listing, VAL_SHARE, of="train")


def _check_choice(option: str, value: str, known: tuple[str, ...], source: str) -> None:
    if value not in known:
        near = did_you_mean(value, known) or f"; there are {', '.join(known)}"
        raise SpecError(f"'{value}' is no choice of '{option}' for CheXpert in '{source}'{near}")


def _check_patients(train: list[_Row], valid: list[_Row], base: Path) -> None:
    both = {row.patient for row in train} & {row.patient for row in valid}
    if both:
        raise DataError(
            f"{len(both):,} patients of '{base}' are in train.csv and in valid.csv ({a_few(both)}), so what is tested "
            "would have been seen; take both lists as they were published"
        )


def _rows(file: Path, findings: tuple[str, ...], policy: str) -> Iterator[_Row]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            absent = [name for name in ("Path", *findings) if name not in (reader.fieldnames or ())]
            if absent:
                raise DataError(f"'{file}' has no column {', '.join(map(repr, absent))}; take it as it was published")
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(
                        f"line {reader.line_num} of '{file}' has not as many fields as its head, as when a copy broke "
                        "off; fetch it again"
                    )
                yield _row(file, reader.line_num, row, findings, policy)
    except FileNotFoundError:
        raise DataError(f"'{file}' is not there; unpack CheXpert again") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{file}' is no sound CSV ({error}); take it as it was published") from None


def _row(file: Path, line: int, row: dict[str, str], findings: tuple[str, ...], policy: str) -> _Row:
    """The path is written with the set's own folder in front, whatever that is called here."""
    path = row["Path"].partition("/")[2]
    patient = _PATIENT.search(path)
    if not patient:
        raise DataError(
            f"line {line} of '{file}' names {row['Path']!r}, and not CheXpert-v1.0/train/patient00001/…; take it as "
            "it was published"
        )
    values = [_VALUES.get(row[name].strip()) for name in findings]
    if None in values:
        odd = findings[values.index(None)]
        raise DataError(
            f"line {line} of '{file}' has {row[odd]!r} for {odd}, and not 1, 0, -1 or a blank; fetch it again"
        )
    if policy == "ignore" and -1 in values:
        return _Row(path, patient[1], None)
    present = (1, -1) if policy == "ones" else (1,)
    return _Row(path, patient[1], frozenset(i for i, value in enumerate(values) if value in present))
