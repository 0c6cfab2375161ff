"""Matches as a contact sheet and as a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from torch import Tensor
from torch.nn.functional import pad

from undercoat.contact_sheet import save_sheet
from undercoat.data import Canvases
from undercoat.diagnosis.example import Box
from undercoat.diagnosis.pictures import resized
from undercoat.diagnosis.scanning import Hit
from undercoat.files import atomic

__all__ = ["Match", "matches_table", "save_match_sheet", "write_matches"]

_TILE_PX, _COLUMNS = 160, 5
_LINE = (0.9, 0.62, 0.0)  # orange of Okabe & Ito


@dataclass(frozen=True)
class Match:
    """One place where the example was found.

    Attributes:
        key: of the image.
        label: of the image, empty where unknown.
        score: of the place; no probability.
        left: of the box, in pixels of the image as it was seen, like the next three.
        top: likewise.
        width: likewise.
        height: likewise.
        false_positives: share of held-out negative images that score as high somewhere; None without negatives.
    """

    key: str
    label: str
    score: float
    left: float
    top: float
    width: float
    height: float
    false_positives: float | None

    @classmethod
    def of(cls, hit: Hit, canvases: Canvases, held_out: NDArray[np.float64] | None) -> Match:
        """Name a hit's image, and say how often negatives score as high."""
        share = None if held_out is None or not len(held_out) else float((held_out >= hit.score).mean())
        label = _label(canvases, hit.image)
        box = hit.box
        return cls(canvases.keys[hit.image], label, hit.score, box.left, box.top, box.width, box.height, share)

    @property
    def box(self) -> Box:
        """Where it is."""
        return Box(self.left, self.top, self.width, self.height)


def _label(canvases: Canvases, position: int) -> str:
    if canvases.labels is None:
        return ""
    label = np.asarray(canvases.labels[position])
    if label.ndim:
        return "|".join(name for name, value in zip(canvases.classes, label, strict=True) if value == 1)
    return canvases.classes[int(label)] if label >= 0 else ""


def matches_table(matches: Sequence[Match]) -> Table:
    """Lay matches out for a terminal."""
    table = Table(box=None)
    for name in ("", "score", "box", "false positives", "label", "image"):
        table.add_column(name, justify="left" if name in ("label", "image") else "right", no_wrap=True)
    for rank, match in enumerate(matches, 1):
        box = f"{match.left:.0f},{match.top:.0f},{match.width:.0f},{match.height:.0f}"
        share = "–" if match.false_positives is None else f"{match.false_positives:.3f}"
        table.add_row(str(rank), f"{match.score:.3f}", box, share, match.label, match.key)
    return table


def write_matches(path: Path, matches: Sequence[Match]) -> Path:
    """Write matches as CSV, the best first."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(Match.__dataclass_fields__))
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in asdict(match).items()} for match in matches)
    return path


def save_match_sheet(path: Path, example: Tensor, pictures: Sequence[Tensor], matches: Sequence[Match]) -> Path:
    """Draw the example and then each match in its image, the best first.

    Args:
        path: of the PNG.
        example: (C, h, w).
        pictures: (C, H, W), the image of each match as it was seen.
        matches: their boxes and scores.
    """
    tiles = [_tile(example)]
    words = ["example"]
    for picture, match in zip(pictures, matches, strict=True):
        tiles.append(_tile(picture, match.box))
        words.append(f"{match.score:.2f} · {match.key.rsplit('/', 1)[-1]}")
    starts = range(0, len(tiles), _COLUMNS)
    captions = [words[start : start + _COLUMNS] for start in starts]
    return save_sheet(path, [tiles[start : start + _COLUMNS] for start in starts], captions=captions)


def _tile(picture: Tensor, box: Box | None = None) -> Tensor:
    """A picture in the middle of a white square, with a frame around the box."""
    factor = _TILE_PX / max(picture.shape[-2:])
    shape = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[2] * factor)))
    shown = resized(picture, shape).expand(3, -1, -1).clone()
    if box is not None:
        top, left = round(box.top * factor), round(box.left * factor)
        bottom, right = round((box.top + box.height) * factor), round((box.left + box.width) * factor)
        colour = torch.tensor(_LINE)[:, None, None]
        for rows, columns in (
            (slice(top, top + 2), slice(left, right)),
            (slice(max(0, bottom - 2), bottom), slice(left, right)),
            (slice(top, bottom), slice(left, left + 2)),
            (slice(top, bottom), slice(max(0, right - 2), right)),
        ):
            shown[:, rows, columns] = colour
    down, across = _TILE_PX - shape[0], _TILE_PX - shape[1]
    return pad(shown, (across // 2, across - across // 2, down // 2, down - down // 2), value=1.0)
