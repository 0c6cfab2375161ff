"""A picture of what the features find similar: test images, each beside its nearest training images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from undercoat.data.canvases import Canvases
from undercoat.files import atomic, write_json
from undercoat.functional.draws import permutation
from undercoat.functional.neighbours import nearest

__all__ = ["SheetLayout", "neighbours_sheet"]

Pixels = NDArray[np.uint8]
_WHITE = 255
_SAME, _OTHER = (0, 114, 178), (230, 159, 0)  # blue and orange of Okabe & Ito: distinct for the colour-blind


@dataclass(frozen=True, kw_only=True)
class SheetLayout:
    """How large the sheet is.

    Attributes:
        queries: test images shown; fewer when there are fewer.
        neighbours: training images beside each; fewer when there are fewer.
        tile_px: side of the square an image is fitted into.
        seed: of the choice of queries, which depends on nothing else: every stage shows the same ones.
    """

    queries: int = 8
    neighbours: int = 5
    tile_px: int = 96
    seed: int = 0


def neighbours_sheet(
    train: tuple[Canvases, NDArray[np.float32]],
    test: tuple[Canvases, NDArray[np.float32]],
    folder: Path | str,
    *,
    layout: SheetLayout | None = None,
) -> Path:
    """Write ``folder/neighbours.png`` and ``folder/neighbours.json``.

    Each row is one test image and, after a gap, its nearest training images by cosine, nearest first. Where
    labels are known, the bar below a neighbour is blue and long for the same class, orange and short for
    another.

    Args:
        train: images and their features (N, D).
        test: images and their features.
        folder: of the stage.
        layout: size and choice of queries.

    Returns:
        The path of the picture.
    """
    layout = layout or SheetLayout()
    images, features = test
    queries = _queries(images, layout)
    cosine, index = nearest(
        torch.from_numpy(np.array(features[queries])),
        torch.from_numpy(np.array(train[1])),
        k=layout.neighbours,
    )
    rows = [
        _Row(int(query), found.tolist(), [round(value, 4) for value in values.tolist()])
        for query, found, values in zip(queries, index.numpy(), cosine.numpy(), strict=True)
    ]
    path = Path(folder) / "neighbours.png"
    sheet = Image.fromarray(np.concatenate([_strip(row, train[0], images, layout.tile_px) for row in rows]))
    about = {"queries": [_about(row, train[0], images) for row in rows], "tile_px": layout.tile_px}
    with atomic(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    write_json(path.with_suffix(".json"), about)
    return path


@dataclass(frozen=True)
class _Row:
    query: int
    neighbours: list[int]
    cosine: list[float]


def _queries(images: Canvases, layout: SheetLayout) -> NDArray[np.int64]:
    """Choose test images: one of each class in turn where classes are known, so that none fills the sheet."""
    order = permutation(len(images), seed=layout.seed, epoch=0, purpose="neighbour queries")
    if images.labels is None or images.multi_label:
        return order[: layout.queries]
    seen: dict[int, int] = {}
    turn = np.empty(len(order), dtype=np.int64)
    for place, label in enumerate(np.asarray(images.labels)[order]):
        turn[place] = seen[int(label)] = seen.get(int(label), -1) + 1
    return order[np.argsort(turn, kind="stable")[: layout.queries]]


def _same_class(row: _Row, neighbour: int, train: Canvases, test: Canvases) -> bool | None:
    """Whether a neighbour shares the query's class (or one of its classes); None where that is not known."""
    if train.labels is None or test.labels is None or train.classes != test.classes:
        return None
    mine, other = np.asarray(test.labels[row.query]), np.asarray(train.labels[neighbour])
    if mine.ndim:
        return None if 255 in (mine.max(), other.max()) else bool((mine & other).any())
    return None if min(mine, other) < 0 else bool(mine == other)


def _about(row: _Row, train: Canvases, test: Canvases) -> dict[str, Any]:
    return {
        "key": test.keys[row.query],
        "label": _label(test, row.query),
        "neighbours": [
            {
                "key": train.keys[neighbour],
                "label": _label(train, neighbour),
                "similarity": cosine,
                "same_class": _same_class(row, neighbour, train, test),
            }
            for neighbour, cosine in zip(row.neighbours, row.cosine, strict=True)
        ],
    }


def _label(canvases: Canvases, position: int) -> str:
    if canvases.labels is None:
        return ""
    label = np.asarray(canvases.labels[position])
    if label.ndim:
        return "|".join(name for name, value in zip(canvases.classes, label, strict=True) if value == 1)
    return canvases.classes[int(label)] if label >= 0 else ""


def _strip(row: _Row, train: Canvases, test: Canvases, tile_px: int) -> Pixels:
    gap = np.full((tile_px, tile_px // 6, 3), _WHITE, dtype=np.uint8)
    tiles = [_tile(test, row.query, tile_px), gap]
    tiles += [_tile(train, neighbour, tile_px) for neighbour in row.neighbours]
    bar_px = max(3, tile_px // 24)
    bars = np.full((bar_px * 3, sum(tile.shape[1] for tile in tiles), 3), _WHITE, dtype=np.uint8)
    left = tile_px + gap.shape[1]
    for place, neighbour in enumerate(row.neighbours):
        same = _same_class(row, neighbour, train, test)
        if same is not None:
            start = left + place * tile_px + tile_px // 12
            width = (tile_px - tile_px // 6) // (1 if same else 2)
            bars[bar_px : 2 * bar_px, start : start + width] = _SAME if same else _OTHER
    return np.concatenate([np.concatenate(tiles, axis=1), bars])


def _tile(canvases: Canvases, position: int, tile_px: int) -> Pixels:
    """One image in its true proportions on white, with a thin margin."""
    raw = canvases.batch(np.array([position]))[0].astype(np.float32)
    scaled = np.clip((raw - canvases.low) / (canvases.high - canvases.low), 0, 1)
    shown = scaled[..., :3] if canvases.channels >= 3 else np.repeat(scaled[..., :1], 3, axis=2)
    aspect = float(canvases.aspect[position])
    inside = tile_px - 4
    width = max(1, round(inside * min(1.0, aspect)))
    height = max(1, round(inside * min(1.0, 1 / aspect)))
    small = Image.fromarray((shown * 255 + 0.5).astype(np.uint8)).resize((width, height), Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (tile_px, tile_px), (_WHITE,) * 3)
    tile.paste(small, ((tile_px - width) // 2, (tile_px - height) // 2))
    return np.asarray(tile)
