"""Commands that hand results on: tables for papers and files for analysis, and what differs between two studies."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import Literal

__all__ = ["study_diff", "study_tables"]

_ENDINGS = {".md": "md", ".tex": "latex", ".csv": "csv", ".parquet": "parquet"}


def study_tables(
    study: Path,
    *,
    format: Literal["md", "latex", "csv", "parquet"] | None = None,
    out: Path | None = None,
    overwrite: bool = False,
) -> str:
    """Write a study's tables: every arm (mean ± std over seeds, interval), and every paired difference with its p.

    Markdown and LaTeX (booktabs) hold rounded numbers to be read; CSV and Parquet hold all of them in full, one line
    for each. Raw rows of every seed are written by ``undercoat records``.

    Args:
        study: its folder, or that of a single run.
        format: md when neither this nor the ending of ``out`` says otherwise.
        out: a file; the table is printed when left out.
        overwrite: replace the file when it is there.

    Raises:
        SpecError: for Parquet without a file, or an ending that says another format.
        RunError: when there is nothing to report, or the file is there already or cannot be written.
    """
    from undercoat.errors import RunError, SpecError
    from undercoat.files import atomic

    kind = format or (_ENDINGS.get(out.suffix.lower()) if out else "md")
    if kind is None:
        raise SpecError(f"the ending of out '{out}' names no format; add --format, or end it in {', '.join(_ENDINGS)}")
    if out is None and kind == "parquet":
        raise SpecError("a Parquet file cannot be printed; add --out FILE.parquet")
    if out is not None and out.exists() and not overwrite:
        raise RunError(f"{out} is there already; add --overwrite, or choose another name")
    if out is None:
        return _text(study, kind)
    if kind == "parquet":
        return _parquet(study, out)
    text = _text(study, kind)
    with atomic(out, instead="another file with --out") as temporary:
        temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    return f"tables   {out}"


def _text(study: Path, kind: str) -> str:
    from undercoat.report import TableRow, table_rows, tables_latex, tables_markdown

    if kind == "csv":
        lines = io.StringIO()
        writer = csv.DictWriter(lines, TableRow.columns(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in table_rows(study))
        return lines.getvalue().rstrip("\n")
    return tables_latex(study) if kind == "latex" else tables_markdown(study)


def _parquet(study: Path, out: Path) -> str:
    import pandas

    from undercoat.files import atomic
    from undercoat.report import TableRow, table_rows

    rows = [asdict(row) for row in table_rows(study)]
    with atomic(out, instead="another file with --out") as temporary:
        pandas.DataFrame(rows, columns=TableRow.columns()).to_parquet(temporary, index=False)
    return f"{len(rows):,} rows in {out}"


def study_diff(a: Path, b: Path, *, digests: bool = False, json: bool = False) -> str:
    """Say what differs between two recipes, after ``extends`` and defaults, and which coats they share.

    Args:
        a: a recipe file, or the folder of a study.
        b: another.
        digests: open the data, to compare coats by their images too (two study folders always are).
        json: for machines.
    """
    from undercoat.study.differences import compare_studies

    found = compare_studies(a, b, digests=digests)
    return found.to_json() if json else str(found)
