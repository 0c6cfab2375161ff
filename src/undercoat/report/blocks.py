"""The few pieces that every part of the page is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from undercoat.report.marks import STYLES, marker
from undercoat.report.markup import Markup, tag

__all__ = ["chip", "coats", "figure", "listing", "more", "note", "numbers", "section"]


def section(anchor: str, title: str, *children: object) -> Markup:
    """One part of the page, named by its heading."""
    heading = tag("h2", title, id=f"{anchor}-title")
    return tag("section", heading, children, id=anchor, aria_labelledby=f"{anchor}-title")


def note(text: object) -> Markup:
    """A sentence in place of something that is missing."""
    return tag("p", text, class_="missing")


def more(summary: object, *children: object, open_: bool = False) -> Markup:
    """Children that open on request."""
    return tag("details", tag("summary", summary), children, open=open_)


def numbers(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]], text_columns: int = 1) -> Markup:
    """A plain table; all but the first ``text_columns`` columns stand right."""

    def cell(index: int, value: object) -> Markup:
        if index == 0:
            return tag("th", value, scope="row")
        return tag("td", value, class_=None if index < text_columns else "number")

    titles = [
        tag("th", one, scope="col", class_=None if index < text_columns else "number") for index, one in enumerate(head)
    ]
    body = [tag("tr", [cell(index, value) for index, value in enumerate(row)]) for row in rows]
    table = tag("table", tag("caption", caption), tag("thead", tag("tr", titles)), tag("tbody", body))
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)


def listing(text: str, *, copy: bool = False) -> Markup:
    """Text to read or copy as it is; the page's script adds a button to the ones worth copying."""
    return tag("pre", tag("code", text), class_="copy" if copy else None, tabindex="0")


def figure(title: str, drawn: object, below: object, table: object) -> Markup:
    """A chart with its title, what stands below it, and its numbers behind a summary."""
    return tag("figure", tag("figcaption", title), drawn, below, more("Numbers of this figure", table))


def chip(name: str, style: int) -> Markup:
    """An arm's name with its mark."""
    drawn = tag("svg", marker(style, 8, 8, 4.5), width=16, height=16, viewBox="0 0 16 16", aria_hidden="true")
    return tag("span", drawn, name, class_="chip", data_style=style % STYLES)


def coats(names: Sequence[str]) -> Markup:
    """A chain of coats, the first one first."""
    if not names:
        return tag("span", "no coat", class_="none")
    return tag("ol", [tag("li", name) for name in names], class_="coats")
