"""Validated specs: unknown keys are errors with a suggestion, and equal specs have equal digests."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from undercoat.errors import SpecError, did_you_mean

__all__ = ["Spec", "amount", "canonical", "difference", "digest", "load_yaml"]


class Spec(BaseModel):
    """A frozen, strict group of settings; build it with :meth:`of` to get errors a person can read."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @classmethod
    def of(cls, values: Any, *, where: str) -> Self:
        """Validate a mapping.

        Args:
            values: what a recipe or command says.
            where: named in the error, such as ``"stage 'target'"``.

        Raises:
            SpecError: for the first thing that is wrong.
        """
        if not isinstance(values, dict):
            raise SpecError(f"{where} must be a mapping of settings, not {values!r}")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SpecError(_first_problem(cls, error, where)) from error


def _first_problem(cls: type[BaseModel], error: ValidationError, where: str) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        owner = _owner(cls, problem["loc"])
        name = str(problem["loc"][-1])
        return f"{where} has no setting {place!r}{did_you_mean(name, owner)} (known: {', '.join(owner)})"
    reason = problem["msg"].removeprefix("Value error, ")
    if not place:
        return f"{where}: {reason}"
    return f"{where}: {place} = {problem['input']!r} cannot be used: {reason[0].lower()}{reason[1:]}"


def _owner(cls: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names that are allowed beside the last part of ``location``."""
    for part in location[:-1]:
        field = cls.model_fields.get(str(part))
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        cls = inner
    return list(cls.model_fields)


def amount(given: Any, *, name: str, least: int = 1) -> int | float:
    """Read how many of something: a count (int), or a share in (0, 1] (float) as such or as a percentage.

    Args:
        given: what a recipe or command says.
        name: of the setting, for the error.
        least: smallest count.

    Raises:
        SpecError: for what is neither.

    Example:
        >>> [amount(given, name="images") for given in (1000, "1000", "10%", 0.1, 1.0)]
        [1000, 1000, 0.1, 0.1, 1.0]
    """
    text = str(given).strip()
    try:
        value = round(float(text.removesuffix("%")) / (100 if text.endswith("%") else 1), 12)
        if not isinstance(given, bool):
            if 0 < value < 1 or (value == 1 and (text.endswith("%") or isinstance(given, float))):
                return value
            if not text.endswith("%") and value >= least and value == int(value):
                return int(value)
    except (ValueError, OverflowError):
        pass
    raise SpecError(f"{name} is {given!r}; give a count of {least} or more such as 1000, or a share such as 10% or 0.1")


def canonical(values: Any) -> str:
    """Write values as JSON in one way only: sorted keys, no spaces, no NaN."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(values: Any) -> str:
    """Hash values to 16 hexadecimal characters; stable across processes and machines.

    Example:
        >>> digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
        True
    """
    return blake2b(canonical(values).encode(), digest_size=8).hexdigest()


def difference(saved: dict[str, Any], asked: dict[str, Any], prefix: str = "") -> list[str]:
    """Name every setting in which two specs differ, as ``"lr: 0.1 → 0.2"``.

    Example:
        >>> difference({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}})
        ['b.c: 2 → 3']
    """
    found = []
    for key in sorted(saved.keys() | asked.keys()):
        old, new = saved.get(key), asked.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += difference(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key}: {old!r} → {new!r}")
    return found


def load_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        SpecError: when the file is missing, is not YAML, or holds something else.
    """
    file = Path(path)
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError(f"there is no recipe {str(file)!r}; look at the folder recipes/ for examples") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{str(file)!r} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        place = "" if line is None else f" at line {line + 1}"
        raise SpecError(f"{str(file)!r} is not valid YAML{place}: {getattr(error, 'problem', error)}") from error
    if not isinstance(values, dict):
        raise SpecError(f"{str(file)!r} must hold a mapping of settings")
    return values
