"""Events as a router records them. The models of `schemas` check them, and each gets its id once, when it is made."""

import time
from datetime import UTC, datetime
from typing import Any, NamedTuple, Required, TypedDict, TypeVar

from pydantic import TypeAdapter, ValidationError

from ledger.client.errors import InvalidAuthorization, InvalidEvent
from schemas.envelope import Source
from schemas.events import Mode, Trace, TraceRecorded, Usage, UsageRecorded
from schemas.fields import fault_of, json_of
from schemas.identity import event_id_of, time_ordered_id

_SOURCE: TypeAdapter[str] = TypeAdapter(Source)
_ARGUMENTS = {"subject": "account_id", "id": "event_id"}
_Wrong = TypeVar("_Wrong", InvalidEvent, InvalidAuthorization)


class OccurrenceFields(TypedDict, total=False):
    """`time`: when it happened; by default now.

    `event_id`: the caller's own id, so that a repeated call is harmless.
    """

    time: datetime | None
    event_id: str | None


class UsageFields(OccurrenceFields, total=False):
    """The fields of a model call: those of `schemas.events.Usage`. `provider_cost`: credits, as decimal text."""

    request_id: Required[str]
    provider: Required[str]
    model: Required[str]
    mode: Required[Mode]
    input_tokens: Required[int]
    output_tokens: Required[int]
    units: dict[str, int | str] | None
    attributes: dict[str, str] | None
    provider_cost: str | None
    extra_cost: str | None
    own_key: bool | None
    api_key_id: str | None
    authorization_id: str | None
    metadata: dict[str, str] | None


class TraceFields(OccurrenceFields, total=False):
    """The fields of traces: those of `schemas.events.Trace`."""

    trace_id: Required[str]
    count: Required[int]


class Outgoing(NamedTuple):
    """An event as it is sent. `recorded_ms`: Unix time in milliseconds. `value`: its JSON."""

    account_id: str
    event_id: str
    recorded_ms: int
    value: bytes


def checked_source(source: str) -> str:
    """The source, if events may have it. Raises InvalidEvent."""
    try:
        return _SOURCE.validate_python(source, strict=True)
    except ValidationError as error:
        raise invalid(InvalidEvent, error, "source") from None


def usage_event(source: str, account_id: str, fields: UsageFields) -> Outgoing:
    """The event of a model call. Raises InvalidEvent, which names the field."""
    return _event(UsageRecorded, Usage, source, account_id, {**fields})


def trace_event(source: str, account_id: str, fields: TraceFields) -> Outgoing:
    """The event of `count` traces. Raises InvalidEvent, which names the field."""
    return _event(TraceRecorded, Trace, source, account_id, {**fields})


def _event(
    kind: type[UsageRecorded | TraceRecorded],
    data: type[Usage | Trace],
    source: str,
    account_id: str,
    fields: dict[str, Any],
) -> Outgoing:
    now_ns = time.time_ns()
    moment, given_id = fields.pop("time", None), fields.pop("event_id", None)
    try:
        envelope = {
            "source": source,
            "subject": account_id,
            "time": datetime.fromtimestamp(now_ns / 10**9, UTC) if moment is None else moment,
            "id": time_ordered_id(now_ns // 10**6) if given_id is None else given_id,
            "data": data(**fields),
        }
        event = kind.model_validate(envelope)
    except ValidationError as error:
        raise invalid(InvalidEvent, error) from None
    return Outgoing(event.subject, event_id_of(source, event.id), now_ns // 10**6, json_of(event))


def invalid(kind: type[_Wrong], error: ValidationError, whole: str | None = None) -> _Wrong:
    """An error that names the first wrong field and then describes the others. It never repeats a field's value.

    `whole`: the field to name when the error is not about a single field.
    """
    first, *others = error.errors(include_url=False)
    fault = fault_of(first)
    named = _ARGUMENTS.get(fault.field, fault.field) if fault.field else whole
    return kind("; ".join([fault.reason, *map(str, map(fault_of, others))]), field=named)
