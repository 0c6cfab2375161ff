"""What pages of results share: words from a file, where numbers come from, and the claims of all studies in short."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from undercoat.report import export_figures, load
from undercoat.report.claims import JudgedClaim, judge_claims
from undercoat.report.folder import Found

__all__ = ["claims_in_short", "finished", "kept_figures", "origin", "words_of"]


def finished(folders: Mapping[str, Path]) -> dict[str, Found]:
    """The studies that have numbers, in their order."""
    return {name: load(folder) for name, folder in folders.items() if (folder / "records.jsonl").exists()}


def kept_figures(name: str, found: Found, pictures: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """Put the figures of a study that are wanted, by file name, among the documents' pictures."""
    kept = []
    with tempfile.TemporaryDirectory() as scratch:
        for path in export_figures(found.folder, scratch):
            if wanted(path.name):
                kept.append(pictures / f"{name}-{path.name}")
                shutil.copy(path, kept[-1])
    return kept


def words_of(path: Path) -> dict[str, str]:
    """Hand-written paragraphs by name: everything on a page that is no number."""
    parts = path.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.partition("\n")[0].strip(): part.partition("\n")[2].strip() for part in parts}


def origin(studies: Mapping[str, Found], command: str) -> str:
    """Which command made the page, from how much training, on what."""
    stages = {digest: stage for found in studies.values() for digest, stage in found.stages.items() if stage.done}
    seconds = sum(float((stage.done or {}).get("training_seconds") or 0) for stage in stages.values())
    devices = sorted(
        {str(stage.environment.get("device")) for stage in stages.values() if stage.environment.get("device")}
    )
    versions = sorted(
        {f"torch {stage.environment['torch']}" for stage in stages.values() if stage.environment.get("torch")}
    )
    runs = sum(stage.learns for stage in stages.values())
    seeds = sorted({seed for found in studies.values() for seed in found.study.get("seeds") or []})
    return (
        f"Made by `{command}`: {runs} trained networks, {seconds / 60:.0f} minutes of training in all on one thread "
        f"each, seeds {', '.join(map(str, seeds))} ({'; '.join([*devices, *versions])})."
    )


def claims_in_short(studies: Mapping[str, Found]) -> list[str]:
    """One line of a table for each claim of each study."""
    lines = ["| claim | verdict | why | study |", "| --- | --- | --- | --- |"]
    for name, found in studies.items():
        for claim in judge_claims(found.study.get("claims") or [], found.rows):
            lines.append(f"| {claim.says} | **{claim.verdict}** | {_why(claim)} | {name} |")
    return lines


def _why(claim: JudgedClaim) -> str:
    values = [part.row.value for part in claim.parts if part.row is not None]
    span = f"; differences {min(values):+.3f} … {max(values):+.3f}".replace("-", "−") if values else ""
    return claim.why + span
