"""The grace: how many credits may be spent without a hold while the gate does not answer. Thread-safe.

It is bounded per account and process. A grant counts until its usage is on the log and the gate has decided for the
account since then, because from that moment the gate itself counts that usage. So calls one after another can't spend
more in a long outage than calls at the same time.
"""

import threading
from collections.abc import Iterable


class Grant:
    """The part of the grace that one call takes, in nanos."""

    def __init__(self, account_id: str, nanos: int) -> None:
        self.account_id, self.nanos = account_id, nanos
        self.on_the_log = False


class Grace:
    """The grants of this process. `nanos_max`: the largest sum of one account's grants."""

    def __init__(self, nanos_max: int) -> None:
        self._nanos_max = nanos_max
        self._lock = threading.Lock()
        self._grants: dict[str, set[Grant]] = {}
        self._expected: dict[str, Grant] = {}
        self.granted_total = 0

    def grant(self, account_id: str, nanos: int) -> Grant | None:
        """A grant for one call; None when the account's grace is used up."""
        with self._lock:
            used = sum(grant.nanos for grant in self._grants.get(account_id, ()))
            if used + nanos > self._nanos_max:
                return None
            grant = Grant(account_id, nanos)
            self._grants.setdefault(account_id, set()).add(grant)
            self.granted_total += 1
            return grant

    def cancel(self, grant: Grant) -> None:
        """Returns the grant of a call that had no usage."""
        with self._lock:
            self._forget([grant])

    def expect_usage(self, event_id: str, grant: Grant) -> None:
        """Notes that this event is the grant's usage. Call it before the event can be delivered."""
        with self._lock:
            self._expected[event_id] = grant

    def delivered(self, event_ids: Iterable[str]) -> None:
        """Notes that these events are on the log."""
        with self._lock:
            if self._expected:
                for event_id in event_ids:
                    if grant := self._expected.pop(event_id, None):
                        grant.on_the_log = True

    def decided(self, account_id: str) -> None:
        """Notes that the gate has decided for the account: it counts the usage that is on the log."""
        with self._lock:
            self._forget([grant for grant in self._grants.get(account_id, ()) if grant.on_the_log])

    def _forget(self, grants: Iterable[Grant]) -> None:
        for grant in grants:
            left = self._grants.get(grant.account_id, set())
            left.discard(grant)
            if not left:
                self._grants.pop(grant.account_id, None)
