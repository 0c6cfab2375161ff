"""A recipe as a file: YAML, what it extends, and single settings replaced."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from undercoat.errors import SpecError, did_you_mean
from undercoat.spec import load_yaml

__all__ = ["merged", "put", "written"]


#: mappings that a recipe replaces in the one that it extends; all others are laid over those below
_REPLACED = frozenset({"arms", "axes", "choose", "readouts", "backbone_arguments"})

#: mappings that a recipe may leave out, and that settings can be put in all the same
_OPEN = frozenset({"data", "defaults", "backbone_arguments"})


def written(path: Path | str, changes: str = "") -> dict[str, Any]:
    """Read what a recipe says: the file that it extends below it, and changed settings above.

    Args:
        path: of a YAML file; ``extends`` in it names another one, beside it.
        changes: ``path.to.setting=value`` with spaces between them.

    Raises:
        SpecError: for a missing or broken file, files that extend each other, or a change that leads nowhere.
    """
    values = _extended(Path(path), ())
    for place, value in _changes(changes):
        put(values, place.split("."), value, place)
    return values


def _extended(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in above:
        raise SpecError(f"recipe {str(path)!r} extends itself; take out one extends")
    values = load_yaml(path)
    below = values.pop("extends", None)
    if below is None:
        return values
    if not isinstance(below, str):
        raise SpecError(f"recipe {str(path)!r} extends {below!r}; give the name of one file beside it")
    return merged(_extended(path.parent / below, (*above, path.resolve())), values, replaced=_REPLACED)


def _changes(text: str) -> Iterator[tuple[str, Any]]:
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise SpecError(f"{text!r} cannot be read ({error}); write path.to.setting=value") from error
    for part in parts:
        place, found, value = part.partition("=")
        if not found:
            raise SpecError(f"{part!r} sets nothing; write path.to.setting=value, such as protocol.data=scans")
        try:
            yield place, yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise SpecError(f"the value of {part!r} is no YAML; put quotes around it") from error


def put(tree: Any, path: list[str], value: Any, whole: str) -> None:
    """Set one setting deep inside a recipe.

    Args:
        tree: mappings and lists, changed in place.
        path: of the setting, part by part.
        value: its new value.
        whole: the path as it was written, for the message.

    Raises:
        SpecError: when the path leads nowhere.
    """
    for depth, part in enumerate(path[:-1]):
        if isinstance(tree, dict) and part not in tree and (depth >= 2 or (depth == 0 and part in _OPEN)):
            tree[part] = {}  # a stage's group of settings, such as optimiser, may not be written out
        tree = tree[_place(tree, part, whole)] if isinstance(tree, list) else _child(tree, part, whole)
    if isinstance(tree, list):
        tree[_place(tree, path[-1], whole)] = value
    elif isinstance(tree, dict):
        tree[path[-1]] = value
    else:
        raise SpecError(f"{whole!r} leads nowhere; give a path such as stages.target.steps")


def _place(items: list[Any], part: str, whole: str) -> int:
    if not part.isdecimal() or int(part) >= len(items):
        raise SpecError(f"{whole!r} leads nowhere at {part!r}: a list of {len(items)} is there; give a place from 0")
    return int(part)


def _child(tree: Any, part: str, whole: str) -> Any:
    if not isinstance(tree, dict) or part not in tree:
        hint = did_you_mean(part, tree) if isinstance(tree, dict) else ""
        raise SpecError(f"{whole!r} leads nowhere at {part!r}{hint or '; give a path such as stages.target.steps'}")
    return tree[part]


def merged(below: dict[str, Any], above: dict[str, Any], *, replaced: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Lay one mapping over another, and so for the mappings inside; everything else is replaced.

    Args:
        below: shows where the other has nothing.
        above: comes first.
        replaced: names of mappings that are not laid over one another but replaced, wherever they stand.

    Example:
        >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
        {'a': {'b': 3, 'c': 2}}
    """
    inside = {
        key: merged(below[key], value, replaced=replaced)
        for key, value in above.items()
        if key not in replaced and isinstance(value, dict) and isinstance(below.get(key), dict)
    }
    return {**below, **above, **inside}
