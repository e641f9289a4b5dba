"""Routes: usage from routers, one CloudEvent or a batch."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic_core import from_json

from ledger.api.dependencies import Needs
from ledger.service import usage as service
from ledger.service.caller import Caller
from ledger.service.usage import EVENTS_MAX, BatchRejected, Rejected
from ledger.web.dependencies import ResourcesOf
from ledger.web.errors import ApiError, status_of_code
from schemas.fields import RECORD_BYTES_MAX
from schemas.http import UsageAccepted

_MEDIA_TYPES = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")
_SCHEMAS = [{"$ref": f"#/components/schemas/{name}"} for name in ("UsageRecorded", "TraceRecorded")]
_ONE = {"schema": {"anyOf": _SCHEMAS}}
_MANY = {"schema": {"type": "array", "maxItems": EVENTS_MAX, "items": {"anyOf": _SCHEMAS}}}

router = APIRouter(prefix="/v1/usage", tags=["usage"])


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
    if len(body) > RECORD_BYTES_MAX and not body.lstrip().startswith(b"["):
        raise ApiError(413, "too_large", f"An event has at most {RECORD_BYTES_MAX} bytes, this one has {len(body)}.")
    try:
        parsed = from_json(body)
    except ValueError as error:
        raise ApiError(400, "invalid_json", f"The body is not JSON: {error}.") from None
    if not isinstance(parsed, list):
        return await service.record_event(resources, caller, parsed, body)
    try:
        return await service.record_batch(resources, caller, parsed)
    except BatchRejected as rejected:
        raise _with_items(rejected) from None


def _check_media_type(request: Request) -> None:
    given = request.headers.get("content-type", _MEDIA_TYPES[0]).partition(";")[0].strip().lower()
    if given not in _MEDIA_TYPES:
        raise ApiError(415, "unsupported_media_type", f"Content-Type must be one of {', '.join(_MEDIA_TYPES)}.")


def _with_items(batch: BatchRejected) -> ApiError:
    """The first problem, how many there are, and each of them as an item."""
    items = [_item(each) for each in batch.rejected]
    statuses = {status_of_code(each.problem.code) for each in batch.rejected}
    first = items[0]
    count = f"{len(items)} of {batch.size} events can't be accepted, none was recorded."
    return ApiError(
        statuses.pop() if len(statuses) == 1 else 422,
        first["code"],
        f"{count} [{batch.rejected[0].place}] {first['message']}",
        first["param"],
        items=items,
    )


def _item(rejected: Rejected) -> dict[str, Any]:
    place, problem = rejected
    param = f"[{place}].{problem.field}" if problem.field else f"[{place}]"
    return {"index": place, "message": str(problem), "code": problem.code, "param": param}
