"""What is in a data set, and what is wrong with it: counts, sizes, duplicates and leaks between splits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undercoat.data.canvases import UNLABELLED, Canvases
from undercoat.data.duplicates import exact_clusters, fingerprint, near_clusters
from undercoat.data.facts import facts_of, richness_of_photos, within_reach
from undercoat.data.headers import suggest_size_px
from undercoat.data.labelling import UNKNOWN_ROW
from undercoat.data.opening import open_data

__all__ = ["Inspection", "Twins", "inspect"]

LISTED = 1000  # clusters that are listed; all are counted
KEYS_LISTED = 10  # names that are listed of one cluster


@dataclass(frozen=True, kw_only=True)
class Twins:
    """Images that are the same, or nearly.

    ``keys`` are the first of ``count`` images; ``splits`` counts them in each split; ``flat`` says that they are
    of one colour; ``labels_differ`` that they carry different labels.
    """

    keys: tuple[str, ...]
    count: int
    splits: dict[str, int]
    flat: bool
    labels_differ: bool


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What ``undercoat data inspect`` says.

    Attributes:
        name: the data spec.
        digest: of the images' content.
        cache: folder of the canvases.
        images: N, how many can be used.
        splits: images in each split ("" = in none).
        classes: images of each class, in the order of the classes.
        unlabelled: images without a label in a set that has labels.
        multi_label: whether images can have several classes.
        groups: how many groups (patients, sites) are named.
        widths_px: smallest, median and largest width, as stored.
        heights_px: smallest, median and largest height.
        formats: images of each file format.
        modes: images of each pixel mode.
        canvas_px: side of the canvases that were measured.
        channels: of the canvases.
        dtype: of the canvases.
        raw_range: raw values that become 0 and 1.
        mean: per channel, of 0..1.
        std: per channel, of 0..1.
        skipped: (file, reason) of all that cannot be used.
        exact: clusters of equal images, largest first.
        exact_images: images in such clusters.
        near: clusters of nearly equal images (that are not all equal).
        near_images: images in such clusters.
        near_complete: False when there were so many candidates that the search stopped.
        flat_images: images of a single colour; never called near twins.
        leaks: the clusters, exact or near, that lie in more than one split.
        leaked_images: test or val images that have a twin in train.
        crossing_groups: groups that lie in more than one split.
        suggested_px: canvas size that keeps the median image.
        notes: choices that the reader made.
    """

    name: str
    digest: str
    cache: str
    images: int
    splits: dict[str, int]
    classes: dict[str, int]
    unlabelled: int
    multi_label: bool
    groups: int
    widths_px: tuple[int, float, int]
    heights_px: tuple[int, float, int]
    formats: dict[str, int]
    modes: dict[str, int]
    canvas_px: int
    channels: int
    dtype: str
    raw_range: tuple[float, float]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    skipped: tuple[tuple[str, str], ...]
    exact: tuple[Twins, ...]
    exact_images: int
    near: tuple[Twins, ...]
    near_images: int
    near_complete: bool
    flat_images: int
    leaks: tuple[Twins, ...]
    leaked_images: int
    crossing_groups: tuple[str, ...]
    suggested_px: int
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """All fields as one JSON object."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    def text(self) -> str:
        """The same for people, in about twenty lines."""
        from undercoat.data.inspection_text import render

        return render(self)


def inspect(
    spec: str | Path, *, size_px: int | None = None, cache: Path | str | None = None, progress: bool = True
) -> Inspection:
    """Look at a data set; its canvases are built when they are not there, and a later run uses them.

    Raises:
        UndercoatError: as ``open_data`` does.

    Example:
        >>> import tempfile
        >>> found = inspect("sample:digits", cache=tempfile.mkdtemp())
        >>> found.images, found.suggested_px, len(found.skipped)
        (1797, 32, 0)
    """
    canvases = within_reach(open_data(spec, size_px=size_px, cache=cache, progress=progress))
    facts, kinds = facts_of(canvases)
    facts = facts[canvases.rows]
    labels = canvases.labels
    return Inspection(
        name=canvases.name,
        digest=canvases.digest,
        cache=str(canvases.folder),
        images=len(canvases),
        splits=_counted(canvases.splits.tolist()),
        classes=_class_counts(canvases),
        unlabelled=0 if labels is None else int((~_labelled(labels)).sum()),
        multi_label=canvases.multi_label,
        groups=len(set(canvases.groups.tolist()) - {""}),
        widths_px=_spread(facts["width"]),
        heights_px=_spread(facts["height"]),
        formats=_counted(kinds[kind][0] for kind in facts["kind"]),
        modes=_counted(kinds[kind][1] for kind in facts["kind"]),
        canvas_px=canvases.size_px,
        channels=canvases.channels,
        dtype=str(canvases.images.dtype),
        raw_range=(canvases.low, canvases.high),
        mean=canvases.mean,
        std=canvases.std,
        skipped=canvases.skipped,
        **_duplicates(canvases),
        crossing_groups=_crossing(canvases),
        suggested_px=suggest_size_px(facts["width"], facts["height"]),
        notes=(*canvases.notes, *_richness_notes(canvases)),
    )


def _duplicates(canvases: Canvases) -> dict[str, Any]:
    """The fields of an ``Inspection`` that tell of twins."""
    prints = fingerprint(canvases)
    same = exact_clusters(prints)
    alike, complete = near_clusters(prints, same)
    exact = _clusters(canvases, same, prints.flat)
    near = _clusters(canvases, _not_only_exact(alike, same), prints.flat)
    every = _clusters(canvases, alike, prints.flat)
    return {
        "exact": tuple(exact[:LISTED]),
        "exact_images": sum(twins.count for twins in exact),
        "near": tuple(near[:LISTED]),
        "near_images": sum(twins.count for twins in near),
        "near_complete": complete,
        "flat_images": int(prints.flat.sum()),
        "leaks": tuple([twins for twins in every if len(set(twins.splits) - {""}) > 1][:LISTED]),
        "leaked_images": _leaked(alike, canvases.splits),
    }


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _spread(values: NDArray[np.int32]) -> tuple[int, float, int]:
    return int(values.min()), float(np.median(values)), int(values.max())


def _labelled(labels: NDArray[np.int64] | NDArray[np.uint8]) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = labels[:, 0] != UNKNOWN_ROW if labels.ndim == 2 else labels != UNLABELLED
    return known


def _class_counts(canvases: Canvases) -> dict[str, int]:
    labels = canvases.labels
    if labels is None:
        return {}
    known = labels[_labelled(labels)]
    if labels.ndim == 2:
        counts = known.sum(axis=0, dtype=np.int64)
    else:
        counts = np.bincount(known, minlength=len(canvases.classes))
    return {name: int(count) for name, count in zip(canvases.classes, counts, strict=True)}


def _members(cluster: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Positions of every cluster of two or more, largest first."""
    order = np.argsort(cluster, kind="stable")
    cuts = np.flatnonzero(np.diff(cluster[order])) + 1
    found = [part for part in np.split(order, cuts) if len(part) > 1]
    return sorted(found, key=lambda part: (-len(part), int(part[0])))


