"""A CSV that names images and says what is known of each."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np

from undercoat.data.labelling import number_labels, read_splits
from undercoat.data.listing import FilePaths, Listing
from undercoat.data.names import Names
from undercoat.errors import DataError, did_you_mean

__all__ = ["COLUMNS", "read_table"]

COLUMNS = ("path", "label", "split", "group")


@dataclass
class _Table:
    """The columns of the rows whose files are there."""

    path: list[str] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def read_table(source: str) -> Listing:
    """A CSV with columns path[,label][,split][,group]; paths are relative to it, several labels are a|b."""
    file = Path(source)
    stamp = blake2b(f"{file.parent.resolve()}\n".encode("utf-8", "surrogateescape"), digest_size=16)
    table, seen = _Table(), dict[str, int]()
    for line, row in _rows(file):
        path = row["path"].strip()
        if not path:
            raise DataError(f"line {line} of '{source}' has no path; fill it in or remove the line")
        spelled = os.path.normpath(path)  # ./a.png is a.png
        if spelled in seen:
            raise DataError(
                f"'{path}' stands on lines {seen[spelled]} and {line} of '{source}'; keep one, with several labels as "
                "a|b"
            )
        seen[spelled] = line
        try:
            status = os.stat(os.path.join(file.parent, path))
        except (OSError, ValueError) as error:  # a path with a null byte is no path
            table.skipped.append((path, f"cannot be read ({getattr(error, 'strerror', error)})"))
            continue
        stamp.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        table.path.append(path)
        for column in COLUMNS[1:]:
            getattr(table, column).append(row.get(column, "").strip())
    return _listing(source, file, table, stamp.hexdigest())


def _listing(source: str, file: Path, table: _Table, stamp: str) -> Listing:
    if not table.path:
        missing = f" (first: {table.skipped[0][0]})" if table.skipped else ""
        raise DataError(
            f"'{source}' names {len(table.skipped)} images and none is there{missing}; "
            f"write paths relative to '{file.parent}'"
        )
    names = Names.of(table.path)
    classes, labels = number_labels(table.label)
    return Listing(
        name=source,
        reader="csv",
        keys=names,
        source=FilePaths(file.parent, names),
        stamp=stamp,
        classes=classes,
        labels=labels,
        splits=read_splits(table.split, source),
        groups=np.array(table.group, dtype=np.str_),
        skipped=tuple(table.skipped),
    )


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:  # Excel writes a byte-order mark
            reader = csv.DictReader(text, strict=True)
            reader.fieldnames = _columns(list(reader.fieldnames or []), file)
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(
                        f"line {reader.line_num} of '{file}' has not {len(reader.fieldnames)} fields as its "
                        "head has; put quotes round values that contain a comma"
                    )
                for column in ("label", "group"):
                    if row.get(column, "").strip().lower() == "nan":  # pandas' word for a missing value
                        raise DataError(
                            f"line {reader.line_num} of '{file}' has the {column} 'nan', which stands for a missing "
                            "value; leave it blank, or write another name"
                        )
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise DataError(f"'{file}' is not UTF-8 text ({error.reason}); save it as UTF-8 CSV") from None
    except csv.Error as error:
        raise DataError(f"'{file}' is no sound CSV ({error}); save it again as comma-separated") from None


def _columns(found: list[str], file: Path) -> list[str]:
    """Check the head; columns that start with ``_`` are passed over."""
    names = [name.strip() for name in found]
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise DataError(f"'{file}' is separated by '{';' if ';' in names[0] else 'tab'}'; save it with commas")
    lowered = [name.lower() for name in names]
    if "path" not in lowered:
        raise DataError(
            f"'{file}' has no column 'path' among {', '.join(names) or 'no columns'}; "
            "name the column of file names 'path' (columns: path, label, split, group)"
        )
    for name in names:
        if name.lower() not in COLUMNS and not name.startswith("_"):
            near = did_you_mean(name.lower(), COLUMNS) or "; rename it"
            raise DataError(
                f"'{name}' is no column of the data CSV '{file}' (those are {', '.join(COLUMNS)}; "
                f"'_{name}' would be passed over){near}"
            )
    if len(set(lowered)) < len(lowered):
        raise DataError(f"'{file}' has a column twice ({', '.join(names)}); rename one")
    return lowered
