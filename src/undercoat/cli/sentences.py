"""Turn a parser's complaint into one sentence with the value, the reason and the next step."""

from __future__ import annotations

import re
from argparse import ArgumentError

from undercoat.errors import did_you_mean

__all__ = ["explain"]


def explain(error: ArgumentError, known: list[str] | None = None) -> str:
    """Say what is wrong with a flag.

    Example:
        >>> explain(ArgumentError(None, "unrecognized arguments: --stps 5"), ["--steps", "--data"])
        "--stps is no flag of this command; did you mean '--steps'? (--help lists them)"
    """
    message = str(error).strip()
    if found := re.match(r"unrecognized arguments: (\S+)", message):
        flag = found.group(1).split("=")[0]
        what = "is no flag of this command" if flag.startswith("-") else "is one argument too many"
        return f"{flag} {what}{did_you_mean(flag, known or [])} (--help lists them)"
    if found := re.match(r"argument (\S+): expected (one|at least one) argument", message):
        return f"{found.group(1)} needs a value; --help shows which"
    if found := re.search(r"following arguments are required: (.+)", message):
        return f"{found.group(1)} is missing; --help shows how it is given"
    if found := re.match(r'Parser key "([^"]+)":\s*(.+)', message, flags=re.DOTALL):
        return _value(found.group(1), found.group(2))
    return f"{' '.join(message.split())} (--help lists the flags)"


def _value(key: str, reason: str) -> str:
    given = re.search(r"(?:Got value|Given value): (.+?)\s*$", reason, flags=re.DOTALL)
    value = f" {given.group(1).strip()!r}" if given else ""
    if choices := re.search(r"Literal\[(.+?)\]", reason):
        known = re.findall(r"'([^']+)'", choices.group(1))
        near = did_you_mean(given.group(1).strip(), known) if given else ""
        return f"--{key}{value} is not one of {', '.join(known)}{near}"
    kinds = list(dict.fromkeys(re.findall(r"Expected an? <class '(\w+)'>", reason)))
    names = {"int": "a whole number", "float": "a number", "bool": "true or false", "dict": "a mapping", "str": "text"}
    wanted = " or ".join(names.get(kind, kind) for kind in kinds if kind not in ("NoneType",))
    return f"--{key}{value} cannot be used: it takes {wanted or 'another kind of value'}"