def _not_only_exact(alike: NDArray[np.int64], same: NDArray[np.int64]) -> NDArray[np.int64]:
    """Break up clusters whose members are all equal: those are listed as exact."""
    out = alike.copy()
    for part in _members(alike):
        if len(np.unique(same[part])) == 1:
            out[part] = len(alike) + part
    return out


def _clusters(canvases: Canvases, cluster: NDArray[np.int64], flat: NDArray[np.bool_]) -> list[Twins]:
    return [_twins(canvases, part, flat) for part in _members(cluster)]


def _twins(canvases: Canvases, part: NDArray[np.int64], flat: NDArray[np.bool_]) -> Twins:
    labels = None if canvases.labels is None else canvases.labels[part]
    _, first = np.unique(canvases.splits[part], return_index=True)  # one of each split is named first
    named = np.concatenate([part[first], np.delete(part, first)])
    return Twins(
        keys=_keys(canvases.keys, named[:KEYS_LISTED]),
        count=len(part),
        splits=_counted(canvases.splits[part].tolist()),
        flat=bool(flat[part].all()),
        labels_differ=labels is not None and bool((labels != labels[:1]).any()),
    )


def _keys(keys: Sequence[str], part: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(keys[int(position)] for position in part)


def _leaked(cluster: NDArray[np.int64], splits: NDArray[np.str_]) -> int:
    trained = np.unique(cluster[splits == "train"])
    held = np.isin(splits, ("test", "val"))
    return int(np.isin(cluster[held], trained).sum())


def _crossing(canvases: Canvases) -> tuple[str, ...]:
    seen: dict[str, set[str]] = {}
    for group, split in zip(canvases.groups.tolist(), canvases.splits.tolist(), strict=True):
        if group and split:
            seen.setdefault(group, set()).add(split)
    return tuple(sorted(group for group, found in seen.items() if len(found) > 1))


def _richness_notes(canvases: Canvases) -> list[str]:
    return [
        f"{name}: {found.entropy_bits:.2f} of 8 bits of grey, {found.edge_density:.0%} of its pixels on edges"
        for name, found in richness_of_photos(canvases).items()
    ]
