"""The progress of work in stages: a bar each, with rate and remaining time; on stderr, and only on a terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """So many a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")


class Stages:
    """Shows one stage after the other; those that are done stay."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate())
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)

    def begin(self, stage: str, total: int | None) -> None:
        """A stage of the work begins; `total` None: nobody knows how much it is."""
        self._bar.add_task(stage, total=total)

    def reach(self, done: int) -> None:
        """So much of the stage is done."""
        self._bar.update(self._bar.task_ids[-1], completed=done)

    def stop(self) -> None:
        """The terminal is needed for something else: what is done so far stays, as it is."""
        self._bar.stop()

    def go_on(self) -> None:
        """The terminal is free again."""
        self._bar.start()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
