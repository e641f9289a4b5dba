"""Endpoints for notices: made, listed and ended; their secrets rotated, their deliveries listed and repeated."""

import uuid
from datetime import UTC, datetime

from ledger.notices.public_addresses import AddressPolicy
from ledger.notices.signing import new_secret
from ledger.records import notices
from ledger.records import webhook_endpoints as records
from ledger.records.log_events import endpoint_ended
from ledger.records.notices import Delivery
from ledger.records.webhook_endpoints import Endpoint, EndpointEnded, EndpointUnknown
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.cursors import InvalidCursor, moment_cursor, moment_place, split
from ledger.service.endings import append_ending
from ledger.service.idempotency import RequestIdentity, once
from ledger.service.resources import Resources
from schemas.http import (
    NewWebhookEndpoint,
    Page,
    SecretWebhookEndpoint,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)
from schemas.identity import is_uuid

_END = (datetime(9999, 1, 1, tzinfo=UTC), str(uuid.UUID(int=0)))


async def create_endpoint(
    resources: Resources, caller: Caller, new: NewWebhookEndpoint, identity: RequestIdentity | None = None
) -> SecretWebhookEndpoint:
    """Makes an endpoint. Only this value has its secret. Raises what `AddressPolicy.check` raises."""
    account_id = new.account_id or caller.account_id
    caller.reach(account_id)
    await resources.payments.call(AddressPolicy(tuple(resources.settings.webhook_networks)).check, new.url)
    secret = new_secret()

    def create() -> Endpoint:
        with resources.payments.connections.connection() as connection:
            return records.create(connection, account_id, new.url, new.description, new.types, secret)

    async def do() -> SecretWebhookEndpoint:
        made = _endpoint(await resources.payments.query(create))
        return SecretWebhookEndpoint(**made.model_dump(), secret=secret)

    return await once(resources, caller, identity, SecretWebhookEndpoint, do)


async def list_endpoints(resources: Resources, caller: Caller) -> Page[WebhookEndpoint]:
    """The endpoints of the caller's account, or all for an operator; the oldest first, with the ended ones."""

    def read() -> list[Endpoint]:
        with resources.payments.connections.connection() as connection:
            return records.listed(connection, caller.account_id)

    return Page(data=[_endpoint(found) for found in await resources.payments.query(read)])


async def get_endpoint(resources: Resources, caller: Caller, endpoint_id: uuid.UUID) -> WebhookEndpoint:
    """One endpoint. Raises EndpointUnknown."""
    return _endpoint(await resources.payments.query(_find, resources, caller, endpoint_id))


async def end_endpoint(resources: Resources, caller: Caller, endpoint_id: uuid.UUID) -> bool:
    """Ends an endpoint: nothing more is sent there. False: it is not on the log yet; a worker appends it."""

    def end() -> None:
        _find(resources, caller, endpoint_id)
        with resources.payments.connections.connection() as connection:
            records.disable(connection, str(endpoint_id))

    await resources.payments.query(end)
    return await append_ending(resources, endpoint_ended(str(endpoint_id)))


async def rotate_secret(resources: Resources, caller: Caller, endpoint_id: uuid.UUID) -> WebhookSecret:
    """Makes a new secret. For 24 hours the old one signs, too. Raises EndpointUnknown."""
    secret = new_secret()

    def rotate() -> None:
        _find(resources, caller, endpoint_id)
        with resources.payments.connections.connection() as connection:
            records.rotate(connection, str(endpoint_id), secret)

    await resources.payments.query(rotate)
    return WebhookSecret(secret=secret)


async def list_deliveries(
    resources: Resources, caller: Caller, endpoint_id: uuid.UUID, cursor: str | None = None, limit: int = 50
) -> Page[WebhookDelivery]:
    """The notices that were sent there or wait, newest first, each with its last attempt."""
    before = _place(cursor) if cursor else _END

    def read() -> list[Delivery]:
        _find(resources, caller, endpoint_id)
        with resources.payments.connections.connection() as connection:
            return notices.deliveries(connection, str(endpoint_id), *before, limit + 1)

    rows, last = split(await resources.payments.query(read), limit)
    return Page(
        data=[_delivery(row) for row in rows],
        next_cursor=moment_cursor(last.created_at, last.delivery_id) if last else None,
    )


async def replay_delivery(resources: Resources, caller: Caller, endpoint_id: uuid.UUID, delivery_id: uuid.UUID) -> None:
    """Sends a notice once more, under the same id. Raises EndpointUnknown, EndpointEnded, DeliveryUnknown."""

    def replay() -> None:
        if _find(resources, caller, endpoint_id).disabled_at is not None:
            raise EndpointEnded(field="endpoint_id")
        with resources.payments.connections.connection() as connection:
            notices.replay(connection, str(endpoint_id), str(delivery_id))

    await resources.payments.query(replay)


def _find(resources: Resources, caller: Caller, endpoint_id: uuid.UUID) -> Endpoint:
    """An endpoint that the caller may reach. Raises EndpointUnknown."""
    with resources.payments.connections.connection() as connection:
        found = records.find(connection, str(endpoint_id))
    try:
        caller.reach(found.account_id)
    except AccountUnknown:
        raise EndpointUnknown(field="endpoint_id") from None
    return found


def _endpoint(found: Endpoint) -> WebhookEndpoint:
    return WebhookEndpoint(**{**found._asdict(), "account_id": found.account_id or None})


def _delivery(row: Delivery) -> WebhookDelivery:
    return WebhookDelivery(**{**row._asdict(), "due_at": row.due_at if row.state == "waiting" else None})


def _place(cursor: str) -> tuple[datetime, str]:
    moment, delivery_id = moment_place(cursor)
    if not is_uuid(delivery_id):
        raise InvalidCursor(field="cursor")
    return moment, delivery_id
