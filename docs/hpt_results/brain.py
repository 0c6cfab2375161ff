"""A small labelled brain-MR set: at which height was a slice cut? One head to learn from, another to be asked."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["HEIGHTS", "write_table"]

HEIGHTS = ("lowest", "low", "middle", "high", "highest")


def write_table(learned: Path, asked: Path, out: Path) -> Path:
    """Write a CSV of slices with their height in fifths, from two folders of slices in order.

    The two heads are different people's (one an average of many), so no test slice has a neighbour among the training
    slices: a random split would put the next slice of the same head on the other side.

    Args:
        learned: folder whose images are for training.
        asked: folder whose images are for testing.
        out: the CSV.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(("path", "label", "split", "group"))
        for folder, split in ((learned, "train"), (asked, "test")):
            slices = sorted(path for path in (folder / "images").iterdir() if path.suffix == ".png")
            for position, path in enumerate(slices):
                height = HEIGHTS[position * len(HEIGHTS) // len(slices)]
                writer.writerow((path.resolve(), height, split, folder.name))
    return out
