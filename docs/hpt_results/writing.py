"""From studies to the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from study_pages import claims_in_short, origin, words_of

from hpt_results.studies import STUDIES, figures_of
from undercoat.report.claims import claims_text
from undercoat.report.folder import Found
from undercoat.report.speed_ups import convergences_text
from undercoat.report.tables import arms_table, to_markdown

__all__ = ["page"]

WORDS = Path(__file__).with_name("words.txt")
COMMAND = "python docs/make_hpt_results.py --fashion fashion-mnist/ --heads mni152-t1/,colin27-t1/"


def page(studies: Mapping[str, Found], pictures: Path) -> str:
    """The whole page; studies that were not run are named."""
    words = words_of(WORDS)
    lines = ["# Which coats pay: measured", "", words["intro"], "", origin(studies, COMMAND), ""]
    lines += ["## The claims in short", "", *claims_in_short(studies), "", words["caveats"], ""]
    missing = [question.title.rstrip("?") for name, question in STUDIES.items() if name not in studies]
    if missing:
        lines += [f"Not measured yet: {'; '.join(missing)}.", ""]
    for name, found in studies.items():
        lines += [f"## {STUDIES[name].title}", "", words.get(name, ""), "", *_study(name, found, pictures)]
    return "\n".join(line.rstrip() for line in lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _study(name: str, found: Found, pictures: Path) -> list[str]:
    lines = [f"![{path.stem}](../images/hpt/{path.name})" for path in figures_of(name, found, pictures)]
    lines += ["", *convergences_text(found), "", *_chosen(found)]
    lines += [to_markdown(arms_table(found.rows, found.arms), differences=False), ""]
    return [*lines, *claims_text(found), ""]


def _chosen(found: Found) -> list[str]:
    from undercoat.study.choosing import chosen_before

    return [f"Chosen: {one}." for one in chosen_before(found.folder)]
