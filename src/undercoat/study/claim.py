"""A claim: what a study is run to find out, written down before it runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from undercoat.errors import SpecError, did_you_mean
from undercoat.spec import Spec

__all__ = ["Claim", "check_claims", "pairs_of"]


class Claim(Spec):
    """A statement about differences between arms, judged by their paired intervals when the study is done.

    Every pair at every layer is one part: the first arm minus the second. A part of ``higher`` holds where the whole
    95 % interval lies above ``margin`` and fails where it lies below it; ``lower`` is the same downwards; ``alike``
    holds where the interval lies within ± ``margin`` and fails where it lies outside. Everything else cannot be told.
    The claim holds when every part holds, and fails when one fails.

    Attributes:
        says: the statement, in words.
        expect: ``higher``, ``lower`` or ``alike``.
        pairs: (arm, arm that is subtracted), by their names.
        layers: at which layers; empty for all that were read.
        readouts: by which readouts; empty for all.
        margin: fraction in 0..1; ``alike`` needs one above 0.

    Example:
        >>> Claim(says="a coat helps", expect="higher", pairs=[("coat", "random")]).margin
        0.0
    """

    says: str = Field(min_length=1)
    expect: Literal["higher", "lower", "alike"]
    pairs: list[tuple[str, str]] = Field(min_length=1)
    layers: list[str] = []
    readouts: list[str] = []
    margin: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _alike_within(self) -> Claim:
        if self.expect == "alike" and not self.margin:
            raise ValueError("alike needs a margin above 0: no two arms are exactly alike; give margin: 0.02 or so")
        return self


def pairs_of(claims: Sequence[Claim]) -> list[tuple[str, str]]:
    """The pairs of arms that claims are about, each once, in their order."""
    return list(dict.fromkeys(pair for claim in claims for pair in claim.pairs))


def check_claims(claims: Sequence[Claim], arms: Collection[str], protocol: Any) -> None:
    """Refuse claims about arms, layers or readouts that the study will not have, before any work.

    Args:
        claims: of a recipe.
        arms: names of all arms.
        protocol: how they are judged; None when they are not.

    Raises:
        SpecError: for the first such name, or an arm that is compared with itself.
    """
    if claims and protocol is None:
        raise SpecError("the recipe has claims but no protocol to judge them by; add protocol: {data: …, size_px: …}")
    for claim in claims:
        where = f"claim {claim.says!r} names"
        for first, second in claim.pairs:
            if first == second:
                raise SpecError(f"claim {claim.says!r} compares arm {first!r} with itself; name two arms")
        for name in (name for pair in claim.pairs for name in pair):
            if name not in arms:
                raise SpecError(f"{where} arm {name!r}, which the study does not have{did_you_mean(name, arms)}")
        _check_readings(claim, protocol, where)


def _check_readings(claim: Claim, protocol: Any, where: str) -> None:
    for name in claim.readouts:
        if name not in protocol.readouts:
            hint = did_you_mean(name, protocol.readouts)
            raise SpecError(f"{where} readout {name!r}, which the protocol does not have{hint}")
    read = protocol.layers
    if isinstance(read, str):
        return  # all of them: which these are depends on each network
    for name in claim.layers:
        if name not in (read or ("final",)):
            raise SpecError(f"{where} layer {name!r}, which the protocol does not read; add it to protocol.layers")
