"""Pictures and numbers about the networks of the table: filters, similarity, style, one-example search, richness."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from single_image_results.studies import folder_of
from undercoat.data import open_data
from undercoat.data.facts import richness_of_photos
from undercoat.diagnosis import Finding, filters, find, similarity, style
from undercoat.report import load

__all__ = ["Analyses", "make_pictures"]

METHODS = ("bigan", "rotnet", "deep_cluster", "jigsaw", "moco_v2", "pirl")
PHOTOS = {"photo": "motorcycle", "drawing": "animals", "dull": "retina"}
SEED_IMAGES = 512
STYLE_PX = 128
OTHER, OTHER_SEED = "random", 9
"""Random weights that no other network began with; those of seed 0 are called ``start``."""
STYLED = ("start", "supervised", "bigan", "rotnet", "deep_cluster")
EXAMPLE, EXAMPLE_CLASS = 0, "activities"


@dataclass
class Analyses:
    """Rows (network or pair, measure, value, null …) and pictures; empty where the table was not run."""

    filters: list[Finding] = field(default_factory=list)
    similarity: list[Finding] = field(default_factory=list)
    style: list[Finding] = field(default_factory=list)
    find: dict[str, list[Finding]] = field(default_factory=dict)
    richness: list[tuple[str, str, float, float]] = field(default_factory=list)


def make_pictures(runs: Path, pictures: Path, *, probe: str) -> Analyses:
    """Make every picture anew and gather the numbers beside them."""
    made = Analyses(richness=[_rich(role, photo) for role, photo in PHOTOS.items()])
    table = folder_of("table", runs)
    if not (table / "records.jsonl").exists():
        return made
    networks = [f"{name}={table / arm}" for name, arm in _networks(table).items()]
    everyone = [*networks, OTHER]
    made.filters = list(filters(everyone, out=pictures / "filters.png", seed=OTHER_SEED, overwrite=True).findings)
    compared = similarity(
        everyone,
        seed=OTHER_SEED,
        data=f"{probe}?limit={SEED_IMAGES}&split=test",
        images=SEED_IMAGES,
        size_px=32,
        out=pictures / "similarity.csv",
        overwrite=True,
    )
    made.similarity = list(compared.findings)
    with tempfile.TemporaryDirectory() as scratch:
        content, look, example = (Path(scratch) / name for name in ("coffee.png", "tissue.png", "emoji.png"))
        _save(f"patches:photo:coffee?n=1&preset=none&size={STYLE_PX}", 0, content)
        _save(f"patches:photo:ihc?n=1&preset=none&size={STYLE_PX}", 0, look)
        early = [name for name in networks if name.split("=")[0] in STYLED]
        painted = style(
            early, content=content, style=look, size_px=STYLE_PX, out=pictures / "style.png", overwrite=True
        )
        made.style = list(painted.findings)
        _save("sample:twemoji?split=train", EXAMPLE, example, border_px=8)
        for method in ("exemplar_svm", "correlation_filter"):
            matches = find(
                str(table / "bigan 1"),
                example=example,
                data="sample:twemoji?split=test",
                method=method,
                negatives="sample:openmoji-line?split=train",
                label=EXAMPLE_CLASS,
                out=pictures / f"{method}.png",
                overwrite=True,
            )
            made.find[method] = list(matches.findings)
    return made


def _save(spec: str, position: int, path: Path, border_px: int = 0) -> None:
    """Write one image of a data set as a file, without its border."""
    pixels = np.asarray(open_data(spec, progress=False).batch(np.array([position])))[0].astype(np.uint8)
    Image.fromarray(pixels[border_px : len(pixels) - border_px, border_px : len(pixels) - border_px]).save(path)


def _networks(table: Path) -> dict[str, str]:
    """Label → arm of the networks that saw one photograph, beside the untrained one that all began as, and labels."""
    wanted = {"start": "random", "supervised": "supervised", **{method: f"{method} 1" for method in METHODS}}
    there = {arm.name for arm in load(table).arms}
    return {label: arm for label, arm in wanted.items() if arm in there}


def _rich(role: str, photo: str) -> tuple[str, str, float, float]:
    canvases = open_data(f"patches:photo:{photo}?n=1", progress=False)
    (found,) = richness_of_photos(canvases).values()
    return role, photo, found.entropy_bits, found.edge_density
