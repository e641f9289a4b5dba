"""Endpoints that notices are sent to: made, listed, ended, their secrets rotated, their log read and replayed."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from ledger.api.dependencies import Needs
from ledger.api.idempotency import Once
from ledger.api.parameters import Cursor, Limit
from ledger.notices.public_addresses import AddressPolicy
from ledger.notices.signing import new_secret
from ledger.records import notices
from ledger.records import webhook_endpoints as records
from ledger.records.idempotency import Answer
from ledger.records.log_events import endpoint_ended
from ledger.records.notices import Delivery
from ledger.records.webhook_endpoints import Endpoint, EndpointEnded, EndpointUnknown
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.cursors import InvalidCursor, decode, encode, split
from ledger.service.endings import WAITS, say
from ledger.service.resources import Resources
from ledger.web.dependencies import ResourcesOf
from schemas.http import (
    NewWebhookEndpoint,
    Page,
    SecretWebhookEndpoint,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)
from schemas.identity import is_uuid

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhook endpoints"])
Owner = Annotated[Caller, Depends(Needs("webhooks:write"))]
EndpointPath = Annotated[uuid.UUID, Path(description="The id of an endpoint.")]
DeliveryPath = Annotated[uuid.UUID, Path(description="The id of a delivery.")]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_END = (datetime(9999, 1, 1, tzinfo=UTC), str(uuid.UUID(int=0)))


@router.post("", status_code=201, response_model=SecretWebhookEndpoint)
async def create_endpoint(body: NewWebhookEndpoint, resources: ResourcesOf, caller: Owner, asked: Once) -> Response:
    """Make an endpoint. Its secret is in this answer and in no other one."""
    account_id = body.account_id or caller.account_id
    caller.reach(account_id)
    await resources.payments.call(AddressPolicy(tuple(resources.settings.webhook_networks)).check, body.url)
    reserved = await asked.reserve(resources.pool, caller)
    if reserved.answer is not None:
        return asked.response(reserved.answer)
    secret = new_secret()

    def create() -> Endpoint:
        with resources.payments.connections.connection() as connection:
            return records.create(connection, account_id, body.url, body.description, body.types, secret)

    made = _answer(await resources.payments.query(create)).model_dump(mode="json")
    return await asked.keep(resources.pool, caller, Answer(201, {**made, "secret": secret}))


@router.get("")
async def list_endpoints(resources: ResourcesOf, caller: Owner) -> Page[WebhookEndpoint]:
    """The endpoints of the key's account, or all, the oldest first; those that were ended, too."""

    def read() -> list[Endpoint]:
        with resources.payments.connections.connection() as connection:
            return records.listed(connection, caller.account_id)

    return Page(data=[_answer(found) for found in await resources.payments.query(read)])


@router.get("/{endpoint_id}")
async def get_endpoint(endpoint_id: EndpointPath, resources: ResourcesOf, caller: Owner) -> WebhookEndpoint:
    """One endpoint."""
    return _answer(await resources.payments.query(_found, resources, caller, endpoint_id))


@router.delete("/{endpoint_id}", status_code=204, response_class=Response, responses=WAITS)
async def end_endpoint(endpoint_id: EndpointPath, resources: ResourcesOf, caller: Owner) -> Response:
    """End it: nothing more is sent there. Its log stays."""

    def end() -> None:
        _found(resources, caller, endpoint_id)
        with resources.payments.connections.connection() as connection:
            records.disable(connection, str(endpoint_id))

    await resources.payments.query(end)
    return Response(status_code=await say(resources, endpoint_ended(str(endpoint_id))))


@router.post("/{endpoint_id}/rotate-secret", status_code=201)
async def rotate_secret(endpoint_id: EndpointPath, resources: ResourcesOf, caller: Owner) -> WebhookSecret:
    """Another secret from now on. For 24 hours the one before signs beside it."""
    secret = new_secret()

    def rotate() -> None:
        _found(resources, caller, endpoint_id)
        with resources.payments.connections.connection() as connection:
            records.rotate(connection, str(endpoint_id), secret)

    await resources.payments.query(rotate)
    return WebhookSecret(secret=secret)


@router.get("/{endpoint_id}/deliveries")
async def list_deliveries(
    endpoint_id: EndpointPath, resources: ResourcesOf, caller: Owner, cursor: Cursor = None, limit: Limit = 50
) -> Page[WebhookDelivery]:
    """What was sent there or waits to be, newest first, each with how its last attempt went."""
    before = _place(cursor) if cursor else _END

    def read() -> list[Delivery]:
        _found(resources, caller, endpoint_id)
        with resources.payments.connections.connection() as connection:
            return notices.log(connection, str(endpoint_id), *before, limit + 1)

    rows, last = split(await resources.payments.query(read), limit)
    return Page(data=[_delivery(row) for row in rows], next_cursor=_cursor(last) if last else None)


@router.post("/{endpoint_id}/deliveries/{delivery_id}/replay", status_code=202)
async def replay(endpoint_id: EndpointPath, delivery_id: DeliveryPath, resources: ResourcesOf, caller: Owner) -> None:
    """Send it once more, under the same id, whatever came of it."""

    def again() -> None:
        if _found(resources, caller, endpoint_id).disabled_at is not None:
            raise EndpointEnded(field="endpoint_id")
        with resources.payments.connections.connection() as connection:
            notices.replay(connection, str(endpoint_id), str(delivery_id))

    await resources.payments.query(again)


def _found(resources: Resources, caller: Caller, endpoint_id: uuid.UUID) -> Endpoint:
    """An endpoint that the caller may reach. Raises EndpointUnknown."""
    with resources.payments.connections.connection() as connection:
        found = records.find(connection, str(endpoint_id))
    try:
        caller.reach(found.account_id)
    except AccountUnknown:
        raise EndpointUnknown(field="endpoint_id") from None
    return found


def _answer(found: Endpoint) -> WebhookEndpoint:
    return WebhookEndpoint(**{**found._asdict(), "account_id": found.account_id or None})


def _delivery(row: Delivery) -> WebhookDelivery:
    return WebhookDelivery(**{**row._asdict(), "due_at": row.due_at if row.state == "waiting" else None})


def _cursor(row: Delivery) -> str:
    return encode(f"{(row.created_at - _EPOCH) // _MICROSECOND}.{row.delivery_id}")


def _place(cursor: str) -> tuple[datetime, str]:
    """The place that such a cursor stands for. Raises InvalidCursor."""
    microseconds, _, delivery_id = decode(cursor).partition(".")
    if not (microseconds.isdecimal() and len(microseconds) <= 17 and is_uuid(delivery_id)):
        raise InvalidCursor(field="cursor")
    return _EPOCH + int(microseconds) * _MICROSECOND, delivery_id
