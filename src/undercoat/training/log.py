"""The log of a run: JSON lines and TensorBoard events, continued cleanly after a resume."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from undercoat.files import atomic

__all__ = ["RunLog", "read_log"]

LOG = "log.jsonl"


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Read a run's log; a last line cut off by a kill is left out."""
    path = folder / LOG
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line.strip()]


class RunLog:
    """Writer of ``log.jsonl`` and TensorBoard events; use it in a ``with`` block.

    Args:
        folder: of the run.
        start_step: steps that are kept; later lines come from work that was lost, and go.
        tensorboard: write event files too.
        enabled: off on all processes but the first.
    """

    def __init__(self, folder: Path, *, start_step: int, tensorboard: bool, enabled: bool = True) -> None:
        self.folder, self.start_step = folder, start_step
        self.tensorboard, self.enabled = tensorboard, enabled
        self._events: Any = None
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        if not self.enabled:
            return self
        kept = [line for line in read_log(self.folder) if line["step"] <= self.start_step]
        with atomic(self.folder / LOG) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self._file = (self.folder / LOG).open("a", encoding="utf-8")
        if self.tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.start_step)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._events is not None:
            self._events.close()

    def write(self, line: dict[str, Any]) -> None:
        """Add one line; numbers go to TensorBoard under their own names."""
        if self._file is None:
            return
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._events is not None:
            for name, value in line.items():
                if isinstance(value, int | float) and name != "step":
                    self._events.add_scalar(name, value, line["step"])
