"""What is printed when a command is done: results on standard output, everything else was on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding

from undercoat.runtime import rank

if TYPE_CHECKING:
    from undercoat.records import Record
    from undercoat.report import Arm

__all__ = ["analysis", "found", "nothing", "path", "picture", "rows", "run", "study", "text"]

_FINDINGS = 4  # the report has them all


def nothing(result: Any) -> int:
    """The command has printed what there was."""
    return 0


def text(result: Any) -> int:
    """Print a text as it is."""
    print(result)
    return 0


def path(result: Path) -> int:
    """Say where a file lies."""
    print(f"report   {result}")
    return 0


def picture(result: Path) -> int:
    """Say where a picture lies."""
    print(f"picture  {result}")
    return 0


def analysis(result: Any) -> int:
    """Print what an analysis found, and say where its picture and its table lie."""
    from undercoat.diagnosis import findings_table

    _whole(findings_table(result.findings))
    if hasattr(result, "picture"):
        print(f"picture  {result.picture}")
    print(f"table    {result.table}")
    return 0


def found(result: Any) -> int:
    """Print the best matches of an example, what they are worth, and where their picture lies."""
    from undercoat.diagnosis import findings_table, matches_table

    if result.json:
        return text(result.to_json())
    tables = [matches_table(result.matches), *([findings_table(result.findings)] if result.findings else [])]
    for table in tables:
        _whole(table)
    for note in result.notes:
        print(note)
    print(f"picture  {result.picture}\ntable    {result.table}")
    return 0


def _whole(table: Any) -> None:
    """Print a table as wide as it is, nothing cut off in a pipe, and names as they are: ``[b]`` is no markup."""
    console = Console(markup=False, emoji=False)
    console.width = max(console.width, Console(width=1000, markup=False, emoji=False).measure(table).maximum)
    console.print(table)


def run(folder: Path) -> int:
    """Say how to use what a run made."""
    from undercoat.study.showing import loading_lines

    if rank() == 0:
        print(f"backbone {folder / 'backbone.safetensors'}\n{loading_lines(folder)}")
        print(f"did it help?  undercoat evaluate {folder} --data LABELLED_DATA")
    return 0


def rows(result: list[Any]) -> int:
    """Print the table of arms and the verdict of one evaluation."""
    from undercoat.report import arms_of, arms_table, summary_table

    arms = list(arms_of(result))
    console = Console()
    console.print(summary_table(arms_table(result, arms)))
    _layers(result, arms)
    _say(console, result, arms)
    return 0


def study(report: Path) -> int:
    """Print a study's table, its verdict, and where everything lies."""
    from undercoat.report import arms_table, judge_claims, load, summary_table

    found = load(report.parent)
    console = Console()
    console.print(summary_table(arms_table(found.rows, found.arms)))
    _layers(found.rows, found.arms)
    _say(console, found.rows, found.arms)
    if found.notes:
        console.print("Remarks", style="bold")
    for note in found.notes:
        console.print(Padding(note, (0, 0, 0, 2)), highlight=False, markup=False)
    claims = judge_claims(found.study.get("claims") or [], found.rows)
    if claims:
        console.print("Claims", style="bold")
    for claim in claims:
        said = f"{claim.verdict}: {claim.says} ({claim.why})"
        console.print(Padding(said, (0, 0, 0, 2)), highlight=False, markup=False)
    longest = max(reversed(found.arms), key=lambda arm: len(arm.coats or ()), default=None)
    console.print(f"report   {report}", highlight=False, markup=False, soft_wrap=True)
    if longest is not None:
        line = f'backbone undercoat.load_backbone("{report.parent / longest.name}"), likewise every other arm'
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0


def _layers(measured: Sequence[Record], arms: Sequence[Arm]) -> None:
    """Print what each arm reaches at each layer, where several were read."""
    from rich.table import Table

    from undercoat.report import layer_tables

    for found in layer_tables(measured, arms):
        Console().print(found.title, style="bold", markup=False, highlight=False, soft_wrap=True)
        table = Table(box=None)
        table.add_column("arm", no_wrap=True)
        for layer in found.layers:
            table.add_column(layer, justify="right", no_wrap=True)
        for name, cells in found.rows:
            table.add_row(name, *cells)
        _whole(table)


def _say(console: Console, measured: Sequence[Record], arms: Sequence[Arm]) -> None:
    """Print the verdict's first sentences, and the first thing that it does not show."""
    from undercoat.report import caveats, findings

    sentences = [*findings(measured, arms)[:_FINDINGS], *caveats(measured, arms)[:1]]
    console.print("Verdict", style="bold")
    for sentence in sentences:
        console.print(Padding(sentence, (0, 0, 0, 2)), highlight=False, markup=False)
