"""One live line in a terminal, one plain line now and then elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["TrainingDisplay"]


class TrainingDisplay:
    """Shows step, loss, images/s, share of time spent waiting for data, and the time left.

    Args:
        title: names the coat.
        steps: the budget.
        start: where a resumed run begins.
        enabled: off on all processes but the first.
        console: where to print.
    """

    def __init__(
        self, title: str, *, steps: int, start: int = 0, enabled: bool = True, console: Console | None = None
    ) -> None:
        self.console = console or Console(stderr=True)
        self.title, self.steps, self.enabled = title, steps, enabled
        self._next_plain = start
        self._progress: Progress | None = None
        if enabled and self.console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(compact=True),
                console=self.console,
            )
            self._task = self._progress.add_task(title, total=steps, completed=start, state="")

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self, step: int) -> None:
        """Move the bar to ``step``."""
        if self._progress is not None:
            self._progress.update(self._task, completed=step)

    def show(self, line: dict[str, Any]) -> None:
        """Show what was just logged."""
        state = describe(line)
        if self._progress is not None:
            self._progress.update(self._task, completed=line["step"], state=state)
        elif self.enabled and (line["step"] >= self._next_plain or line["step"] == self.steps):
            self.console.print(f"{self.title}  step {line['step']}/{self.steps}  {state}", highlight=False)
            self._next_plain = line["step"] + max(1, self.steps // 5)

    def say(self, sentence: str) -> None:
        """Print a sentence above the live line."""
        if self.enabled:
            self.console.print(sentence, highlight=False)


def describe(line: dict[str, Any]) -> str:
    """Render a log line for people.

    Example:
        >>> describe({"step": 3, "loss": 2.5, "images_per_second": 410.2, "data_wait": 0.013, "knn": 0.71})
        'loss 2.500  410 images/s  data wait 1 %  k-NN 0.71'
    """
    parts = [f"loss {line['loss']:.3f}", f"{line['images_per_second']:.0f} images/s"]
    parts.append(f"data wait {100 * line['data_wait']:.0f} %")
    if "knn" in line:
        parts.append(f"k-NN {line['knn']:.2f}")
    return "  ".join(parts)
