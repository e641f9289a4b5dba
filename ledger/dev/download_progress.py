"""Progress of a download: a bar with rate and remaining time on a terminal, one line before and one after elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


@contextmanager
def downloading(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Reports on stderr, so that stdout has only output for programs.

    Yields a function that takes the bytes of each part.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console) as bar:
            task = bar.add_task(f"Downloading {what}", total=total)
            yield lambda count: bar.advance(task, count)
        return
    started = time.monotonic()
    console.print(f"Downloading {what}: {total / 1e6:.0f} MB")
    yield lambda _count: None
    console.print(f"Downloaded {what}: {time.monotonic() - started:.1f} s")


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)
