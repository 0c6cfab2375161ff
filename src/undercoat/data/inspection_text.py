"""An inspection as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from undercoat.data.inspection import Inspection, Twins

__all__ = ["render"]

SHOWN = 5


def render(found: Inspection) -> str:
    """Write an inspection as aligned lines, the good news first and what to do at the end."""
    lines = [
        ("data", found.name),
        ("images", f"{found.images:,}{_in_splits(found.splits)}"),
        ("classes", _classes(found)),
        ("sizes", f"width {_spread(found.widths_px)}, height {_spread(found.heights_px)} pixels"),
        ("files", f"{_counts(found.formats)} ({_counts(found.modes)})"),
        ("canvases", _canvases(found)),
        ("mean", _numbers(found.mean)),
        ("std", _numbers(found.std)),
        ("groups", f"{found.groups:,}" if found.groups else ""),
        ("notes", "; ".join(found.notes)),
        ("unusable", _skipped(found.skipped)),
        ("exact twins", _twins(found.exact, found.exact_images)),
        ("near twins", _near(found)),
        ("flat", f"{found.flat_images:,} of a single colour" if found.flat_images else ""),
        ("leaks", _leaks(found)),
        ("groups cut", _groups_cut(found.crossing_groups)),
        ("suggested", f"canvas size {found.suggested_px} pixels"),
        ("cache", found.cache),
    ]
    return "\n".join(f"{name:<12} {value}" for name, value in lines if value)


def _in_splits(splits: dict[str, int]) -> str:
    if set(splits) <= {""}:
        return ""
    return ": " + ", ".join(f"{name or 'in no split'} {count:,}" for name, count in splits.items())


def _classes(found: Inspection) -> str:
    if not found.classes:
        return "no labels"
    ranked = sorted(found.classes.items(), key=lambda item: -item[1])
    named = ", ".join(f"{name} {count:,}" for name, count in ranked[: 2 * SHOWN])
    more = f" and {len(ranked) - 2 * SHOWN} more" if len(ranked) > 2 * SHOWN else ""
    kind = " (several an image)" if found.multi_label else ""
    rest = f"; {found.unlabelled:,} images without a label" if found.unlabelled else ""
    return f"{len(ranked)}{kind}: {named}{more}{rest}"


def _spread(values: tuple[int, float, int]) -> str:
    low, middle, high = values
    return f"{low}" if low == high else f"{low}…{middle:g}…{high}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:SHOWN])


def _canvases(found: Inspection) -> str:
    channels = f"{found.channels} channel{'s' if found.channels > 1 else ''}"
    low, high = found.raw_range
    return f"{found.canvas_px} × {found.canvas_px}, {channels}, {found.dtype}, {low:g}..{high:g} is 0..1"


def _numbers(values: Iterable[float]) -> str:
    return "  ".join(f"{value:.4f}" for value in values)


def _skipped(skipped: tuple[tuple[str, str], ...]) -> str:
    if not skipped:
        return "none"
    return _list(f"{len(skipped):,} files", [f"{key}: {reason}" for key, reason in skipped], len(skipped))


def _twins(clusters: tuple[Twins, ...], images: int) -> str:
    if not clusters:
        return "none"
    return _list(f"{images:,} images in {len(clusters):,} sets", map(_one, clusters), len(clusters))


def _near(found: Inspection) -> str:
    cut = "" if found.near_complete else " (so many candidates that the search stopped early)"
    return _twins(found.near, found.near_images) + cut


def _one(twins: Twins) -> str:
    more = f" and {twins.count - 2} more" if twins.count > 2 else ""
    marks = [mark for mark, on in (("one colour", twins.flat), ("labels differ", twins.labels_differ)) if on]
    return f"{twins.keys[0]} = {twins.keys[1]}{more}" + (f" ({', '.join(marks)})" if marks else "")


def _leaks(found: Inspection) -> str:
    if not found.leaks:
        return "none between splits" if len(set(found.splits) - {""}) > 1 else ""
    head = f"{found.leaked_images:,} test or val images have a twin in train; {len(found.leaks):,} sets cross splits"
    return _list(head, map(_one, found.leaks), len(found.leaks))


def _groups_cut(groups: tuple[str, ...]) -> str:
    return _list(f"{len(groups):,} lie in more than one split", groups, len(groups)) if groups else ""


def _list(head: str, items: Iterable[str], count: int) -> str:
    shown = [item for item, _ in zip(items, range(SHOWN), strict=False)]
    rest = [f"… and {count - SHOWN:,} more"] if count > SHOWN else []
    return "\n".join([head, *(f"{'':<12}   {line}" for line in shown + rest)])
