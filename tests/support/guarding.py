"""Parts that append within the test's own process, and what they need of the guard."""

from collections.abc import Callable

from schemas.events import Event


class Unguarded:
    """A way to the log that is always open: for stories about something else."""

    def __init__(self, append: Callable[[Event], object]) -> None:
        self._append = append

    def append_event(self, event: Event) -> object:
        return self._append(event)

    def check(self) -> None:
        """Always allowed."""
