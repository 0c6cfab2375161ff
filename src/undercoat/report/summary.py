"""The top of the page: the verdict in words, and the table of arms."""

from __future__ import annotations

from collections.abc import Sequence

from undercoat.report.arms import NULL_ARM
from undercoat.report.blocks import chip, coats, more, note, section
from undercoat.report.estimates import Estimate
from undercoat.report.folder import Found
from undercoat.report.health import unfinished
from undercoat.report.layer_tables import tables_block
from undercoat.report.markup import Markup, join, tag
from undercoat.report.method_numbers import unlearned
from undercoat.report.tables import ArmRow, ArmsTable, arms_table, to_csv, to_latex, to_markdown
from undercoat.report.verdict import caveats, findings
from undercoat.report.wording import count, fraction, interval, signed, span

__all__ = ["arms_section", "verdict_section"]

MARKS = {
    1: ("▲", "beyond the noise, better", "up"),
    -1: ("▼", "beyond the noise, worse", "down"),
    0: ("≈", "within the noise", "level"),
    None: ("", "no interval", "level"),
}
LEADING = 2  # sentences set large; the others follow as a list


def verdict_section(found: Found) -> Markup:
    """What each coat did, then what the numbers do not show, then what is not finished."""
    said = findings(found.rows, found.arms)
    limits = [*map(str, unlearned(found)), *caveats(found.rows, found.arms)]
    open_stages = unfinished(found)
    listed = said[LEADING:]
    left = tag(
        "div",
        [tag("p", _kept_together(text), class_="lead") for text in said[:LEADING]],
        tag("ul", [tag("li", _kept_together(text)) for text in listed], class_="findings") if listed else None,
    )
    asides = [
        _aside("What this does not show", limits, warns=False),
        _aside("Unfinished", open_stages, warns=True),
        _aside("Remarks", found.notes, warns=True),
    ]
    return section("verdict", "Verdict", tag("div", left, tag("div", asides, class_="aside"), class_="columns"))


def _kept_together(text: str) -> Markup:
    """Let no line break fall inside an interval or inside "k-NN"."""
    text = text.replace(" … ", "\N{NO-BREAK SPACE}…\N{NO-BREAK SPACE}").replace("95 %", "95\N{NO-BREAK SPACE}%")
    first, *others = text.split("k-NN")
    return join(first, [[tag("span", "k-NN", class_="nowrap"), part] for part in others])


def _aside(title: str, texts: Sequence[str], *, warns: bool) -> Markup | None:
    items = tag("ul", [tag("li", text) for text in texts], class_="alarms" if warns else None)
    return join(tag("h3", title), items) if texts else None


def _shared_n(table: ArmsTable, place: int) -> int | None:
    sizes = {row.values[place].n for row in table.rows if row.values[place] is not None}  # type: ignore[union-attr]
    return sizes.pop() if len(sizes) == 1 else None


def _value_cell(value: Estimate | None, name: str, *, show_n: bool, few: str = "") -> Markup:
    label = {"data_label": name, "role": "cell", "class_": "number value"}
    if value is None:
        return tag("td", "–", **label)
    below = [span(value.low, value.high)] if value.low is not None else []
    if value.std is not None:
        below.append(f"± {fraction(value.std)}, {few or f'{len(value.seeds)} seeds'}")
    elif few:
        below.append(few)
    below += [f"n = {count(value.n)}"] if show_n else []
    return tag("td", tag("b", fraction(value.value)), [tag("small", line) for line in below], **label)


def _difference_cell(found: Estimate | None, name: str) -> Markup:
    label = {"data_label": name, "role": "cell"}
    if found is None:
        return tag("td", "–", class_="number absent", **label)
    mark, words, class_ = MARKS[found.direction]
    sign = tag("span", mark, aria_hidden="true", class_="sign")
    ends = tag("small", interval(found.low, found.high)) if found.low is not None else None
    hidden = tag("span", f" ({words})", class_="hidden")
    return tag(
        "td",
        tag("span", signed(found.value), " ", sign, class_="nowrap"),
        hidden,
        ends,
        class_=f"number {class_}",
        **label,
    )


