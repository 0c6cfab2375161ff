"""The table of arms: one structure for the page, the terminal and files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from undercoat.records import Record
from undercoat.report.arms import NULL_ARM, Arm
from undercoat.report.estimates import Estimate, Measure, difference, estimate, measures, null_estimate
from undercoat.report.wording import count, fraction, interval, signed

__all__ = [
    "ArmRow",
    "ArmsTable",
    "arms_table",
    "latex_lines",
    "markdown_lines",
    "seeds_text",
    "to_csv",
    "to_latex",
    "to_markdown",
    "value_text",
]

REFERENCES = ("base", "random")  # what every arm is compared with, where the study has them


@dataclass(frozen=True)
class ArmRow:
    """One arm: what was laid on, its budget, and per measure its value and paired differences.

    ``values`` runs over the table's measures; ``differences`` over measures × references, None where there is
    no such row (the arm itself, or a pair that was not compared). ``planned`` is how many seeds the study has for it.
    """

    name: str
    coats: tuple[str, ...]
    steps: int | None
    images_seen: int | None
    values: tuple[Estimate | None, ...]
    differences: tuple[tuple[Estimate | None, ...], ...]
    planned: int = 0

    def few_seeds(self, place: int) -> str:
        """Say how many of the planned seeds are in a value where some are missing: ``1 of 3 seeds``; else nothing."""
        value = self.values[place]
        there = len(value.seeds) if value else 0
        return f"{there} of {self.planned} seeds" if 0 < there < self.planned else ""


@dataclass(frozen=True)
class ArmsTable:
    """All arms of a study by all measures, the majority class last."""

    measures: tuple[Measure, ...]
    references: tuple[str, ...]
    rows: tuple[ArmRow, ...]

    def names(self) -> list[str]:
        """Column names of the measures; the data is added where several were tested."""
        several = len({measure.eval_data for measure in self.measures}) > 1
        return [f"{one.name} on {one.eval_data}" if several else one.name for one in self.measures]

    def compared(self, measure: int) -> list[int]:
        """The references that at least one arm was compared with by a measure, so that no column stands empty."""
        places = range(len(self.references))
        return [place for place in places if any(row.differences[measure][place] for row in self.rows)]


def seeds_text(table: ArmsTable) -> str:
    """Say over how many seeds the values are means: ``mean of 3 seeds``, or nothing with one seed."""
    numbers = {len(one.seeds) for row in table.rows if row.name != NULL_ARM for one in row.values if one}
    if max(numbers, default=0) < 2:
        return ""
    return f"mean of {'up to ' if len(numbers) > 1 else ''}{max(numbers)} seeds"


def arms_table(rows: Sequence[Record], arms: Sequence[Arm]) -> ArmsTable:
    """Gather the table of arms from rows; arms without any number stay in it, empty.

    Args:
        rows: every row of the study.
        arms: the arms in display order.

    Example:
        >>> ends = {"ci_low": 0.64, "ci_high": 0.73}
        >>> row = Record(arm="base", readout="knn", metric="accuracy", value=0.6875, n=400, **ends)
        >>> print(to_markdown(arms_table([row], [Arm("base", ("imagenet-lite0",))])))
        | arm | coats | steps | images seen | k-NN |
        | --- | --- | ---: | ---: | ---: |
        | base | imagenet-lite0 | 0 | 0 | 0.688 ±.047 |
    """
    there = tuple(measures(rows))
    references = tuple(name for name in REFERENCES if any(arm.name == name for arm in arms))
    table = [_row(rows, arm, there, references) for arm in arms]
    null = tuple(null_estimate(rows, measure) for measure in there)
    if any(null):
        nothing = tuple(tuple(None for _ in references) for _ in there)
        table.append(ArmRow(NULL_ARM, (), None, None, null, nothing))
    return ArmsTable(there, references, tuple(table))


def _row(rows: Sequence[Record], arm: Arm, there: tuple[Measure, ...], references: tuple[str, ...]) -> ArmRow:
    values = tuple(estimate(rows, arm.name, measure) for measure in there)
    measured = [value for value in values if value]
    return ArmRow(
        name=arm.name,
        coats=arm.coats,
        steps=max((value.steps for value in measured), default=None),
        images_seen=max((value.images_seen for value in measured), default=None),
        values=values,
        differences=tuple(
            tuple(None if arm.name == other else difference(rows, arm.name, other, one) for other in references)
            for one in there
        ),
        planned=arm.planned,
    )


def value_text(found: Estimate | None, *, few: str = "") -> str:
    """Write a value with ± its 95 % half-interval, or mean ± std (k seeds); "–" when it was not measured.

    ``few`` says that seeds are missing, and is put behind it.
    """
    if found is None:
        return "–"
    missing = f" ({few})" if few else ""
    if found.half is not None:
        return f"{fraction(found.value)} ±{fraction(found.half).removeprefix('0')}{missing}"
    if found.std is not None:
        seeds = missing or f" ({len(found.seeds)} seeds)"
        return f"{fraction(found.value)} ±{fraction(found.std).removeprefix('0')}{seeds}"
    return fraction(found.value) + missing


def _difference_text(found: Estimate | None) -> str:
    if found is None:
        return "–"
    ends = interval(found.low, found.high)
    return f"{signed(found.value)} [{ends}]" if ends else signed(found.value)


def _cells(table: ArmsTable, *, differences: bool) -> list[list[str]]:
    names = table.names()
    head = ["arm", "coats", "steps", "images seen", *names]
    pairs = [(m, r) for m in range(len(names)) for r in table.compared(m)] if differences else []
    head += [f"{names[m]} − {table.references[r]}" for m, r in pairs]
    lines = [head]
    for row in table.rows:
        start = [row.name, " > ".join(row.coats) or "–", count(row.steps), count(row.images_seen)]
        values = [value_text(found, few=row.few_seeds(place)) for place, found in enumerate(row.values)]
        lines.append([*start, *values, *(_difference_text(row.differences[m][r]) for m, r in pairs)])
    return lines


def to_markdown(table: ArmsTable, *, differences: bool = True) -> str:
    """Write the table as GitHub Markdown; numbers stand right."""
    return markdown_lines(_cells(table, differences=differences), text_columns=2)


def markdown_lines(lines: Sequence[Sequence[str]], *, text_columns: int) -> str:
    """Write cells as GitHub Markdown, the head first; all but the first columns stand right."""
    rule = ["---"] * text_columns + ["---:"] * (len(lines[0]) - text_columns)
    safe = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in [safe[0], rule, *safe[1:]])


def to_latex(table: ArmsTable, *, differences: bool = True) -> str:
    """Write a ``tabular`` with booktabs rules, special characters escaped."""
    return latex_lines(_cells(table, differences=differences), text_columns=2)


def latex_lines(lines: Sequence[Sequence[str]], *, text_columns: int) -> str:
    """Write cells as a ``tabular`` with booktabs rules, the head first, special characters escaped."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {one: f"\\{one}" for one in "&%$#_{}"}
    special |= {"±": r"$\pm$", "−": "$-$", "…": r"\ldots{}", "–": "--", ">": "$>$", "<": "$<$", "×": r"$\times$"}
    escaped = [
        " & ".join("".join(special.get(letter, letter) for letter in cell) for cell in line) + r" \\" for line in lines
    ]
    columns = "l" * text_columns + "r" * (len(lines[0]) - text_columns)
    body = [escaped[0], r"\midrule", *escaped[1:]]
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *body, r"\bottomrule", r"\end{tabular}"])


def to_csv(table: ArmsTable) -> str:
    """Write one line per arm, measure and reference (empty for the value itself), at full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["arm", "coats", "steps", "images_seen", "readout", "metric", "eval_data", "versus",
         "value", "ci_low", "ci_high", "n", "std", "seeds"]
    )  # fmt: skip
    for row in table.rows:
        start = [row.name, " > ".join(row.coats), row.steps, row.images_seen]
        for measure, value, others in zip(table.measures, row.values, row.differences, strict=True):
            what = [measure.readout, measure.metric, measure.eval_data]
            for versus, found in [("", value), *zip(table.references, others, strict=True)]:
                if found is not None:
                    numbers = [found.value, found.low, found.high, found.n, found.std, len(found.seeds)]
                    writer.writerow([*start, *what, versus, *numbers])
    return out.getvalue()
