"""How alike networks are, layer by layer, on given images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import floor, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from undercoat.augment import centre_view
from undercoat.backbones import Backbone
from undercoat.data import Canvases, open_data
from undercoat.diagnosis.filters import compare_filters
from undercoat.diagnosis.findings import Finding, by_chance, refuse_existing, write_findings
from undercoat.diagnosis.first_layer import first_layer
from undercoat.diagnosis.networks import Network, open_networks
from undercoat.errors import DataError, RunError, SpecError
from undercoat.evaluation import EvaluationView
from undercoat.evaluation.frozen import frozen
from undercoat.functional.draws import permutation
from undercoat.functional.intervals import bootstrap
from undercoat.functional.similarity import gram, linear_cka_of_grams
from undercoat.runtime import Runtime

__all__ = ["Similarity", "compare_layers", "layer_grams", "similarity"]

_MOST_NUMBERS = 9600  # of a pooled map, as the probes of Zhang et al. 2017 have
_LEAST_IMAGES = 10


class Similarity(NamedTuple):
    """What :func:`similarity` found, and the CSV where it lies."""

    table: Path
    findings: list[Finding]


def similarity(
    runs: list[str],
    *,
    data: str,
    layers: str = "all",
    out: Path | str = Path("similarity.csv"),
    images: int = 512,
    size_px: int | None = None,
    backbone: str | None = None,
    backbone_arguments: dict[str, Any] | None = None,
    signed: bool = False,
    seed: int = 0,
    device: str = "auto",
    cache: Path | str | None = None,
    overwrite: bool = False,
) -> Similarity:
    """Say how alike networks are: linear CKA of each layer on given images, and their first-layer filters matched.

    Networks of one kind that began with the same seed share their first weights, ``random`` of that seed too: how alike
    they are says how little training moved them, not that they learned the same. Give another ``seed`` for strangers.

    Args:
        runs: two or more of: folders of runs, ``STUDY/ARM``, files of weights, ``timm/NAME``, ``imagenet-lite0``,
            ``random``; each with ``LABEL=`` before it if it shall have a name of its own.
        data: images to compare on; labels are not looked at.
        layers: names with commas between; ``all`` takes those that every network has.
        out: the CSV.
        images: how many, drawn from the data; at least 10.
        size_px: side of the view (default: that of the decoded squares).
        backbone: the network for ``random`` and for files of weights (default: the first run's).
        backbone_arguments: of its constructor.
        signed: count opposite filters as unlike.
        seed: of random weights, of the choice of images and of the nulls; one that no run had, or ``random`` is where
            that run began.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        cache: where decoded images are kept (default: ``.undercoat-cache``).
        overwrite: replace the file when it is there.

    Raises:
        SpecError: for a single network, or a layer that one of them does not have.
        DataError: for fewer than 10 images.
        RunError: when the file is there already.
    """
    table = Path(out)
    refuse_existing(table, overwrite=overwrite)
    if len(runs) < 2:
        raise SpecError("similarity compares networks, and there is one; name another, such as random")
    networks = open_networks(runs, backbone=backbone, backbone_arguments=backbone_arguments, seed=seed)
    names = _layers(networks, layers)
    canvases = open_data(data, cache=cache)
    if min(images, len(canvases)) < _LEAST_IMAGES:
        raise DataError(
            f"{min(images, len(canvases))} images say nothing about likeness; give at least {_LEAST_IMAGES}"
        )
    order = permutation(len(canvases), seed=seed, epoch=0, purpose="images to compare on")
    chosen = canvases.take(np.sort(order[:images]))
    view = EvaluationView(size_px=canvases.size_px if size_px is None else size_px)
    first = [(network.label, first_layer(network.backbone)) for network in networks]
    rows = compare_filters(first, signed=signed, seed=seed)
    rows += compare_layers(networks, chosen, names, view=view, device=device, seed=seed)
    write_findings(table, rows)
    return Similarity(table, rows)


def _layers(networks: Sequence[Network], asked: str) -> tuple[str, ...]:
    if asked != "all":
        names = tuple(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))
        if not names:
            raise SpecError("layers is empty; name layers with commas between, or leave it out")
        return names
    first, *rest = (network.backbone.layer_names for network in networks)
    shared = tuple(name for name in first if all(name in other for other in rest))
    if not shared:
        raise SpecError("these networks have no layer of the same name; compare networks of one family")
    return shared


def layer_grams(
    backbone: Backbone,
    canvases: Canvases,
    layers: Sequence[str],
    *,
    view: EvaluationView,
    device: str = "auto",
    batch: int = 64,
) -> dict[str, Tensor]:
    """Inner products (N, N) between images in each layer, whose maps are pooled to at most 9,600 numbers an image.

    Raises:
        RunError: when a layer's numbers are not finite.
        SpecError: for an unknown layer.
    """
    place = Runtime.reading(backbone, device=device).device
    kept: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    with frozen(backbone, place), torch.inference_mode():
        for start in range(0, len(canvases), batch):
            index = np.arange(start, min(start + batch, len(canvases)))
            pixels = torch.from_numpy(canvases.batch(index)).to(place)
            shown = centre_view(
                pixels,
                canvases.aspect[index],
                size_px=view.size_px,
                crop_fraction=view.crop_fraction,
                low=canvases.low,
                high=canvases.high,
            )
            for layer, maps in backbone.maps(shown, layers).items():
                kept[layer].append(_pooled(maps).float().cpu())
    for layer, parts in kept.items():
        if not all(bool(part.isfinite().all()) for part in parts):
            raise RunError(f"layer {layer!r} of {backbone.name!r} gives numbers that are not finite; look at its loss")
    return {layer: gram(torch.cat(parts)) for layer, parts in kept.items()}


def _pooled(maps: Tensor) -> Tensor:
    side = max(1, floor(sqrt(_MOST_NUMBERS / maps.shape[1])))
    return adaptive_avg_pool2d(maps, (min(side, maps.shape[2]), min(side, maps.shape[3])))


def compare_layers(
    networks: Sequence[Network],
    canvases: Canvases,
    layers: Sequence[str],
    *,
    view: EvaluationView,
    device: str = "auto",
    seed: int = 0,
    repeats: int = 20,
) -> list[Finding]:
    """Linear CKA of each layer for each two networks, with its interval over images.

    The null is the same number with one network's images in another order, which leaves nothing in common.

    Args:
        networks: two or more.
        canvases: N ≥ 5 images.
        layers: that all of them have.
        view: size and crop.
        device: where they run.
        seed: of the orders and of the interval.
        repeats: how many orders make the null's range.
    """
    grams = [layer_grams(network.backbone, canvases, layers, view=view, device=device) for network in networks]
    rows = []
    for (one, first), (other, second) in combinations(zip(networks, grams, strict=True), 2):
        for layer in layers:
            rows.append(_alignment(one.label, other.label, layer, (first[layer], second[layer]), seed, repeats))
    return rows


def _alignment(one: str, other: str, layer: str, pair: tuple[Tensor, Tensor], seed: int, repeats: int) -> Finding:
    first, second = pair
    found = linear_cka_of_grams(first, second)
    null = []
    for draw in range(repeats):
        order = torch.from_numpy(permutation(len(second), seed=seed, epoch=draw, purpose="shuffled images"))
        null.append(linear_cka_of_grams(first, second[order][:, order]).value)
    low, high = bootstrap(found.pseudo_values.numpy(), seed=seed)
    return Finding(one, other, layer, "linear CKA", found.value, low, high, **by_chance(null), n=len(first))
