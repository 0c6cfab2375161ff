"""Figures as files: every chart of a report as an SVG of its own, with its numbers beside it."""

from __future__ import annotations

import csv
import io
from itertools import count
from pathlib import Path

from undercoat.errors import RunError
from undercoat.files import atomic
from undercoat.report.depth import depth_drawings, source_drawings
from undercoat.report.drawing import Drawing
from undercoat.report.experiments import experiment_drawings
from undercoat.report.figures import arms_drawings, knn_drawing, loss_drawing, rank_drawing, wait_drawing
from undercoat.report.folder import Found, load
from undercoat.report.method_numbers import numbers_drawings
from undercoat.report.page import build
from undercoat.report.printed import can_print, printed
from undercoat.report.standalone import OURS, framed, standalone
from undercoat.report.verdict_figure import verdict_drawing
from undercoat.report.writing import write

__all__ = ["export_figures", "write_report"]

INSTEAD = "another folder with --figures"


def export_figures(folder: Path | str, out_folder: Path | str, *, pdf: bool = False) -> list[Path]:
    """Write every figure of a study or run as an SVG file, and its numbers as a CSV file of the same name.

    The SVG files hold their own style for light and dark, and no script; they can be shown as pictures in a README.
    ``verdict.svg`` has every arm by the first two measures. Figures that were written here before are replaced, files
    of other origin are kept.

    Args:
        folder: a study folder, or the folder of a single run; unfinished ones too.
        out_folder: where the files go; made where it is missing.
        pdf: also as PDF for papers, with fonts embedded; needs matplotlib.

    Returns:
        The paths of the SVG files, the verdict first; their numbers lie beside them.

    Raises:
        RunError: when the folder holds nothing to report, when another file has one of the names, when a file cannot
            be written, or with ``pdf`` where matplotlib is not installed.

    Example:
        >>> import tempfile
        >>> from undercoat.records import Record, append
        >>> folder = tempfile.mkdtemp()
        >>> _ = append(folder, [Record(arm="base", readout="knn", metric="accuracy", value=0.7, n=100)])
        >>> [path.name for path in export_figures(folder, Path(folder) / "figures")]
        ['verdict.svg', 'arms-k-nn.svg']
    """
    if pdf and not can_print():
        raise RunError("PDF files need matplotlib, which is not installed; pip install matplotlib, or leave pdf out")
    out = Path(out_folder)
    if out.exists() and not out.is_dir():
        raise RunError(f"'{out}' is a file, so no figures can be put into it; give {INSTEAD}")
    files = [(out / f"{stem}.svg", one) for stem, one in _drawings(load(Path(folder))).items()]
    for path, _ in files:
        _refuse_others(path)
    for path, drawing in files:
        write(path, framed(drawing.chart) if drawing.stem == "verdict" else standalone(drawing), instead=INSTEAD)
        write(path.with_suffix(".csv"), _numbers(drawing), instead=INSTEAD)
        if pdf:
            _print(path)
    return [path for path, _ in files]


def write_report(folder: Path | str, *, out: Path | str | None = None, figures: Path | str | None = None) -> Path:
    """Write the report of a study or run as one HTML file, and its figures as files if asked.

    Args:
        folder: a study folder, or the folder of a single run; unfinished ones too.
        out: the HTML file; by default ``folder/report.html``.
        figures: a folder for every figure as SVG (and PDF, where matplotlib is installed) with its numbers as CSV; by
            default ``folder/figures`` for a study with axes or a sequence of coats, and none for others.

    Returns:
        The path of the HTML file.

    Raises:
        RunError: when the folder is missing or holds nothing to report, or a file cannot be written.
    """
    page = build(folder, out)
    if figures is None and experiment_drawings(load(Path(folder))):
        figures = Path(folder) / "figures"
    if figures is not None:
        export_figures(folder, figures, pdf=can_print())
    return page


def _drawings(found: Found) -> dict[str, Drawing]:
    """All figures by file name, those of the same name numbered."""
    curves = [knn_drawing(found), loss_drawing(found), rank_drawing(found), wait_drawing(found)]
    layers = [*depth_drawings(found), *source_drawings(found)]
    layers = [*experiment_drawings(found), *layers]
    there = [one for one in (verdict_drawing(found), *layers, *arms_drawings(found), *curves) if one is not None]
    there += numbers_drawings(found)
    taken: dict[str, Drawing] = {}
    for one in there:
        stem = next(name for number in count(1) if (name := f"{one.stem}-{number}".removesuffix("-1")) not in taken)
        taken[stem] = one
    return taken


def _refuse_others(path: Path) -> None:
    """Raise where a file that we did not write has the name of one of ours."""
    ours = path.exists() and OURS in path.read_text(encoding="utf-8", errors="replace")
    there = [one for one in (path, path.with_suffix(".csv"), path.with_suffix(".pdf")) if one.exists()]
    if there and not ours:
        raise RunError(f"'{there[0]}' is there already and no figure of a report, so it is kept; give {INSTEAD}")


def _print(path: Path) -> None:
    """Write the PDF beside an SVG file."""
    drawn = printed(path.read_text(encoding="utf-8"))
    with atomic(path.with_suffix(".pdf"), instead=INSTEAD) as temporary:
        temporary.write_bytes(drawn)


def _numbers(drawing: Drawing) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(drawing.columns)
    writer.writerows(drawing.data)
    return out.getvalue()
