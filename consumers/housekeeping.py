"""Housekeeping: what has to be done regularly, whatever the traffic.

It ends holds whose time is over, appends the top-up requests of refused authorizations, and drops old rows.
"""

from prometheus_client import Counter

from consumers.log_writable import open_appender
from ledger.gate.expiry import expire_holds, forget_holds
from ledger.gate.top_up_requests import appended, due, event_of, forget_requests
from ledger.log.publisher import AppendGuard
from ledger.postgres.types import Connection
from ledger.records import portal_sessions, rebuilds
from ledger.records.idempotency import forget_keys
from ledger.settings import Settings

NAME = "housekeeping"
_AT_ONCE = 1000

HOLDS_EXPIRED = Counter("ledger_holds_expired", "Holds that were ended because their time was over.")


class ExpireHolds:
    """Ends holds, each once its partition is projected past its end. A Task."""

    name, seconds = f"{NAME}:holds", 1.0

    def do_round(self, connection: Connection) -> None:
        """Ends all that are due now."""
        ended = _AT_ONCE
        while ended == _AT_ONCE:
            ended = expire_holds(connection, _AT_ONCE)
            HOLDS_EXPIRED.inc(ended)

    def close(self) -> None:
        """Nothing is open."""


class RequestTopUps:
    """Appends requests for a top-up. A Task."""

    name, seconds = f"{NAME}:top-up-requests", 0.25

    def __init__(self, settings: Settings, guard: AppendGuard) -> None:
        self._event_log = open_appender(settings, guard)

    def do_round(self, connection: Connection) -> None:
        """Appends all that are due now, unless the views are half-built."""
        if rebuilds.unfinished(connection) is not None:
            return
        for request in due(connection, _AT_ONCE):
            self._event_log.append_event(event_of(request))
            appended(connection, request)

    def close(self) -> None:
        """Closes the producer."""
        self._event_log.close()


class ForgetOldRows:
    """Drops old rows: Idempotency-Keys, ended holds, visits to the billing page, answered requests. A Task."""

    name, seconds = f"{NAME}:old-rows", 3600.0

    def do_round(self, connection: Connection) -> None:
        """Drops all that are old, unless the views are half-built."""
        if rebuilds.unfinished(connection) is not None:
            return
        forget_keys(connection)
        forget_holds(connection)
        portal_sessions.delete_old(connection)
        forget_requests(connection)

    def close(self) -> None:
        """Nothing is open."""
