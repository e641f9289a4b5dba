"""A write: one signed event on the log, then what the fold made of it."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel

from ledger.core.account import Account
from ledger.core.calendar import ms_of
from ledger.core.entry import Fact
from ledger.core.errors import LedgerError, Refused, restored_error
from ledger.core.fold import apply
from ledger.log.drafts import signed_draft
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.idempotency import RequestIdentity, keep, reserve, result_of
from ledger.service.resources import Resources
from ledger.views.accounts import balance
from ledger.views.history import HistoryLine
from schemas.events import Event
from schemas.fields import Frozen
from schemas.http import Pending
from schemas.identity import content_of

SOURCE = "ledger/api"
# What a field of an event is called in the values that a caller gives.
_FIELDS = {"subject": "account_id"}
Value = TypeVar("Value", bound=BaseModel)


class NotFoldedYet(LedgerError):
    message = "The event is on the log, and the fold has not come to it yet; is `ledger project` running?"


class Write(NamedTuple, Generic[Value]):
    """An event to append: its type, its account, its data (made from the acting key's id), and its value when posted.

    `check_first`: False where only the account's state can say whether it is refused. `event_id`: where the fact allows
    only one such event; else it follows from the request. `time`: when the fact happened, if not now.
    """

    event: Callable[..., Event]
    account_id: str
    data: Callable[[str], Frozen]
    kind: type[Value]
    value: Callable[[str], Awaitable[Value]]
    check_first: bool = True
    event_id: str | None = None
    time: datetime | None = None


async def existing_account(resources: Resources, caller: Caller, account_id: str) -> None:
    """Raises AccountUnknown, so that a misspelt id opens no account."""
    caller.reach(account_id)
    async with resources.pool.connection() as connection:
        if await balance(connection, account_id) is None:
            raise AccountUnknown(account_id, field="account_id")


async def perform(
    resources: Resources, caller: Caller, identity: RequestIdentity | None, write: Write[Value]
) -> Value | Pending:
    """Appends the event once. Its value when it is posted, now or before; Pending when the fold takes too long.

    Raises what the fold refuses, LogUnavailable, LogRefused, BookEmpty, IdempotencyConflict.
    """
    reserved = await reserve(resources, caller, identity)
    if reserved.outcome is not None:
        return result_of(reserved.outcome, write.kind)
    event_id = write.event_id or (identity.event_id(caller) if identity else str(uuid.uuid4()))
    event = _event(write, event_id, reserved.actor_id)
    refusal = _refusal_of_any_account(resources, event) if write.check_first else None
    if refusal is None:
        (position,) = await resources.log.append_async([signed_draft(event, resources.settings.signing_key())])
        if not await resources.verdicts.projected(position):
            return Pending(event_id=event.id)
        dead = await resources.verdicts.refusal(position)
        refusal = _refusal(dead.code, dead.reason, dead.field) if dead else None
    if refusal is not None:
        await keep(resources, caller, identity, refusal)
        raise refusal
    value = await write.value(event.id)
    await keep(resources, caller, identity, value)
    return value


async def posted(resources: Resources, event_id: str, account_id: str) -> HistoryLine:
    """The line of an event that was posted, now or before."""
    line = await resources.verdicts.posted(event_id, account_id)
    assert line, "a record that the views have passed is an entry or a dead letter"
    return line


def _event(write: Write[Any], event_id: str, actor_id: str) -> Event:
    fields: dict[str, Any] = {"source": SOURCE, "id": event_id, "subject": write.account_id}
    return write.event(**fields, data=write.data(actor_id), time=write.time or datetime.now(UTC))


def _refusal_of_any_account(resources: Resources, event: Event) -> LedgerError | None:
    """What the fold would refuse of an account without a past, by the book as it is now."""
    fact = Fact(event, event.id, content_of(event), resources.settings.signing_key_id)
    try:
        apply(Account(event.subject), fact, ms_of(datetime.now(UTC)), resources.current_book())
    except Refused as refusal:
        return _refusal(refusal.code, refusal.reason, refusal.field)
    return None


def _refusal(code: str, reason: str, field: str | None) -> LedgerError:
    """The fold's refusal, its field named as the caller named it."""
    named = None if field is None else _FIELDS.get(field, field.removeprefix("data."))
    return restored_error(code, reason, named)
