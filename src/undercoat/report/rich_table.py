"""The table of arms for the terminal: as much of it as the width holds, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from undercoat.report.arms import NULL_ARM
from undercoat.report.estimates import Estimate
from undercoat.report.tables import ArmRow, ArmsTable, seeds_text, value_text
from undercoat.report.wording import count, data_name, signed

__all__ = ["SummaryTable", "summary_table"]

MARKS = {1: "▲", -1: "▼", 0: "≈", None: ""}
GAP = 2


@dataclass(frozen=True)
class _Column:
    """One column: its head, a line or two, and a text for each arm."""

    head: str
    cells: tuple[str, ...]
    right: bool = True

    @property
    def width(self) -> int:
        return max(cell_len(line) for text in (self.head, *self.cells) for line in text.split("\n"))


def summary_table(table: ArmsTable) -> SummaryTable:
    """Lay the table of arms out for `rich`; differences are to the base, else to random.

    ▲ and ▼ stand for a 95 % interval wholly above or below zero, ≈ for one that holds zero.
    """
    return SummaryTable(table)


@dataclass(frozen=True)
class SummaryTable:
    """The table of arms, fitted to the width that it is printed at, and below it what its signs mean.

    The arms and their numbers are always there; measures that do not fit beside each other follow below. Budget
    and coats are added as far as there is room.
    """

    table: ArmsTable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give `rich` the lines."""
        if not self.table.rows:
            yield Text("No arm was measured yet.")
            return
        parts = list(self._parts(options.max_width))
        for part in parts:
            yield _drawn(self.table.rows, part)
        for line in self.legend:
            yield Text(line, style="dim")

    @property
    def legend(self) -> list[str]:
        """What n, ± and the signs mean; only what is there."""
        values = [one for row in self.table.rows for one in row.values if one is not None]
        if not values:
            return []
        head = ", ".join(part for part in (f"n = {self._sizes()}", seeds_text(self.table)) if part)
        said = ["; ".join(part for part in (head, self._spread(values)) if part)]
        if any(others[0] for row in self.table.rows for others in row.differences if others):
            said.append(f"− {self.table.references[0]}: paired difference, ▲ better  ▼ worse  ≈ within the noise")
        return said

    def _sizes(self) -> str:
        sizes: dict[str, set[int]] = {}
        for row in self.table.rows:
            for measure, value in zip(self.table.measures, row.values, strict=True):
                if value is not None:
                    sizes.setdefault(data_name(measure.eval_data), set()).add(value.n)
        ranges = {data: " to ".join(count(n) for n in sorted({min(ns), max(ns)})) for data, ns in sizes.items()}
        if len(set(ranges.values())) == 1:
            return f"{next(iter(ranges.values()))} test images"
        return ", ".join(f"{n} test images of {data}" for data, n in ranges.items())

    def _spread(self, values: Sequence[Estimate]) -> str:
        if any(one.half is None and one.std is not None for one in values):
            return "± standard deviation where seeds are named, else half the 95 % interval"
        return "± is half the 95 % interval" if any(one.half is not None for one in values) else ""

    def _parts(self, width: int) -> Iterator[list[_Column]]:
        """Columns of each table: one where all measures fit beside each other, else several below each other."""
        arm, wide, coats = self._arm(width), self._coats(" > "), self._coats("\n> ")
        budget = [
            _Column("steps", tuple(count(row.steps) for row in self.table.rows)),
            _Column("images\nseen", tuple(count(row.images_seen) for row in self.table.rows)),
        ]
        rows = self._measures(width - arm.width - GAP)
        for measures in rows:
            fitting = [
                [arm, wide, *budget, *measures],
                [arm, coats, *budget, *measures],
                [arm, coats, budget[0], *measures],
                [arm, *budget, *measures],
                [arm, budget[0], *measures],
            ]
            yield next((columns for columns in fitting if _width(columns) <= width), [arm, *measures])

    def _measures(self, width: int) -> list[list[_Column]]:
        rows: list[list[_Column]] = [[]]
        for place, name in enumerate(self.table.names()):
            columns = self._measure(place, name)
            if rows[-1] and _width([*rows[-1], *columns]) > width:
                rows.append([])
            rows[-1] += columns
        return rows

    def _measure(self, place: int, name: str) -> list[_Column]:
        head = "\n".join(name.split(" on ", 1)) if " on " in name else name
        columns = [
            _Column(head, tuple(value_text(row.values[place], few=row.few_seeds(place)) for row in self.table.rows))
        ]
        if self.table.references and 0 in self.table.compared(place):
            cells = tuple(_difference(row.differences[place][0]) for row in self.table.rows)
            columns.append(_Column(f"− {self.table.references[0]}", cells))
        return columns

    def _arm(self, width: int) -> _Column:
        limit = max(14, width // 3)
        return _Column("arm", tuple(_folded(row.name, limit) for row in self.table.rows), right=False)

    def _coats(self, between: str) -> _Column:
        return _Column("coats", tuple(between.join(row.coats) or "–" for row in self.table.rows), right=False)


def _folded(name: str, limit: int) -> str:
    """Break a long name, before its point on the axes where it has one."""
    if len(name) <= limit:
        return name or "–"
    plain, bracket, point = name.partition("[")
    parts = [plain, bracket + point] if bracket else [name]
    return "\n".join(part[start : start + limit] for part in parts for start in range(0, len(part), limit))


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def _drawn(rows: Sequence[ArmRow], columns: Sequence[_Column]) -> Table:
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for column in columns:
        out.add_column(escape(column.head), justify="right" if column.right else "left", no_wrap=True)
    for index, row in enumerate(rows):
        cells = [escape(column.cells[index]) for column in columns]
        out.add_row(*cells, style="dim" if row.name == NULL_ARM else None)
    return out


def _difference(found: Estimate | None) -> str:
    return "" if found is None else f"{signed(found.value)} {MARKS[found.direction]}".rstrip()
