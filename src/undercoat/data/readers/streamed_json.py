"""Large JSON files, one element at a time: the annotation files of published sets have hundreds of megabytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar

from undercoat.errors import DataError

__all__ = ["elements", "once"]

Found = TypeVar("Found")

_READ = 1 << 20  # characters read at a time
_LARGEST = 1 << 26  # characters of one element, that a file without end cannot fill the memory
_BETWEEN = re.compile(r"[\s,]*")
_END = re.compile(r"[\s,:\]}]")
_SCAN = json.JSONDecoder().raw_decode


class _Text:
    """The part of a file that is being read, and the place in it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open(encoding="utf-8-sig")
        self._text, self._at, self._ended = "", 0, False

    def __enter__(self) -> _Text:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _more(self) -> None:
        if self._ended:
            raise ValueError("it ends in the middle")
        rest = self._text[self._at :]
        added = self._file.read(max(_READ, len(rest)))  # doubling, so that a long value is not scanned over and over
        self._text, self._at, self._ended = rest + added, 0, not added

    def next(self) -> str:
        """The next character that is neither a space nor a comma; it stays to be read."""
        while True:
            self._at = _BETWEEN.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            self._more()

    def skip(self, wanted: str) -> None:
        """Step over one character that has to come next."""
        if self.next() != wanted:
            raise ValueError(f"'{wanted}' is missing before '{self._text[self._at : self._at + 20]}'")
        self._at += 1

    def value(self) -> Any:
        """Read one whole value."""
        self.next()
        while True:
            try:
                found, end = _SCAN(self._text, self._at)
            except ValueError:
                if self._ended or len(self._text) - self._at > _LARGEST:
                    raise
            else:
                if _END.match(self._text, end) or (self._ended and end == len(self._text)):
                    self._at = end
                    return found
                if self._ended:
                    raise ValueError(f"'{self._text[end : end + 20]}' follows a value")  # else a number may go on
            self._more()


def elements(path: Path, *wanted: str) -> Iterator[tuple[str, Any]]:
    """Read the elements of the arrays in a JSON file, in its order; memory does not grow with the file.

    Args:
        path: a file that is one array, or an object some of whose values are arrays.
        wanted: names of arrays that the object has to have.

    Yields:
        (name, element); the name is "" where the file is an array. Values that are no arrays are passed over.

    Raises:
        DataError: for a file that is cut off, is no JSON, or has not the arrays.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "boxes.json")
        >>> _ = path.write_text('{"year": 2014, "images": [{"id": 7}, {"id": 9}]}')
        >>> [(name, element["id"]) for name, element in elements(path, "images")]
        [('images', 7), ('images', 9)]
    """
    seen = set[str]()
    try:
        with _Text(path) as text:
            for name, element in _arrays(text, seen):
                if name not in wanted and wanted:
                    continue
                yield name, element
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not UTF-8 text ({error.reason}); fetch it again") from None
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", error)  # the place that JSON's errors name is one in the part that was read
        raise DataError(f"'{path}' is cut off or no JSON ({reason}); fetch it again") from None
    missing = [name for name in wanted if name not in seen]
    if missing:
        raise DataError(f"'{path}' is not the JSON file that was published: {_lacks(missing[0], seen)}; fetch it again")


def once(read: Callable[[Path], Found]) -> Callable[[Path], Found]:
    """Make a function of a file remember what it returned, as long as the file stays as it is.

    A set is listed for every stage of a study, and its annotations take seconds. What is returned is shared: leave it
    as it is.
    """

    @lru_cache(maxsize=4)
    def remembered(path: Path, size: int, changed_ns: int) -> Found:
        return read(path)

    @wraps(read)
    def found(path: Path) -> Found:
        status = path.stat()
        return remembered(path.absolute(), status.st_size, status.st_mtime_ns)

    return found


def _lacks(name: str, seen: set[str]) -> str:
    return f"it has no list '{name}'" if name else f"it is no list, but has {', '.join(sorted(seen)) or 'none'}"


def _arrays(text: _Text, seen: set[str]) -> Iterator[tuple[str, Any]]:
    if text.next() == "[":
        seen.add("")
        yield from (("", element) for element in _array(text))
        return
    text.skip("{")
    while text.next() != "}":
        name = text.value()
        if not isinstance(name, str):
            raise ValueError(f"a name is missing before {name!r:.20}")
        text.skip(":")
        if text.next() != "[":
            text.value()
            continue
        seen.add(name)
        yield from ((name, element) for element in _array(text))


def _array(text: _Text) -> Iterator[Any]:
    text.skip("[")
    while text.next() != "]":
        yield text.value()
    text.skip("]")
