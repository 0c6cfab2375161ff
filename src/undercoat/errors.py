"""Errors a person can act on.

Every message is one sentence with the value, the reason and the next step; the command line prints it without
a traceback (``--debug`` shows one).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["DataError", "RunError", "SpecError", "UndercoatError", "WeightsError", "did_you_mean"]


class UndercoatError(Exception):
    """Something the user asked for cannot be done; the message says why and what to do next."""


class SpecError(UndercoatError):
    """A name, key or value in a command, recipe or call is not one we know."""


class DataError(UndercoatError):
    """Images or labels cannot be used as they are."""


class WeightsError(UndercoatError):
    """Weights do not fit the backbone, or a file of weights cannot be read."""


class RunError(UndercoatError):
    """A run cannot start, go on or be read."""


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or an empty string.

    Example:
        >>> did_you_mean("resnet1", ["resnet18", "vit_tiny"])
        "; did you mean 'resnet18'?"
    """
    near = get_close_matches(value, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""
