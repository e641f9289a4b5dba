"""Usage from routers: one CloudEvent or a batch. All events of a batch are refused, or all are appended to the log.

The code that checks events for the projector checks them here. Then the fold folds them over an account without a past,
by the version of the book in force. So an event that is refused here would have become a dead letter.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from ledger.core.account import Account
from ledger.core.book_versions import Book
from ledger.core.entry import Fact
from ledger.core.errors import LedgerError, Refused, restored_error
from ledger.core.fold import apply
from ledger.log.dead_letters import Problem, problem_of
from ledger.log.drafts import Draft
from ledger.log.validation import fact_of
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.resources import Resources
from schemas.events import ROUTER_TYPES
from schemas.http import Appended, UsageAccepted

EVENTS_MAX = 1000


class NotForRouters(Refused):
    message = "Only usage.recorded and trace.recorded may be sent here"


class BatchEmpty(LedgerError):
    message = "The batch has no event"


class BatchTooLarge(LedgerError):
    message = "The batch has more events than are taken at once"


class Rejected(NamedTuple):
    """One event of a batch that can't be accepted. `place` counts from 0."""

    place: int
    problem: Problem


class BatchRejected(LedgerError):
    message = "Some events of the batch can't be accepted, so none was recorded"

    def __init__(self, rejected: Sequence[Rejected], size: int) -> None:
        self.rejected, self.size = rejected, size
        super().__init__(f"{len(rejected)} of {size}")


class Sent(NamedTuple):
    """An event as it will be on the log: unsigned, under its subject's key."""

    key: bytes | None
    value: bytes
    headers: Iterable[tuple[str, bytes | None]] = ()
    offset: int = 0
    timestamp: int = 0


async def record_event(resources: Resources, caller: Caller, event: Any, raw: bytes) -> UsageAccepted:
    """Appends one event, as its sender wrote it. `event`: what `raw` says. Raises what is wrong with it."""
    sent = Sent(_key(event), raw)
    checked = _checked(sent, caller, resources.current_book(), _now_ms())
    if isinstance(checked, Problem):
        raise restored_error(*checked)
    return await _append(resources, [sent], [checked])


async def record_batch(resources: Resources, caller: Caller, events: Sequence[Any]) -> UsageAccepted:
    """Appends all events, or none. Raises BatchEmpty, BatchTooLarge, BatchRejected."""
    if not events:
        raise BatchEmpty()
    if len(events) > EVENTS_MAX:
        raise BatchTooLarge(f"{len(events)}, at most {EVENTS_MAX}")
    sent = [Sent(_key(event), to_json(event)) for event in events]
    book, now_ms = resources.current_book(), _now_ms()
    checked = [_checked(each, caller, book, now_ms) for each in sent]
    rejected = [Rejected(index, each) for index, each in enumerate(checked) if isinstance(each, Problem)]
    if rejected:
        raise BatchRejected(rejected, len(sent))
    return await _append(resources, sent, [each for each in checked if isinstance(each, Fact)])


async def _append(resources: Resources, sent: Sequence[Sent], facts: Sequence[Fact]) -> UsageAccepted:
    drafts = [Draft(fact.event.subject, each.value) for fact, each in zip(facts, sent, strict=True)]
    positions = await resources.log.append_async(drafts)
    return UsageAccepted(
        accepted=len(facts),
        events=[
            Appended(event_id=fact.event_id, account_id=fact.event.subject, partition=at.partition, offset=at.offset)
            for fact, at in zip(facts, positions, strict=True)
        ],
    )


def _key(event: Any) -> bytes | None:
    subject = event.get("subject") if isinstance(event, dict) else None
    return subject.encode() if isinstance(subject, str) else None


def _checked(sent: Sent, caller: Caller, book: Book, now_ms: int) -> Fact | Problem:
    """The fact that the projector will read; a problem where the projector would refuse it, or the caller may not."""
    fact = fact_of(sent, {})
    if isinstance(fact, Problem):
        return fact
    try:
        caller.reach(fact.event.subject, "subject")
        if fact.event.type not in ROUTER_TYPES:
            raise NotForRouters(fact.event.type, field="type")
        apply(Account(fact.event.subject), fact, now_ms, book)
    except (Refused, AccountUnknown) as refusal:
        return problem_of(refusal)
    return fact


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
