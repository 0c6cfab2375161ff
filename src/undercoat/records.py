"""The results table: one measured number is one row, kept as JSON lines beside the run that it describes.

Fractions are 0..1, never percent; seconds and pixels carry their unit in the metric's name. Files named
``records.jsonl`` are the truth; CSV and Parquet are made from them on demand.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

__all__ = ["SCHEMA", "Record", "append", "collect", "read", "rewrite"]

SCHEMA = 1
FILE_NAME = "records.jsonl"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measured number with everything needed to say what it means.

    ``versus`` is empty for a plain measurement; for a paired difference it names the arm that was subtracted.
    ``ci_low`` and ``ci_high`` bound the 95 % interval; ``interval`` says how it was made.
    """

    # what was pretrained
    study: str = ""
    arm: str = ""
    stage: str = ""
    parent: str = ""
    chain: str = ""
    method: str = ""
    trained: str = ""
    data: str = ""
    backbone: str = ""
    steps: int = 0
    images_seen: int = 0
    seed: int = 0
    # how it was read out
    eval: str = ""
    eval_data: str = ""
    split: str = "test"
    readout: str = ""
    readout_args: str = "{}"
    layer: str = "final"
    labels: int = 0
    shift: str = "clean"
    severity: int = 0
    # the number
    metric: str
    value: float
    n: int
    ci_low: float | None = None
    ci_high: float | None = None
    interval: str = ""
    versus: str = ""
    # where it comes from
    schema: int = SCHEMA
    code: str = ""
    torch: str = ""
    device: str = ""
    world: int = 1
    started: str = ""
    seconds: float = 0.0
    artifact: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes the row unique: measuring the same thing twice is an error, not a second row."""
        return (
            self.study, self.arm, self.stage, self.seed, self.eval, self.split, self.readout, self.layer,
            self.labels, self.shift, self.severity, self.metric, self.versus, self.steps,
        )  # fmt: skip


def _parse(line: str) -> Record:
    known = {field.name for field in fields(Record)}
    return Record(**{key: value for key, value in json.loads(line).items() if key in known})


def _rows(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n") and line.strip():  # a line without its end was cut off by a kill
                yield _parse(line)


def append(folder: Path | str, rows: Iterable[Record]) -> Path:
    """Add rows to ``folder/records.jsonl`` in one write.

    Raises:
        ValueError: when a row with the same key is there already.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> _ = append(folder, [Record(metric="accuracy", value=0.5, n=10)])
        >>> [row.value for row in read(folder)]
        [0.5]
    """
    path = Path(folder) / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = _lines(rows, seen={row.key for row in _rows(path)} if path.exists() else set(), path=path)
    with path.open("a", encoding="utf-8") as out:
        out.write(lines)
        out.flush()
        os.fsync(out.fileno())
    return path


def rewrite(folder: Path | str, rows: Iterable[Record]) -> Path:
    """Write ``folder/records.jsonl`` anew from rows that are all derived from other files; whole or not at all.

    Raises:
        ValueError: when two rows have the same key.
    """
    path = Path(folder) / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as out:
            out.write(_lines(rows, seen=set(), path=path))
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _lines(rows: Iterable[Record], *, seen: set[tuple[object, ...]], path: Path) -> str:
    lines = []
    for row in rows:
        if row.key in seen:
            raise ValueError(f"{path} already holds {row.metric} of {row.arm or row.stage}: {row.key}")
        seen.add(row.key)
        lines.append(json.dumps(asdict(row), ensure_ascii=False) + "\n")
    return "".join(lines)


def read(root: Path | str) -> list[Record]:
    """Read every ``records.jsonl`` below ``root``, in the order of their paths."""
    return [row for path in sorted(Path(root).rglob(FILE_NAME)) for row in _rows(path)]


def collect(root: Path | str, out: Path | str) -> int:
    """Write all rows below ``root`` to one ``.csv`` or ``.parquet`` file; returns how many there are."""
    rows = [asdict(row) for row in read(root)]
    path = Path(out)
    if path.suffix == ".parquet":
        import pandas

        pandas.DataFrame(rows, columns=[field.name for field in fields(Record)]).to_parquet(path, index=False)
    else:
        with path.open("w", newline="", encoding="utf-8") as target:
            writer = csv.DictWriter(target, [field.name for field in fields(Record)])
            writer.writeheader()
            writer.writerows(rows)
    return len(rows)
