"""Labels, splits and groups as a person writes them → numbers and names, checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from undercoat.data.address import SPLIT_NAMES
from undercoat.data.canvases import UNLABELLED
from undercoat.data.listing import Labels
from undercoat.errors import DataError, did_you_mean

__all__ = ["UNKNOWN_ROW", "class_order", "number_labels", "read_splits"]

UNKNOWN_ROW = 255  # fills a multi-label row of which nothing is known


def class_order(names: set[str]) -> tuple[str, ...]:
    """Sort class names: as numbers when all of them are, otherwise as text.

    Example:
        >>> class_order({"10", "9"}), class_order({"b", "a"}), class_order({"1", "01", "1.0"})
        (('9', '10'), ('a', 'b'), ('01', '1', '1.0'))
    """
    try:
        numbers = {name: float(name) for name in names}
    except ValueError:
        return tuple(sorted(names))
    if any(number != number for number in numbers.values()):  # "nan" is in no order with numbers
        return tuple(sorted(names))
    return tuple(sorted(names, key=lambda name: (numbers[name], name)))  # "1" and "01" in one order on every machine


def number_labels(texts: Sequence[str]) -> tuple[tuple[str, ...], Labels]:
    """Turn labels into (classes, numbers); ``a|b`` anywhere makes the whole set multi-label, "" is unknown.

    Example:
        >>> classes, labels = number_labels(["cat", "", "dog"])
        >>> classes, labels.tolist()
        (('cat', 'dog'), [0, -1, 1])
        >>> number_labels(["cat|dog", "dog", ""])[1].tolist()
        [[1, 1], [0, 1], [255, 255]]
    """
    several = any("|" in text for text in texts)
    parts = [[part.strip() for part in text.split("|") if part.strip()] for text in texts]
    classes = class_order({name for names in parts for name in names})
    if not classes:
        return (), None
    numbers = {name: number for number, name in enumerate(classes)}
    if several:
        rows = np.zeros((len(texts), len(classes)), np.uint8)
        for row, names in zip(rows, parts, strict=True):
            row[[numbers[name] for name in names]] = 1
            if not names:
                row[:] = UNKNOWN_ROW
        return classes, rows
    found = (numbers[names[0]] if names else UNLABELLED for names in parts)
    return classes, np.fromiter(found, np.int64, len(texts))


def read_splits(texts: Sequence[str], where: str) -> NDArray[np.str_]:
    """Read split names, ``validation`` for ``val`` and the like; "" where unknown.

    Raises:
        DataError: for any other word, with its row.
    """
    out = np.zeros(len(texts), "<U5")
    for position, text in enumerate(texts):
        name = text.strip().lower()
        if name and name not in SPLIT_NAMES:
            near = did_you_mean(name, SPLIT_NAMES) or "; splits are train, val and test"
            raise DataError(f"'{text}' in image {position + 1} of '{where}' is no split{near}")
        out[position] = SPLIT_NAMES[name] if name else ""
    return out
