"""A progress bar for work that is counted in two ways: bytes of a file say how far it is, events how fast."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

_REDRAW_SECONDS = 0.1


class _Events(ProgressColumn):
    """So many events, and so many a second."""

    def render(self, task: Task) -> Text:
        events: int = task.fields["events"]
        return Text(f"{events:,} events  {events / task.elapsed if task.elapsed else 0:,.0f}/s")


@contextmanager
def events_progress(what: str, total_bytes: int | None) -> Iterator[Callable[[int, int], None]]:
    """On stderr, and only on a terminal. Yields what takes the events and the bytes so far; None: no end is known."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), _Events(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total_bytes, events=0)
        due = time.monotonic()
        last = (0, 0)

        def show(events: int, bytes_done: int) -> None:
            nonlocal due, last
            last = (events, bytes_done)
            if time.monotonic() > due:  # an update costs as much as several events
                due = time.monotonic() + _REDRAW_SECONDS
                bar.update(task, events=events, completed=bytes_done)

        try:
            yield show
        finally:
            bar.update(task, events=last[0], completed=last[1])
