"""What a person writes after ``--data``: a reader, a source and a few options, taken apart and checked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from undercoat.data.cards import CARDS
from undercoat.data.patch_settings import is_patches, parse_patches
from undercoat.errors import SpecError, did_you_mean

__all__ = ["SPLIT_NAMES", "Address", "parse_address"]

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
OPTIONS = ("split", "limit", "labels", "uncertain", "low", "high")
MASK_OPTIONS = ("threshold", "images", "masks")


@dataclass(frozen=True, kw_only=True)
class Address:
    """A data spec, taken apart.

    Attributes:
        text: the spec as it was written.
        reader: a name in ``READERS``, "patches", or "" when the source itself tells.
        source: a path, or a sample's name.
        card: name of the card that the source has to match, for ``card:NAME:PATH``; "" otherwise.
        splits: which splits to keep; empty for all.
        limit: images to keep of each split, when given.
        labels: which of several label sets to read, such as ``coarse``; "" for the usual one.
        uncertain: what uncertain findings count as, such as ``ones``; "" for the usual policy.
        low: raw value that becomes 0.0, when given.
        high: raw value that becomes 1.0, when given.
        masks: what ``pairs`` is told: ``threshold``, and what its folders ``images`` and ``masks`` are called.
    """

    text: str
    reader: str
    source: str
    card: str = ""
    splits: tuple[str, ...] = ()
    limit: int | None = None
    labels: str = ""
    uncertain: str = ""
    low: float | None = None
    high: float | None = None
    masks: dict[str, str | float] = field(default_factory=dict)


def parse_address(spec: str, readers: tuple[str, ...]) -> Address:
    """Take a data spec apart: ``[reader:]source[?split=train,val][&limit=5000][&low=0][&high=4095]``.

    A path that exists is always taken as it stands, whatever characters it has.

    Raises:
        SpecError: for an unknown reader, option or split.

    Example:
        >>> address = parse_address("sample:noto?split=train", ("sample", "folder"))
        >>> address.reader, address.source, address.splits
        ('sample', 'noto', ('train',))
    """
    text = os.fspath(spec)
    if is_patches(text):
        return Address(text=text, reader="patches", source=parse_patches(text)[0])
    source, options = text, ""
    if "?" in text and not os.path.exists(text):
        source, options = text.rsplit("?", 1)
    reader, card = "", ""
    if source.startswith("card:") and not os.path.exists(source):
        card, source = _card(source, text)
        reader = CARDS[card].reader
    prefix = None if card else re.match(r"([A-Za-z][A-Za-z0-9_-]+):(?!//)", source)  # one letter is a Windows drive
    if prefix and not os.path.exists(source):
        reader, source = prefix.group(1), source[prefix.end() :]
        if reader not in readers:
            near = did_you_mean(reader, readers) or f"; readers are {', '.join(sorted(readers))}"
            raise SpecError(f"'{reader}' is no data reader{near}")
    if not source:
        raise SpecError(f"'{text}' names no data; write a folder, a file or sample:NAME")
    given = _options(options, text)
    source = os.path.expanduser(source)
    return Address(
        text=text,
        reader=reader,
        source=source,
        card=card,
        splits=_splits(given.get("split", ""), text),
        limit=_count(given, "limit", text),
        labels=given.get("labels", ""),
        uncertain=given.get("uncertain", ""),
        low=_number(given, "low", text),
        high=_number(given, "high", text),
        masks=_masks(given, text),
    )


def _card(source: str, text: str) -> tuple[str, str]:
    """``card:flowers-102:/path`` → the card's name and the path; a reader that one card has stands for that card."""
    name, _, path = source.removeprefix("card:").partition(":")
    of_reader = [card for card in CARDS if CARDS[card].reader == name]
    if name not in CARDS and len(of_reader) == 1:
        (name,) = of_reader
    if name not in CARDS:
        near = did_you_mean(name, CARDS) or "; see undercoat list data --filter card:"
        raise SpecError(f"'{name}' in '{text}' is no card of a public data set{near}")
    if not path:
        raise SpecError(f"'{text}' names no folder; write card:{name}:FOLDER")
    return name, path


def _options(options: str, text: str) -> dict[str, str]:
    given = {}
    for part in filter(None, options.split("&")):
        key, found, value = part.partition("=")
        if key not in (*OPTIONS, *MASK_OPTIONS):
            near = did_you_mean(key, (*OPTIONS, *MASK_OPTIONS)) or f"; options are {', '.join(OPTIONS)}"
            raise SpecError(f"'{key}' in '{text}' is no option of a data spec{near}")
        if not found or not value:
            raise SpecError(f"option '{key}' in '{text}' has no value; write {key}=…")
        if key in given:
            raise SpecError(f"option '{key}' stands twice in '{text}'; leave one out")
        given[key] = value
    return given


def _splits(value: str, text: str) -> tuple[str, ...]:
    names = []
    for name in filter(None, (part.strip().lower() for part in value.split(","))):
        if name not in SPLIT_NAMES:
            near = did_you_mean(name, SPLIT_NAMES) or "; splits are train, val and test"
            raise SpecError(f"'{name}' in '{text}' is no split{near}")
        names.append(SPLIT_NAMES[name])
    return tuple(dict.fromkeys(names))


def _count(given: dict[str, str], key: str, text: str) -> int | None:
    if key not in given:
        return None
    if not re.fullmatch(r"0*[1-9][0-9]{0,17}", given[key]):
        raise SpecError(f"'{given[key]}' in '{text}' is no count of images; write a whole number, such as {key}=5000")
    return int(given[key])


def _masks(given: dict[str, str], text: str) -> dict[str, str | float]:
    found: dict[str, str | float] = {key: given[key] for key in ("images", "masks") if key in given}
    threshold = _number(given, "threshold", text)
    return found if threshold is None else found | {"threshold": threshold}


def _number(given: dict[str, str], key: str, text: str) -> float | None:
    if key not in given:
        return None
    try:
        return float(given[key])
    except ValueError:
        raise SpecError(f"'{given[key]}' in '{text}' is no number; write for example {key}=4095") from None