def _row(row: ArmRow, style: int, table: ArmsTable) -> Markup:
    names = table.names()
    cells: list[Markup] = []
    for place, (value, others) in enumerate(zip(row.values, row.differences, strict=True)):
        show_n, few = _shared_n(table, place) is None, row.few_seeds(place)
        cells.append(_value_cell(value, names[place], show_n=show_n, few=few))
        for index in table.compared(place):
            cells.append(_difference_cell(others[index], f"{names[place]} − {table.references[index]}"))
    null = row.name == NULL_ARM
    laid = tag("span", "answers the commonest class", class_="none") if null else coats(row.coats)
    head = tag("th", row.name if null else chip(row.name, style), laid, scope="row", role="rowheader")
    images = tag("small", f"{count(row.images_seen)} images") if row.images_seen is not None else None
    budget = tag("td", count(row.steps), images, class_="number", role="cell", data_label="steps")
    return tag("tr", head, budget, cells, role="row", class_="null" if null else None)


def _heads(table: ArmsTable) -> Markup:
    def head(text: object, *, number: bool = True, **more_: object) -> Markup:
        return tag("th", text, scope="col", role="columnheader", class_="number" if number else None, **more_)

    cells = [head("arm and its coats", number=False), head(["steps", tag("small", "images seen")])]
    for place, name in enumerate(table.names()):
        n = _shared_n(table, place)
        cells.append(head([name, tag("small", f"n = {count(n)}") if n else None]))
        for reference in (table.references[index] for index in table.compared(place)):
            cells.append(head(f"− {reference}", title=f"{name}: arm minus {reference}"))
    return tag("thead", tag("tr", cells, role="row"), role="rowgroup")


def _legend(table: ArmsTable) -> Markup:
    metrics = sorted({"AUROC" if one.metric == "auroc" else one.metric for one in table.measures})
    values = [value for row in table.rows for value in row.values if value is not None and value.std is not None]
    spread = ""
    if values:
        ends = "Intervals of means cover the choice of test images and of seeds" if values[0].half is not None else ""
        spread = f" Means over seeds stand with ± one standard deviation. {ends}".rstrip() + ("." if ends else "")
    said = (
        f"Values are {' and '.join(metrics)} on test images, from 0 to 1, with 95 % intervals below them."
        f"{spread} Differences are paired, image by image: ▲ and ▼ mark intervals wholly above or below "
        "zero, ≈ those that hold zero."
    )
    return tag("p", said, class_="small")


def arms_section(found: Found) -> Markup:
    """The table of arms, and the same as Markdown, CSV and LaTeX."""
    table = arms_table(found.rows, found.arms)
    if not table.rows:
        return section("arms", "Arms", note("This folder holds one run and nothing was measured on it yet."))
    body = [_row(row, style, table) for style, row in enumerate(table.rows)]
    drawn = tag(
        "table",
        tag("caption", "Arms: coats, budget, values and paired differences", class_="hidden"),
        _heads(table),
        tag("tbody", body, role="rowgroup"),
        class_="arms",
        role="table",
    )
    null = any(row.name == NULL_ARM for row in table.rows)
    absent = None if null or not table.measures else note("No row for the majority class was recorded.")
    formats = {"Markdown": to_markdown(table), "CSV": to_csv(table), "LaTeX": to_latex(table)}
    texts = [
        [tag("h4", name), tag("pre", tag("code", text), class_="copy", tabindex="0")] for name, text in formats.items()
    ]
    drawn = tag("div", drawn, class_="wide")
    return section(
        "arms",
        "Arms",
        drawn,
        absent,
        _legend(table) if table.measures else None,
        tables_block(found),
        more("This table as text", join(texts)),
    )
