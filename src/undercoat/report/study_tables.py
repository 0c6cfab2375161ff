"""A study's two tables for papers: every arm, and every paired difference, as Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from undercoat.report.differences import looks_text, paired_differences
from undercoat.report.folder import load
from undercoat.report.table_rows import TableRow, judgings, table_rows
from undercoat.report.tables import latex_lines, markdown_lines
from undercoat.report.wording import count, data_name, fraction, interval, signed, span

__all__ = ["tables_latex", "tables_markdown"]


def _arm_lines(rows: Sequence[TableRow]) -> list[list[str]]:
    """Head and cells: a line for each arm and protocol, two columns for each readout."""
    readouts = list(dict.fromkeys((row.readout_name, row.eval_data) for row in rows))
    several = len({data for _, data in readouts}) > 1
    judged = any(row.protocol for row in rows)
    names = [f"{name} on {data_name(data)}" if several else name for name, data in readouts]
    head = ["arm", *(["protocol"] if judged else []), "coats", "steps"]
    head += [column for name in names for column in (name, f"{name}: 95 % interval")]
    lines = [[*head, "seeds"]]
    for name, protocol in dict.fromkeys((row.arm, row.protocol) for row in rows):
        own = {(row.readout_name, row.eval_data): row for row in rows if (row.arm, row.protocol) == (name, protocol)}
        first = next(iter(own.values()))
        cells = [name, *([protocol] if judged else []), first.coats or "–", count(first.steps)]
        for readout in readouts:
            row = own.get(readout)
            cells += [_mean(row), span(row.ci_low, row.ci_high) or "–"] if row else ["–", "–"]
        few = sorted({row.unfinished for row in own.values() if row.unfinished})
        lines.append([*cells, few[0] if few else str(max(row.seeds for row in own.values()) or "all")])
    return lines


def _mean(row: TableRow) -> str:
    spread = f" ± {fraction(row.std)}" if row.std is not None else ""
    return fraction(row.value) + spread + ("*" if row.unfinished else "")


def _difference_lines(rows: Sequence[TableRow]) -> list[list[str]]:
    several = len({row.eval_data for row in rows}) > 1
    lines = [["difference", "readout", "value", "95 % interval", "p", "p (Holm)"]]
    for row in rows:
        where = "".join(
            [f" on {data_name(row.eval_data)}" if several else "", f", {row.protocol}" * bool(row.protocol)]
        )
        ends = interval(row.ci_low, row.ci_high) or "–"
        ps = [_p(row.p), _p(row.p_holm)]
        lines.append([f"{row.arm} − {row.versus}", row.readout_name + where, signed(row.value), ends, *ps])
    return lines


def _p(value: float | None) -> str:
    return "–" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _parts(folder: Path | str) -> tuple[list[list[str]], list[list[str]], list[str]]:
    rows = table_rows(folder)
    arms, differences = ([row for row in rows if row.kind == kind] for kind in ("arm", "difference"))
    found = load(Path(folder))
    looks = looks_text([one for _, own in judgings(found) for one in paired_differences(own, found.arms)])
    notes = (
        ["Means over seeds stand with ± one standard deviation."] if any(row.std is not None for row in arms) else []
    )
    notes += ["* not all seeds are there yet."] if any(row.unfinished for row in arms) else []
    return _arm_lines(arms) if arms else [], _difference_lines(differences) if differences else [], [*notes, looks]


def tables_markdown(folder: Path | str) -> str:
    """Both tables as GitHub Markdown, with what they do not show below them.

    Raises:
        RunError: when the folder holds nothing to report.
    """
    arms, differences, notes = _parts(folder)
    parts = [markdown_lines(arms, text_columns=arms[0].index("steps"))] if arms else []
    parts += [markdown_lines(differences, text_columns=2)] if differences else []
    return "\n\n".join([*parts, *(note for note in notes if note)]) or "Nothing was measured on test images yet."


def tables_latex(folder: Path | str) -> str:
    """Both tables as ``tabular`` with booktabs rules, and the notes as comments.

    Raises:
        RunError: when the folder holds nothing to report.
    """
    arms, differences, notes = _parts(folder)
    parts = [r"% \usepackage{booktabs}"]
    parts += [latex_lines(arms, text_columns=arms[0].index("steps"))] if arms else []
    parts += [latex_lines(differences, text_columns=2)] if differences else []
    return "\n\n".join([*parts, *(f"% {note}" for note in notes if note)])
