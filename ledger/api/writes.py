"""A write: one signed event on the log, then its verdict by the fold, which is the answer.

201 or 200 when it is posted (also when it was before), the fold's own refusal, or 202 when the verdict takes too long.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from ledger.api.idempotency import Asked, refused
from ledger.core.account import Account
from ledger.core.calendar import ms_of
from ledger.core.entry import Fact
from ledger.core.errors import Refused, text_of
from ledger.core.fold import apply
from ledger.log.drafts import signed_draft
from ledger.log.validation import Problem, problem_of
from ledger.records.idempotency import Answer
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.resources import Resources
from ledger.views.accounts import balance
from ledger.views.history import Line
from ledger.web.errors import status_of_code
from schemas.events import Event
from schemas.fields import Frozen
from schemas.http import Pending
from schemas.identity import content_of

SOURCE = "ledger/api"
# What a field of an event's data is called in the bodies of requests.
_FIELDS = {"subject": "account_id"}


class Write(NamedTuple):
    """An event to be: its type, its account, its data as this key's, and the answer once it is posted."""

    kind: Callable[..., Event]
    account_id: str
    data: Callable[[str], Frozen]
    status: int
    answer: Callable[[str], Awaitable[BaseModel]]
    # Known to be refused whatever the account's state is: refused before it reaches the log.
    check_first: bool = True


async def known_account(resources: Resources, caller: Caller, account_id: str) -> None:
    """Raises AccountUnknown, so that a slip of the pen doesn't open an account."""
    caller.reach(account_id)
    async with resources.pool.connection() as connection:
        if await balance(connection, account_id) is None:
            raise AccountUnknown(account_id, field="account_id")


async def perform(resources: Resources, caller: Caller, asked: Asked, write: Write) -> Response:
    """Does it once, and answers with its verdict."""
    reserved = await asked.reserve(resources.pool, caller)
    if reserved.answer is not None:
        return asked.response(reserved.answer)
    event = _event(write, asked.event_id(caller), reserved.actor_id)
    if write.check_first:
        refusal = _refusal_of_any_account(resources, event)
        if refusal is not None:
            return await asked.keep(resources.pool, caller, refusal)
    (position,) = await resources.log.append_async([signed_draft(event, resources.settings.signing_key())])
    if not await resources.verdicts.projected(position):
        return JSONResponse(Pending(event_id=event.id).model_dump(), 202)
    dead = await resources.verdicts.refusal(position)
    if dead is not None:
        return await asked.keep(resources.pool, caller, _refused(Problem(*dead)))
    body = (await write.answer(event.id)).model_dump(mode="json")
    return await asked.keep(resources.pool, caller, Answer(write.status, body))


async def posted(resources: Resources, event_id: str, account_id: str) -> Line:
    """The line of an event whose verdict is that it was posted, now or before."""
    line = await resources.verdicts.posted(event_id, account_id)
    assert line, "a record that the views have passed is an entry or a dead letter"
    return line


def _event(write: Write, event_id: str, actor_id: str) -> Event:
    fields: dict[str, Any] = {"source": SOURCE, "id": event_id, "subject": write.account_id}
    return write.kind(**fields, data=write.data(actor_id), time=datetime.now(UTC))


def _refusal_of_any_account(resources: Resources, event: Event) -> Answer | None:
    """What the fold would refuse of an account without a past, by the book as it is now."""
    fact = Fact(event, event.id, content_of(event), resources.settings.signing_key_id)
    try:
        apply(Account(event.subject), fact, ms_of(datetime.now(UTC)), resources.current_book())
    except Refused as refusal:
        return _refused(problem_of(refusal))
    return None


def _refused(problem: Problem) -> Answer:
    """The fold's refusal, its field named as the request's body names it."""
    code, reason, field = problem
    param = _FIELDS.get(field, field.removeprefix("data.")) if field else None
    return refused(status_of_code(code), code, text_of(param, reason), param)
