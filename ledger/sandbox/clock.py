"""The sandbox's clock: the machine's clock, plus the time by which a test has advanced it."""

import time
from collections.abc import Callable

from ledger.sandbox.store import Store

_KIND, _ID = "sandbox.clock", "clock"


class Clock:
    """A clock that never goes back. The store keeps how far it was advanced."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.ahead = int((store.get(_KIND, _ID) or {"ahead": 0})["ahead"])
        self._watchers: list[Callable[[], None]] = []

    def now(self) -> int:
        """Unix time in whole seconds, the form in which both providers write times."""
        return int(self.exact())

    def exact(self) -> float:
        """Unix time in seconds, with fractions."""
        return time.time() + self.ahead

    def watch(self, notice: Callable[[], None]) -> None:
        """Calls `notice` after each `advance`, so that timers which are due can run."""
        self._watchers.append(notice)

    def advance(self, seconds: int) -> int:
        """Advances the clock and returns its new time."""
        self.ahead += seconds
        self._store.put(_KIND, {"id": _ID, "ahead": self.ahead})
        for notice in self._watchers:
            notice()
        return self.now()
