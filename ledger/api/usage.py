"""Usage from routers: one CloudEvent or a batch, refused as a whole or on the log as a whole before we answer.

An event is read by the very code that the projector reads it with, and folded over an account without a past by the
book in force: whatever is refused here would be a dead letter there.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Request
from pydantic_core import from_json, to_json

from ledger.api.dependencies import Needs
from ledger.core.account import Account
from ledger.core.book import Book
from ledger.core.entry import Fact
from ledger.core.errors import Refused
from ledger.core.fold import apply
from ledger.log.drafts import Draft
from ledger.log.validation import Problem, fact_of, problem_of
from ledger.service.caller import AccountUnknown, Caller
from ledger.web.dependencies import ResourcesOf
from ledger.web.errors import ApiError, NotForRouters, status_of_code
from schemas.events import ROUTER_TYPES
from schemas.fields import RECORD_BYTES_MAX
from schemas.http import Appended, UsageAccepted

EVENTS_MAX = 1000
_MEDIA_TYPES = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")
_SCHEMAS = [{"$ref": f"#/components/schemas/{name}"} for name in ("UsageRecorded", "TraceRecorded")]
_ONE = {"schema": {"anyOf": _SCHEMAS}}
_MANY = {"schema": {"type": "array", "maxItems": EVENTS_MAX, "items": {"anyOf": _SCHEMAS}}}

router = APIRouter(prefix="/v1/usage", tags=["usage"])


class _Sent(NamedTuple):
    """An event as it will be on the log: unsigned, under its subject's key."""

    key: bytes | None
    value: bytes
    headers: Iterable[tuple[str, bytes | None]] = ()
    offset: int = 0
    timestamp: int = 0


@router.post(
    "",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": _ONE,
                "application/json": {"schema": {"anyOf": [*_SCHEMAS, _MANY["schema"]]}},
                "application/cloudevents-batch+json": _MANY,
            },
        }
    },
)
async def record_usage(
    request: Request, resources: ResourcesOf, caller: Annotated[Caller, Depends(Needs("usage:write"))]
) -> UsageAccepted:
    """Record model calls and traces. All events of a batch are on the log when this answers, or none is.

    Sending the same event again, after a 503 or without an answer, is harmless: it is counted once.
    """
    _check_media_type(request)
    body = await request.body()
    sent, is_batch = _events_in(body)
    facts = _facts(sent, is_batch, caller, resources.current_book())
    drafts = [Draft(fact.event.subject, event.value) for fact, event in zip(facts, sent, strict=True)]
    positions = await resources.log.append_async(drafts)
    return UsageAccepted(
        accepted=len(facts),
        events=[
            Appended(event_id=fact.event_id, account_id=fact.event.subject, partition=at.partition, offset=at.offset)
            for fact, at in zip(facts, positions, strict=True)
        ],
    )


def _check_media_type(request: Request) -> None:
    given = request.headers.get("content-type", _MEDIA_TYPES[0]).partition(";")[0].strip().lower()
    if given not in _MEDIA_TYPES:
        raise ApiError(415, "unsupported_media_type", f"Content-Type must be one of {', '.join(_MEDIA_TYPES)}.")


def _events_in(body: bytes) -> tuple[list[_Sent], bool]:
    """The events of a body, and whether it is a batch. One event stays as its sender wrote it."""
    if len(body) > RECORD_BYTES_MAX and not body.lstrip().startswith(b"["):
        raise ApiError(413, "too_large", f"An event has at most {RECORD_BYTES_MAX} bytes, this one has {len(body)}.")
    try:
        parsed = from_json(body)
    except ValueError as error:
        raise ApiError(400, "invalid_json", f"The body is not JSON: {error}.") from None
    if not isinstance(parsed, list):
        return [_Sent(_key(parsed), body)], False
    if not 0 < len(parsed) <= EVENTS_MAX:
        raise ApiError(413 if parsed else 422, "batch_size", f"A batch has 1 to {EVENTS_MAX} events.")
    return [_Sent(_key(item), to_json(item)) for item in parsed], True


def _key(item: Any) -> bytes | None:
    subject = item.get("subject") if isinstance(item, dict) else None
    return subject.encode() if isinstance(subject, str) else None


def _facts(sent: Sequence[_Sent], is_batch: bool, caller: Caller, book: Book) -> list[Fact]:
    """Every event as a fact; raises for all that can't be one."""
    now_ms = int(time.time() * 1000)
    checked = [_checked(event, caller, book, now_ms) for event in sent]
    problems = [(index, problem) for index, problem in enumerate(checked) if isinstance(problem, Problem)]
    if problems:
        raise _refusal(problems, len(sent)) if is_batch else _error(problems[0][1])
    return [fact for fact in checked if isinstance(fact, Fact)]


def _checked(event: _Sent, caller: Caller, book: Book, now_ms: int) -> Fact | Problem:
    """The fact that the projector will read, unless it would refuse it or the caller may not say it."""
    fact = fact_of(event, {})
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


def _error(problem: Problem) -> ApiError:
    return ApiError(status_of_code(problem.code), problem.code, str(problem), problem.field)


def _refusal(problems: Sequence[tuple[int, Problem]], size: int) -> ApiError:
    """The first problem, how many there are, and each of them as an item."""
    items = [
        {"index": index, "message": str(problem), "code": problem.code, "param": _item_param(index, problem)}
        for index, problem in problems
    ]
    statuses = {status_of_code(problem.code) for _, problem in problems}
    first = items[0]
    return ApiError(
        statuses.pop() if len(statuses) == 1 else 422,
        str(first["code"]),
        f"{len(problems)} of {size} events can't be accepted, none was recorded. [{first['index']}] {first['message']}",
        str(first["param"]),
        items=items,
    )


def _item_param(index: int, problem: Problem) -> str:
    return f"[{index}].{problem.field}" if problem.field else f"[{index}]"
