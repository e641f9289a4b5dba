"""Progress of work in stages, with rate and remaining time: on stderr, and only on a terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """A column with the rate per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")


class ProgressBars:
    """Shows one bar per stage. Bars of finished stages stay."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate())
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)

    def begin(self, stage: str, total: int | None) -> None:
        """Begins a stage. `total` is None if its size is not known."""
        self._bar.add_task(stage, total=total)

    def reach(self, done: int) -> None:
        """Sets how much of the stage is done."""
        self._bar.update(self._bar.task_ids[-1], completed=done)

    def pause(self) -> None:
        """Stops drawing, so that other output can be printed. The bars stay as they are."""
        self._bar.stop()

    def resume(self) -> None:
        """Draws again."""
        self._bar.start()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
