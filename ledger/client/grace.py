"""How much may be let through while the gate is closed: bounded per account and process, thread-safe.

What was let through counts until its usage is on the log and the gate has decided for the account since: from then
on the gate itself knows. So requests one after the other can't spend more in a long outage than those at the same time.
"""

import threading
from collections.abc import Iterable


class Grant:
    """What one request was let through with, in nanos."""

    def __init__(self, account_id: str, nanos: int) -> None:
        self.account_id, self.nanos = account_id, nanos
        self.on_the_log = False


class Grace:
    """The grants of this process. `nanos_max`: the most that an account may have let through."""

    def __init__(self, nanos_max: int) -> None:
        self._nanos_max = nanos_max
        self._lock = threading.Lock()
        self._grants: dict[str, set[Grant]] = {}
        self._expected: dict[str, Grant] = {}
        self.granted_total = 0

    def take(self, account_id: str, nanos: int) -> Grant | None:
        """Lets a request through, or None when the account's grace is used up."""
        with self._lock:
            used = sum(grant.nanos for grant in self._grants.get(account_id, ()))
            if used + nanos > self._nanos_max:
                return None
            grant = Grant(account_id, nanos)
            self._grants.setdefault(account_id, set()).add(grant)
            self.granted_total += 1
            return grant

    def give_back(self, grant: Grant) -> None:
        """For a request that produced nothing."""
        with self._lock:
            self._forget([grant])

    def expect(self, event_id: str, grant: Grant) -> None:
        """This event is the grant's usage; say so before it can be delivered."""
        with self._lock:
            self._expected[event_id] = grant

    def delivered(self, event_ids: Iterable[str]) -> None:
        """These events are on the log."""
        with self._lock:
            if self._expected:
                for event_id in event_ids:
                    if grant := self._expected.pop(event_id, None):
                        grant.on_the_log = True

    def decided(self, account_id: str) -> None:
        """The gate has decided for the account, knowing what is on the log."""
        with self._lock:
            self._forget([grant for grant in self._grants.get(account_id, ()) if grant.on_the_log])

    def _forget(self, grants: Iterable[Grant]) -> None:
        for grant in grants:
            left = self._grants.get(grant.account_id, set())
            left.discard(grant)
            if not left:
                self._grants.pop(grant.account_id, None)
