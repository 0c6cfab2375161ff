"""The arms of a study: the chains of coats that are compared with each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from undercoat.records import Record

__all__ = ["NULL_ARM", "Arm", "arms_of", "with_measured"]

RANDOM = "random"
NULL_ARM = "majority class"  # always answers the commonest class: what no arm may fall below


@dataclass(frozen=True)
class Arm:
    """One chain of coats.

    ``coats`` names what was laid on, first coat first (empty for random weights). ``stages`` gives, per seed,
    the digests of its stages in order. In a study with axes, ``family`` is the arm of the recipe that this one is a
    point of, and ``labels`` its place: path of an axis → label of its value; both empty where no axis changes it.
    """

    name: str
    coats: tuple[str, ...] = ()
    stages: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    family: str = field(default="", repr=False)
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def planned(self) -> int:
        """How many seeds should be measured; chains that are the same for every seed, such as a base, count once."""
        return len({chain[-1] for chain in self.stages.values() if chain})


def _coats(names: Iterable[object]) -> tuple[str, ...]:
    """The coats that were laid on; random weights are what lies below the first one, and no coat."""
    coats = tuple(str(name).strip() for name in names)
    return coats[1:] if coats[:1] == (RANDOM,) else coats


def _seed(text: object) -> int:
    try:
        return int(str(text))
    except ValueError:
        return 0


def _arm(entry: Mapping[str, Any]) -> Arm:
    stages = entry.get("stages")
    stages = stages if isinstance(stages, Mapping) else {}
    labels = entry.get("labels") or entry.get("values")
    return Arm(
        name=str(entry.get("name", "")),
        coats=_coats(entry.get("coats") or ()),
        stages={_seed(seed): tuple(str(digest) for digest in chain or ()) for seed, chain in stages.items()},
        family=str(entry.get("arm") or entry.get("name", "")),
        labels={str(path): str(label) for path, label in labels.items()} if isinstance(labels, Mapping) else {},
    )


def arms_of(source: Mapping[str, Any] | Iterable[Record]) -> list[Arm]:
    """Read the arms out of a ``study.json``, or find them in rows; in display order.

    Example:
        >>> arms_of({"arms": [{"name": "hpt", "coats": ["base", "target"], "stages": {"0": ["a1", "b2"]}}]})
        [Arm(name='hpt', coats=('base', 'target'), stages={0: ('a1', 'b2')})]
        >>> arms_of([Record(arm="base", chain="imagenet", stage="a1", metric="accuracy", value=0.5, n=9)])
        [Arm(name='base', coats=('imagenet',), stages={0: ('a1',)})]
    """
    if not isinstance(source, Mapping):
        return with_measured([], source)
    entries = source.get("arms")
    entries = entries if isinstance(entries, Sequence) and not isinstance(entries, str) else ()
    return [_arm(entry) for entry in entries if isinstance(entry, Mapping) and entry.get("name")]


def with_measured(arms: Iterable[Arm], rows: Iterable[Record]) -> list[Arm]:
    """Add arms that were measured but are not listed, in the order of their rows, so none is left out."""
    listed = {arm.name: arm for arm in arms}
    found: dict[str, Arm] = {}
    for row in rows:
        if not row.arm or row.arm == NULL_ARM or row.arm in listed or row.versus:
            continue
        coats = _coats(part for part in row.chain.split(">") if part.strip())
        arm = found.setdefault(row.arm, Arm(name=row.arm, coats=coats, stages={}))
        stages = {**arm.stages, row.seed: (row.stage,)} if row.stage else arm.stages
        found[row.arm] = Arm(name=arm.name, coats=arm.coats, stages=stages)
    return [*listed.values(), *found.values()]
