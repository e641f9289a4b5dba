"""Requests for a top-up after a refused authorization: noted by the API, appended to the log by a consumer.

An account makes one request each time that its machine is armed. The request is stored before it is appended, and its
id follows from the entry that armed the machine. So it becomes one event, even if a process is killed in between.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from ledger.core.top_ups import may_trigger
from ledger.gate.holds import Funds
from ledger.postgres.types import AsyncConnection, Connection
from ledger.sql import statements
from schemas.events import AutoTopUpRequested, TopUpRequest
from schemas.identity import derived_id
from schemas.money import format_nanos

SQL = statements("ledger.gate", "top_up_requests.sql")
SOURCE = "ledger/gate"


class StoredRequest(NamedTuple):
    """A request as its row has it, in nanos. `since_seq`: the number of the entry that armed the machine."""

    account_id: str
    since_seq: int
    available: int
    balance: int


class Waiting(NamedTuple):
    """A request that is not on the log yet, and the state of its account now. `fresh`: less than a minute old."""

    request: StoredRequest
    fresh: bool
    enabled: bool
    state: str | None
    threshold: int | None
    open_disputes: int
    available_now: int

    @property
    def is_due(self) -> bool:
        """Whether the request may trigger. If it is not fresh, the account's funds of now decide.

        The holds that used up the funds may have ended since, and no card may be charged above the threshold.
        """
        return may_trigger(
            enabled=self.enabled,
            state=self.state,
            threshold=self.threshold,
            open_disputes=self.open_disputes,
            funds=self.request.available if self.fresh else self.available_now,
        )


def asks_for_top_up(funds: Funds) -> bool:
    """Whether the account's machine triggers if a request is refused at these funds."""
    return may_trigger(
        enabled=funds.top_up_enabled,
        state=funds.top_up_state,
        threshold=funds.top_up_threshold,
        open_disputes=funds.top_up_disputes,
        funds=funds.available,
    )


async def note(connection: AsyncConnection, funds: Funds) -> None:
    """Stores the request of a refusal, unless the account has one since its machine was armed."""
    request = StoredRequest(funds.account_id, funds.top_up_since, funds.available, funds.balance)
    await connection.execute(SQL["note"], request._asdict())


def due(connection: Connection, limit: int) -> list[StoredRequest]:
    """The requests to append now. Looks at the newest `limit` requests that are not on the log."""
    rows = connection.execute(SQL["waiting"], {"limit": limit})
    waiting = [Waiting(StoredRequest(*row[:4]), *row[4:]) for row in rows]
    return [each.request for each in waiting if each.is_due]


def appended(connection: Connection, request: StoredRequest) -> None:
    """Notes that a request is on the log."""
    connection.execute(SQL["appended"], request._asdict())


def forget_requests(connection: Connection) -> int:
    """Deletes requests that were not appended and can't have an effect any more. Returns how many."""
    return connection.execute(SQL["forget"]).rowcount


def event_of(request: StoredRequest) -> AutoTopUpRequested:
    """The event of a request."""
    return AutoTopUpRequested(
        source=SOURCE,
        id=derived_id(request.account_id, "auto_top_up.requested", str(request.since_seq)),
        subject=request.account_id,
        time=datetime.now(UTC),
        data=TopUpRequest(available=format_nanos(request.available), balance=format_nanos(request.balance)),
    )
