"""Usage that the book finds too dear to be true: kept aside until an operator accepts or drops it.

Either way one signed event says so. Its id follows from the usage, so that the usage is charged at most once.
"""

from datetime import datetime
from typing import Any

from ledger.core.errors import LedgerError
from ledger.service.caller import Caller
from ledger.service.cursors import InvalidCursor, moment_cursor, moment_place, split
from ledger.service.idempotency import RequestIdentity
from ledger.service.resources import Resources
from ledger.service.transactions import transaction_of
from ledger.service.writes import Write, perform, posted
from ledger.views import quarantine as views
from ledger.views.history import BEGINNING, HistoryLine
from schemas.events import Usage, UsageAcceptance, UsageAccepted, UsageDecision, UsageDropped
from schemas.http import NewDecision, Page, Pending, QuarantineDecided, QuarantinedUsage, Transaction
from schemas.identity import derived_id, is_uuid
from schemas.money import format_nanos

_START = (BEGINNING, "", "00000000-0000-0000-0000-000000000000")


class NotInQuarantine(LedgerError):
    message = "This account has no such usage that was kept aside"


class AlreadyDecided(LedgerError):
    message = "Somebody has decided already about this usage"


async def list_quarantine(
    resources: Resources, caller: Caller, account_id: str | None, cursor: str | None, limit: int
) -> Page[QuarantinedUsage]:
    """Usage that waits for a decision, oldest first. Raises InvalidCursor."""
    account = caller.account_id or account_id
    async with resources.pool.connection() as connection:
        rows, last = split(await views.waiting(connection, account, _place(cursor), limit + 1), limit)
        lines = await views.lines_of(connection, rows)
    shown = [
        QuarantinedUsage(charge=format_nanos(row.charge), transaction=transaction_of(line), kept_aside_at=row.log_time)
        for row, line in zip(rows, lines, strict=True)
    ]
    next_cursor = moment_cursor(last.log_time, f"{last.account_id} {last.event_id}") if last else None
    return Page(data=shown, next_cursor=next_cursor)


async def decide(
    resources: Resources,
    caller: Caller,
    account_id: str,
    event_id: str,
    new: NewDecision,
    identity: RequestIdentity | None = None,
) -> QuarantineDecided | Pending:
    """Accepts usage, which charges it by the book of now, or drops it. Raises NotInQuarantine, AlreadyDecided."""
    caller.reach(account_id)
    async with resources.pool.connection() as connection:
        found = await views.find(connection, account_id, event_id)
        if not found:
            raise NotInQuarantine(event_id, field="event_id")
        row = next((each for each in found if each.decision is None), found[0])
        if row.decision is not None:
            raise AlreadyDecided(row.decision, field="event_id")
        (line,) = await views.lines_of(connection, [row])
    accepts = new.decision == "accepted"
    decided_id = derived_id(account_id, "quarantine", "signed" if row.signed else "unsigned", row.event_id)

    async def value(event_id: str) -> QuarantineDecided:
        entry: Transaction | None = None
        if accepts:
            entry = transaction_of(await posted(resources, event_id, account_id))
        return QuarantineDecided(event_id=row.event_id, decision=new.decision, transaction=entry)

    def data(actor_id: str) -> UsageDecision:
        why: dict[str, Any] = {"event_id": row.event_id, "signed": row.signed}
        why |= {"reason_code": new.reason_code, "actor_id": actor_id}
        return UsageAcceptance(**why, usage=_usage(line)) if accepts else UsageDecision(**why)

    write = Write(
        UsageAccepted if accepts else UsageDropped,
        account_id,
        data,
        QuarantineDecided,
        value,
        event_id=decided_id,
        time=line.occurred_at or line.log_time,
    )
    return await perform(resources, caller, identity, write)


def _usage(line: HistoryLine) -> Usage:
    """The usage as it was recorded, without its authorization, which has ended."""
    names = Usage.model_fields.keys() - {"authorization_id", "metadata"}
    return Usage.model_validate({**{name: getattr(line, name) for name in names}, "metadata": line.data})


def _place(cursor: str | None) -> tuple[datetime, str, str]:
    if cursor is None:
        return _START
    moment, name = moment_place(cursor)
    account_id, _, event_id = name.partition(" ")
    if not is_uuid(event_id):
        raise InvalidCursor(field="cursor")
    return moment, account_id, event_id
