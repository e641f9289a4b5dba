"""The sandbox's clock: the machine's, put forward by whoever tests what happens after hours or days."""

import time
from collections.abc import Callable

from ledger.sandbox.store import Store

_KIND, _ID = "sandbox.clock", "clock"


class Clock:
    """Never goes back; what it was put forward by is kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.ahead = int((store.get(_KIND, _ID) or {"ahead": 0})["ahead"])
        self._watchers: list[Callable[[], None]] = []

    def now(self) -> int:
        """Seconds since 1970, as both providers write times."""
        return int(self.exact())

    def exact(self) -> float:
        """The same, between the seconds."""
        return time.time() + self.ahead

    def watch(self, notice: Callable[[], None]) -> None:
        """Calls `notice` whenever the clock is put forward: for what happens by itself when its time has come."""
        self._watchers.append(notice)

    def advance(self, seconds: int) -> int:
        """Puts the clock forward; the time that it shows now."""
        self.ahead += seconds
        self._store.put(_KIND, {"id": _ID, "ahead": self.ahead})
        for notice in self._watchers:
            notice()
        return self.now()
