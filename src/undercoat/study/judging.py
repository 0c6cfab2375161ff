"""All protocols of a study, one after another: the rows of its results table and the notes beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from undercoat import records
from undercoat.files import write_json
from undercoat.study.axis import Setting, tag
from undercoat.study.graph import Graph
from undercoat.study.judge import Judge, monitor_rows

__all__ = ["Judged", "judge_arms", "score_held_out"]

#: a judge, and the values of the axes that point into its protocol
Judged = tuple[tuple[Setting, ...], Judge]


def judge_arms(
    judges: Sequence[Judged], graph: Graph, out: Path, *, name: str, console: Console, asked: Sequence[tuple[str, str]]
) -> None:
    """Measure every arm by every protocol, and write ``records.jsonl`` and ``notes.json``.

    Args:
        judges: in the order in which their rows are written.
        graph: of finished coats.
        out: folder of the study.
        name: of the study.
        console: shows what is read out.
        asked: pairs of arms that have to be compared.
    """
    rows, notes = [], []
    for point, judge in judges:
        if point:
            console.print(f"judging with {tag(point)}", highlight=False)
        measured, said = judge.measure(graph, name=name, console=console, asked=asked)
        rows += measured
        notes += said
    if judges:
        records.rewrite(out, rows + monitor_rows(graph, out, study=name))
        write_json(out / "notes.json", list(dict.fromkeys(notes)))


def score_held_out(judge: Judge, graph: Graph, *, name: str, console: Console) -> list[float]:
    """Score every route on held-out training images by the protocol's first readout and measure, in 0..1.

    Args:
        judge: made with ``choosing=True``.
        graph: of finished coats.
        name: of the study.
        console: shows what is read out.
    """
    found = (judge.evaluate_route(graph, route, study=name, console=console) for route in graph.routes)
    return [evaluation.rows[0].value for evaluation in found]
