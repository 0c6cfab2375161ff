"""First-layer filters of networks side by side: a picture and the numbers that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple

from undercoat.diagnosis.filter_sheet import save_filter_sheet
from undercoat.diagnosis.filter_statistics import filter_statistics
from undercoat.diagnosis.findings import Finding, by_chance, picture_and_table, refuse_existing, write_findings
from undercoat.diagnosis.first_layer import FirstLayer, alike, first_layer
from undercoat.diagnosis.networks import open_networks
from undercoat.errors import SpecError
from undercoat.functional.similarity import matched_cosine

__all__ = ["FilterSheet", "compare_filters", "filters"]


class FilterSheet(NamedTuple):
    """What :func:`filters` made.

    Attributes:
        picture: the PNG.
        table: the CSV beside it.
        findings: its rows.
    """

    picture: Path
    table: Path
    findings: list[Finding]


def filters(
    runs: list[str],
    *,
    out: Path | str = Path("filters.png"),
    scale: Literal["filter", "layer"] = "filter",
    cell_px: int = 36,
    backbone: str | None = None,
    backbone_arguments: dict[str, Any] | None = None,
    channels: int = 3,
    signed: bool = False,
    seed: int = 0,
    overwrite: bool = False,
) -> FilterSheet:
    """Draw the first-layer filters of networks side by side, and say in numbers what is to be seen.

    The gain of the batch norm that follows is folded in, so that the picture shows what the layer does. A CSV file of
    the same name has each network's statistics and, for each two networks, how well their filters match.

    Networks of one kind that began with the same seed share their first weights, ``random`` of that seed too: how alike
    they are says how little training moved them, not that they learned the same. Give another ``seed`` for strangers.

    Args:
        runs: folders of runs, ``STUDY/ARM``, files of weights, ``timm/NAME``, ``imagenet-lite0`` or ``random``, each
            with ``LABEL=`` before it if it shall have a name of its own.
        out: the PNG; the numbers go to a ``.csv`` of the same name.
        scale: ``filter``: each filter over its own range; ``layer``: all over one range.
        cell_px: width of a filter in the picture, at most; filters are enlarged by whole numbers.
        backbone: the network for ``random`` and for files of weights (default: the first run's).
        backbone_arguments: of its constructor.
        channels: of networks that are built rather than loaded.
        signed: count opposite filters as unlike.
        seed: of random weights and of the nulls; one that no run had, or ``random`` is where that run began.
        overwrite: replace the files when they are there.

    Raises:
        SpecError, WeightsError: in one sentence.
        RunError: when a file is there already.
    """
    picture, table = picture_and_table(out)
    if cell_px < 1:
        raise SpecError(f"cell_px is {cell_px}; give at least 1")
    refuse_existing(picture, table, overwrite=overwrite)
    settings: dict[str, Any] = {"backbone": backbone, "backbone_arguments": backbone_arguments, "channels": channels}
    networks = open_networks(runs, **settings, seed=seed)
    layers = [(network.label, first_layer(network.backbone)) for network in networks]
    rows = [row for label, layer in layers for row in filter_statistics(label, layer, seed=seed)]
    rows += compare_filters(layers, signed=signed, seed=seed)
    save_filter_sheet(picture, [(label, layer.filters) for label, layer in layers], scale=scale, cell_px=cell_px)
    write_findings(table, rows)
    return FilterSheet(picture, table, rows)


def compare_filters(
    layers: Sequence[tuple[str, FirstLayer]], *, signed: bool = False, seed: int = 0, repeats: int = 20
) -> list[Finding]:
    """Measure how well each two networks' first-layer filters match, beside two nulls.

    Measure ``matched cosine`` has as null random filters of the first network's shape, matched to the second's.
    Measure ``matched cosine, layout`` is the same number with another null: the first network's own filters, each with
    its pixels in random order. That keeps colours and strengths and destroys only the layout, so it
    is the stricter question: do the two agree in *shapes*?

    Args:
        layers: (label, first layer) of at least two networks; filters of other shapes are brought to one by
            :func:`~undercoat.diagnosis.first_layer.alike`.
        signed: count opposite filters as unlike.
        seed: of the nulls.
        repeats: how many draws make a null's range.

    Returns:
        Two findings a pair; none for one network.
    """
    rows = []
    for (one, first), (other, second) in combinations(layers, 2):
        found = matched_cosine(*alike(first.filters, second.filters), signed=signed)
        nulls = {
            "matched cosine": [first.by_chance(draw=draw, seed=seed) for draw in range(repeats)],
            "matched cosine, layout": [first.shuffled(draw=draw, seed=seed) for draw in range(repeats)],
        }
        for measure, sets in nulls.items():
            null = [matched_cosine(*alike(drawn, second.filters), signed=signed).value for drawn in sets]
            rows.append(Finding(one, other, "first", measure, found.value, **by_chance(null), n=len(found.first)))
    return rows
