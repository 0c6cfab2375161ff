"""Masks that say of each pixel which class it is of → which classes an image shows."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from undercoat.data.building import worker_count
from undercoat.data.headers import TooLargeError, open_image
from undercoat.data.survey import in_order, reason_of
from undercoat.errors import DataError

__all__ = ["ClassTable", "Frame", "class_table", "shown_in"]

_NAMES = ("name", "classname")
_COUNTED = ("evaluated", "class_eval")
_COLOUR = ("red", "green", "blue")
_MOST_VALUES = 4096  # different values in a mask; a photograph has more
_TRUE = ("1", "true", "yes")


@dataclass(frozen=True)
class Frame:
    """An image and its mask.

    Attributes:
        part: the published part.
        sequence: the film that it is of.
        image: path relative to the set's folder.
        mask: likewise.
        mask_bytes: size of the mask's file.
        stamp: changes whenever either file does.
    """

    part: str
    sequence: str
    image: str
    mask: str
    mask_bytes: int
    stamp: str


@dataclass(frozen=True)
class ClassTable:
    """What the values of masks mean.

    Attributes:
        path: the file that says so.
        names: of the classes that count.
        by_id: from a value to a position in ``names``; -1 for classes that do not count.
        colours: (id, (red, green, blue)) of each class, if the file has them.
    """

    path: Path
    names: tuple[str, ...]
    by_id: dict[int, int]
    colours: tuple[tuple[int, tuple[int, int, int]], ...]

    @cached_property
    def by_colour(self) -> dict[tuple[int, ...], int]:
        """From a colour to a position in ``names``.

        Raises:
            DataError: without colours, or when two classes have the same.
        """
        if not self.colours:
            raise DataError(f"the masks are coloured and '{self.path}' has no columns red, green and blue; add them")
        found: dict[tuple[int, ...], int] = {}
        for number, colour in self.colours:
            if colour in found:
                raise DataError(
                    f"class {number} of '{self.path}' has the colour {colour} of another, so the masks cannot tell "
                    "them apart; remove one of the two rows"
                )
            found[colour] = self.by_id[number]
        return found


def class_table(base: Path, name: str) -> ClassTable:
    """Read the CSV that names the classes, in the set's folder or the one above.

    Raises:
        DataError: when it is not there, or has other columns.
    """
    path = next((place / name for place in (base, base.absolute().parent) if (place / name).is_file()), None)
    if path is None:
        raise DataError(
            f"'{base}' has no {name}, and nothing else says what the values of the masks mean; write one with columns "
            "id,name (and red,green,blue when the masks are coloured)"
        )
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            columns = [column.strip().lower() for column in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' is no sound CSV ({error}); save it again as comma-separated") from None
    name_column = next((column for column in _NAMES if column in columns), "")
    if "id" not in columns or not name_column or not rows:
        raise DataError(f"'{path}' has not the columns id and name, but {', '.join(columns) or 'none'}; add them")
    return _table(path, rows, columns, name_column)


def _table(path: Path, rows: list[dict[str, str]], columns: list[str], name_column: str) -> ClassTable:
    counted = next((column for column in _COUNTED if column in columns), "")
    names: list[str] = []
    by_id: dict[int, int] = {}
    colours = []
    try:
        for row in rows:
            number, name = int(row["id"]), row[name_column].strip()
            counts = not counted or row[counted].strip().lower() in _TRUE
            if number in by_id or name in names:
                raise DataError(f"'{path}' has class {number} ({name}) twice; remove one")
            by_id[number] = len(names) if counts else -1
            names += [name] if counts else []
            if set(_COLOUR) <= set(columns):
                red, green, blue = (int(row[column]) for column in _COLOUR)
                colours.append((number, (red, green, blue)))
    except (TypeError, AttributeError, ValueError) as error:
        raise DataError(f"'{path}' has a row without whole numbers where they belong ({error}); mend it") from None
    if not names:
        raise DataError(f"'{path}' has no class that counts; write 1 into '{counted}' of those that do")
    return ClassTable(path, tuple(names), by_id, tuple(colours))


def shown_in(base: Path, frames: Sequence[Frame], table: ClassTable) -> list[set[int]]:
    """Read the masks, in threads: of each frame the positions in ``table.names`` of what it shows.

    Raises:
        DataError: for a mask that is damaged, of another size than its image, or has a value that the table lacks.
    """
    return list(in_order(partial(_shown, base, table), frames, worker_count()))


def _shown(base: Path, table: ClassTable, frame: Frame) -> set[int]:
    try:
        with (base / frame.image).open("rb") as stream:
            size = open_image(stream).size
        with (base / frame.mask).open("rb") as stream:
            mask = open_image(stream)
            if mask.size != size:
                raise DataError(
                    f"mask '{frame.mask}' has {mask.size[0]} × {mask.size[1]} pixels and its image {size[0]} × "
                    f"{size[1]}; unpack both again"
                )
            values = list(_values(mask))
    except (OSError, UnidentifiedImageError, SyntaxError, TooLargeError) as error:
        raise DataError(
            f"'{frame.mask}' or its image in '{base}' cannot be used: {reason_of(error)}; unpack it again"
        ) from None
    known: dict[Any, int] = table.by_colour if values and isinstance(values[0], tuple) else table.by_id
    strange = [value for value in values if value not in known]
    if strange:
        raise DataError(
            f"mask '{frame.mask}' has {len(strange):,} values that '{table.path}' does not name (first: {strange[0]}); "
            "add them to it"
        )
    return {known[value] for value in values} - {-1}


def _values(mask: Image.Image) -> Iterator[int | tuple[int, ...]]:
    """The different values: numbers, also of a palette, or colours without alpha."""
    if mask.mode not in ("L", "P", "1"):
        mask = mask.convert("I") if mask.mode.startswith("I") else mask.convert("RGB")
    found = mask.getcolors(_MOST_VALUES)
    if found is None:
        raise OSError(f"more than {_MOST_VALUES:,} different values, as a photograph has")
    for _, value in found:
        yield value if isinstance(value, tuple) else int(value)
