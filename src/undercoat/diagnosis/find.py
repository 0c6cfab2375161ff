"""Find one example in many images, on frozen features: the command."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from undercoat.data import Canvases, list_data, open_data
from undercoat.data.building import survey_of
from undercoat.diagnosis.detector import DetectorSettings
from undercoat.diagnosis.example import open_example
from undercoat.diagnosis.findings import Finding, picture_and_table, refuse_existing
from undercoat.diagnosis.match_sheet import Match, save_match_sheet, write_matches
from undercoat.diagnosis.networks import open_network
from undercoat.diagnosis.pictures import picture_of
from undercoat.diagnosis.ranking import known_and_relevant
from undercoat.diagnosis.searching import Learned, Search
from undercoat.errors import DataError, SpecError

__all__ = ["Found", "find"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What :func:`find` found.

    Attributes:
        picture: contact sheet of the example and its matches.
        table: CSV of the matches.
        matches: the best first.
        findings: average precision beside its baselines, when the class is known.
        notes: sentences about what the numbers mean here.
        json: whether the command prints JSON.
    """

    picture: Path
    table: Path
    matches: list[Match]
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    json: bool = False

    def to_json(self) -> str:
        """Everything but the flag, for machines."""
        shown = {
            "picture": str(self.picture),
            "table": str(self.table),
            "matches": [asdict(match) for match in self.matches],
            "findings": [asdict(row) for row in self.findings],
            "notes": self.notes,
        }
        return json_format.dumps(shown, indent=1, ensure_ascii=False)


def find(
    run: str,
    *,
    example: Path | str,
    data: str,
    box: str | None = None,
    method: Literal["exemplar_svm", "correlation_filter"] = "exemplar_svm",
    layer: str | None = None,
    margin: float = 0.5,
    negatives: str | None = None,
    negative_images: int = 100,
    rounds: int = 4,
    flips: bool = True,
    label: str | None = None,
    top: int = 12,
    per_image: int = 1,
    size_px: int | None = None,
    example_px: int | None = None,
    out: Path | str = Path("matches.png"),
    json: bool = False,
    backbone: str | None = None,
    backbone_arguments: dict[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    cache: Path | str | None = None,
    overwrite: bool = False,
) -> Found:
    """Find one example in the images of a data set, on the maps of a frozen network.

    Images are seen whole, in their true proportions, decoded once to squares of ``size_px``. A score is not a
    probability: one positive cannot calibrate one. What can be measured is how often images without the example score
    as high, on negatives that nothing was learned from.

    Args:
        run: folder of a run, ``STUDY/ARM``, file of weights, ``timm/NAME``, ``imagenet-lite0`` or ``random``.
        example: a crop, at the scale of the data's original files; or with ``box`` a whole picture.
        data: where to look.
        box: ``left,top,width,height`` of the example in its picture's own pixels.
        method: exemplar SVM, or maximum-margin correlation filter.
        layer: whose maps are used (default: the second that the network names).
        margin: λ of the correlation filter: 1 is the SVM, 0 looks for sharp peaks alone.
        negatives: images without the example; mistakes are looked for in them. Without, random windows of the data.
        negative_images: how many of them are used, a fifth of them only for the false positives.
        rounds: of looking for mistakes.
        flips: learn the mirror image too.
        label: class of the example: adds average precision, beside raw pixels and random weights.
        top: matches shown.
        per_image: matches in one image, at most 5.
        size_px: longer side of the images as they are seen (default: that of the decoded squares).
        example_px: longer side of a crop as it is seen (default: from the median size of the originals).
        out: contact sheet, PNG; the matches go to a ``.csv`` of the same name.
        json: for machines.
        backbone: the network for ``random`` and for a file of weights.
        backbone_arguments: of its constructor.
        seed: of random weights and windows.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        cache: where decoded images are kept (default: ``.undercoat-cache``).
        overwrite: replace the files when they are there.

    Raises:
        SpecError, DataError, WeightsError: in one sentence.
        RunError: when a file is there already.
    """
    picture, table = picture_and_table(out)
    if top < 1 or not 1 <= per_image <= 5 or negative_images < 2:
        raise SpecError("top has to be at least 1, per_image 1 to 5, and negative_images at least 2")
    refuse_existing(picture, table, overwrite=overwrite)
    settings = DetectorSettings(method=method, margin=margin, rounds=rounds if negatives else 0, seed=seed)
    network = open_network(run, backbone=backbone, backbone_arguments=backbone_arguments, seed=seed).backbone
    canvases = _opened(data, size_px, cache)
    ranked = None if label is None else known_and_relevant(canvases, label)
    side = canvases.size_px if size_px is None else size_px
    crop = open_example(
        example,
        box=box,
        scale=_scale(data, side) if box is None and example_px is None else 1.0,
        size_px=side,
        example_px=example_px,
        channels=canvases.channels,
    )
    others = canvases if negatives is None else _opened(negatives, size_px, cache)
    if others.channels != canvases.channels:
        raise DataError(f"{negatives!r} has {others.channels} channels, {data!r} {canvases.channels}; give alike ones")
    search = Search(
        example=crop,
        negatives=others,
        negative_images=negative_images,
        settings=settings,
        layer=layer,
        size_px=side,
        flips=flips,
        device=device,
    )
    learned = search.learn(network)
    looked = list(search.look(canvases, learned, per_image=per_image))
    hits = sorted((hit for _, found in looked for hit in found), key=lambda hit: (-hit.score, hit.image))[:top]
    if not hits:
        raise DataError("the example fits into none of the images; give example_px, or a smaller crop")
    matches = [Match.of(hit, canvases, learned.held_out if negatives else None) for hit in hits]
    rows = []
    if ranked is not None:
        known, relevant = ranked
        scores = np.array([score for score, _ in looked])[known]
        rows = search.compare(canvases.take(known), scores, network, relevant)
    save_match_sheet(picture, crop.crop, [picture_of(canvases, hit.image, size_px=side) for hit in hits], matches)
    write_matches(table, matches)
    notes = [_note(learned, negatives)]
    return Found(picture=picture, table=table, matches=matches, findings=rows, notes=notes, json=json)


def _opened(data: str, size_px: int | None, cache: Path | str | None) -> Canvases:
    canvases = open_data(data, size_px=size_px, cache=cache)
    if canvases.channels not in (1, 3):
        raise DataError(f"{data!r} has {canvases.channels} channels; an example is found in grey or colour images only")
    return canvases


def _scale(data: str, size_px: int) -> float:
    """Seen pixels for one pixel of the originals, by the median of their longer sides."""
    survey = survey_of(list_data(data), progress=False)
    good = survey.good()
    return size_px / float(np.median(np.maximum(survey.widths[good], survey.heights[good])))


def _note(learned: Learned, negatives: str | None) -> str:
    detector = learned.detector
    if negatives is None:
        return (
            f"learned against {detector.negatives:,} random windows of the data itself, for no negatives were given; "
            "how often nothing scores as high is therefore not known"
        )
    return (
        f"learned against {detector.negatives:,} windows, {detector.mined:,} of them found by looking for mistakes; "
        f"false positives: the share of {len(learned.held_out)} held-out negative images that score as high anywhere"
    )
