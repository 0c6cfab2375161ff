"""The table of arms and the verdict as ``summary.md`` and ``summary.csv``, to be put into a document."""

from __future__ import annotations

from pathlib import Path

from undercoat.report.folder import Found, load
from undercoat.report.method_numbers import unlearned
from undercoat.report.tables import arms_table, to_csv, to_markdown
from undercoat.report.verdict import caveats, findings
from undercoat.report.writing import write

__all__ = ["write_summary"]


def write_summary(folder: Path) -> Path:
    """Write ``summary.md`` and ``summary.csv`` into a study's folder; returns the path of the first.

    The command that made the numbers and the machine stand above the table; what was found and what the numbers do
    not show stands below it.

    Raises:
        RunError: when the folder holds no study, or the files cannot be written.
    """
    found = load(folder)
    table = arms_table(found.rows, found.arms)
    said = [*findings(found.rows, found.arms), *caveats(found.rows, found.arms), *unlearned(found), *found.notes]
    lines = [f"# {found.name}", "", *_origin(found), "", to_markdown(table), "", *(f"- {text}" for text in said)]
    path = folder / "summary.md"
    write(path, "\n".join(lines) + "\n", instead="a folder that can be written")
    write(folder / "summary.csv", to_csv(table), instead="a folder that can be written")
    return path


def _origin(found: Found) -> list[str]:
    environments = [stage.environment for stage in found.stages.values() if stage.environment]
    devices = sorted({str(one.get("device")) for one in environments if one.get("device")})
    versions = sorted({f"torch {one['torch']}" for one in environments if one.get("torch")})
    command, seeds = found.study.get("command"), found.study.get("seeds") or []
    made = f"Made by `{command}`" if command else "Made by a study"
    where = "; ".join([*devices, *versions, f"seeds {', '.join(map(str, seeds))}"])
    seconds = sum(float((stage.done or {}).get("training_seconds") or 0) for stage in found.stages.values())
    return [f"{made} ({where}); training took {seconds / 60:.0f} minutes in all."]
