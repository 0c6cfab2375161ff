"""From studies and analyses to the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from study_pages import claims_in_short, origin, words_of

from single_image_results.analyses import Analyses
from single_image_results.studies import STUDIES, figures_of
from undercoat.diagnosis import Finding
from undercoat.report.claims import claims_text
from undercoat.report.folder import Found
from undercoat.report.layer_tables import layers_text

__all__ = ["page"]

WORDS = Path(__file__).with_name("words.txt")
COMMAND = "python docs/make_single_image_results.py --probe fashion-mnist/"


def page(studies: Mapping[str, Found], analyses: Analyses, pictures: Path) -> str:
    """The whole page; a study that was not run is said to be missing."""
    words = words_of(WORDS)
    lines = [
        "# What can be learned from a single image: measured",
        "",
        words["intro"],
        "",
        origin(studies, COMMAND),
        "",
    ]
    lines += ["## The claims in short", "", *claims_in_short(studies), "", words["caveats"], ""]
    for name, question in STUDIES.items():
        lines += [f"## {question}", "", words.get(name, ""), ""]
        lines += _study(name, studies[name], pictures) if name in studies else ["This study was not run.", ""]
    lines += ["## Which photograph is rich?", "", words["richness"], "", *_richness(analyses), ""]
    if analyses.filters:
        lines += [
            "## First-layer filters",
            "",
            words["filters"],
            "",
            "![Filters](../images/single_image/filters.png)",
            "",
        ]
        lines += [*_pivot(_alone(analyses.filters)), ""]
        for name in ("start", "random"):
            lines += [*_pivot(_with(analyses.filters, name, "matched cosine"), null=True), ""]
        lines += ["## How alike are the layers?", "", words["similarity"], ""]
        lines += [*_pivot(_with(analyses.similarity, "supervised", "CKA")), ""]
    if analyses.style:
        lines += ["## Style transfer", "", words["style"], "", "![Style](../images/single_image/style.png)", ""]
        lines += [*_pivot(analyses.style), ""]
    for method, rows in analyses.find.items():
        title = method.replace("_", " ")
        lines += [f"## One example, searched for: {title}", "", words["find"], ""]
        lines += [f"![Matches](../images/single_image/{method}.png)", "", *_pivot(rows, null=True), ""]
    return "\n".join(line.rstrip() for line in lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _study(name: str, found: Found, pictures: Path) -> list[str]:
    lines: list[str] = []
    for path in figures_of(name, found, pictures):
        if path.name.startswith((f"{name}-layers-", f"{name}-sources-")) or name == "frozen":
            lines.append(f"![{path.stem}](../images/single_image/{path.name})")
    lines += ["", *layers_text(found)]
    lines += [*_arms(found), ""] if not layers_text(found) else []
    return [*lines, *claims_text(found)]


def _arms(found: Found) -> list[str]:
    from undercoat.report.tables import arms_table, to_markdown

    return [to_markdown(arms_table(found.rows, found.arms), differences=False)]


def _richness(analyses: Analyses) -> list[str]:
    lines = ["| role | photograph | entropy of grey (bits) | pixels on edges |", "| --- | --- | ---: | ---: |"]
    return lines + [
        f"| {role} | `photo:{photo}` | {bits:.2f} | {edges:.3f} |" for role, photo, bits, edges in analyses.richness
    ]


def _pivot(rows: Sequence[Finding], *, null: bool = False) -> list[str]:
    """Networks (or pairs) down, measures across; with what chance gives in brackets."""
    measures = list(dict.fromkeys(_measure(row) for row in rows))
    cells = {(_who(row), _measure(row)): _cell(row, null) for row in rows}
    lines = [f"| network | {' | '.join(measures)} |", f"| --- | {' | '.join(['---:'] * len(measures))} |"]
    for who in dict.fromkeys(_who(row) for row in rows):
        lines.append(f"| {who} | {' | '.join(cells.get((who, measure), '') for measure in measures)} |")
    return lines


def _who(row: Finding) -> str:
    return f"{row.first} ~ {row.second}" if row.second else row.first


def _measure(row: Finding) -> str:
    return f"{row.measure}, {row.layer}" if row.layer and row.second else row.measure


def _cell(row: Finding, null: bool) -> str:
    if math.isnan(row.value):
        return "–"
    chance = f" (chance {row.null:.3f})" if null and not math.isnan(row.null) else ""
    return f"{row.value:.3f}{chance}"


def _alone(rows: Sequence[Finding]) -> list[Finding]:
    return [row for row in rows if not row.second]


def _with(rows: Sequence[Finding], name: str, measure: str) -> list[Finding]:
    """Pairs that one network is part of, by one measure."""
    return [row for row in rows if name in (row.first, row.second) and row.second and measure in row.measure]
