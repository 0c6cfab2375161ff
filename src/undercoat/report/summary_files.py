"""The table of arms and the verdict as ``summary.md`` and ``summary.csv``, to be put into a document."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, stdev

from undercoat.report.arms import RANDOM
from undercoat.report.claims import claims_text
from undercoat.report.folder import Found, load
from undercoat.report.layer_tables import layers_text
from undercoat.report.method_numbers import unlearned
from undercoat.report.speed_ups import convergences_text
from undercoat.report.tables import arms_table, to_csv, to_markdown
from undercoat.report.verdict import caveats, findings
from undercoat.report.wording import fraction, signed
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
    said = [*([found.unfinished] if found.unfinished else []), *findings(found.rows, found.arms)]
    said += [*caveats(found.rows, found.arms), *map(str, unlearned(found)), *found.notes]
    lines = [f"# {found.name}", "", *_origin(found), "", to_markdown(table), "", *_by_seed(found), *layers_text(found)]
    lines += [*convergences_text(found), *(f"- {text}" for text in said), "", *claims_text(found)]
    path = folder / "summary.md"
    write(path, "\n".join(lines).rstrip() + "\n", instead="a folder that can be written")
    write(folder / "summary.csv", to_csv(table), instead="a folder that can be written")
    return path


def _by_seed(found: Found) -> list[str]:
    """How much each arm gained over random weights of the same seed, where there are both and several seeds."""
    scores = {
        (row.readout, row.arm, row.seed): row.value
        for row in found.rows
        if row.split == "test" and not row.versus and row.layer in {"", "final"}
    }
    seeds = [int(seed) for seed in found.study.get("seeds") or []]
    readouts = dict.fromkeys(readout for readout, arm, _ in scores if arm == RANDOM)
    lines = []
    for readout in readouts:
        for arm in (arm.name for arm in found.arms if arm.name != RANDOM):
            pairs = [(scores.get((readout, arm, seed)), scores.get((readout, RANDOM, seed))) for seed in seeds]
            gains = [own - base for own, base in pairs if own is not None and base is not None]
            if len(gains) == len(seeds) > 1:
                cells = [*map(signed, gains), f"{signed(mean(gains))} ± {fraction(stdev(gains))}"]
                lines.append(f"| {arm} | {readout} | {' | '.join(cells)} |")
    if not lines:
        return []
    head = " | ".join(["arm", "readout", *(f"seed {seed}" for seed in seeds), "mean ± std"])
    rule = " | ".join(["---", "---", *["---:"] * (len(seeds) + 1)])
    return ["Gain over random weights of the same seed:", "", f"| {head} |", f"| {rule} |", *lines, ""]


def _origin(found: Found) -> list[str]:
    environments = [stage.environment for stage in found.stages.values() if stage.environment]
    devices = sorted({str(one.get("device")) for one in environments if one.get("device")})
    versions = sorted({f"torch {one['torch']}" for one in environments if one.get("torch")})
    command, seeds = found.study.get("command"), found.study.get("seeds") or []
    made = f"Made by `{command}`" if command else "Made by a study"
    where = "; ".join([*devices, *versions, f"seeds {', '.join(map(str, seeds))}"])
    seconds = sum(float((stage.done or {}).get("training_seconds") or 0) for stage in found.stages.values())
    return [f"{made} ({where}); training took {seconds / 60:.0f} minutes in all."]
