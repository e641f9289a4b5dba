"""Routes: endpoints that notices are sent to."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from ledger.api.answers import ENDED_LATER, ended
from ledger.api.dependencies import IdentityOf, Needs
from ledger.api.parameters import Cursor, Limit
from ledger.service import webhook_endpoints as service
from ledger.service.caller import Caller
from ledger.web.dependencies import ResourcesOf
from schemas.http import (
    NewWebhookEndpoint,
    Page,
    SecretWebhookEndpoint,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhook endpoints"])
Owner = Annotated[Caller, Depends(Needs("webhooks:write"))]
EndpointPath = Annotated[uuid.UUID, Path(description="The id of an endpoint.")]
DeliveryPath = Annotated[uuid.UUID, Path(description="The id of a delivery.")]


@router.post("", status_code=201)
async def create_endpoint(
    body: NewWebhookEndpoint, resources: ResourcesOf, caller: Owner, identity: IdentityOf
) -> SecretWebhookEndpoint:
    """Make an endpoint. Its secret is in this answer and in no other one."""
    return await service.create_endpoint(resources, caller, body, identity)


@router.get("")
async def list_endpoints(resources: ResourcesOf, caller: Owner) -> Page[WebhookEndpoint]:
    """The endpoints of the key's account, or all; the oldest first, with the ended ones."""
    return await service.list_endpoints(resources, caller)


@router.get("/{endpoint_id}")
async def get_endpoint(endpoint_id: EndpointPath, resources: ResourcesOf, caller: Owner) -> WebhookEndpoint:
    """One endpoint."""
    return await service.get_endpoint(resources, caller, endpoint_id)


@router.delete("/{endpoint_id}", status_code=204, response_class=Response, responses=ENDED_LATER)
async def end_endpoint(endpoint_id: EndpointPath, resources: ResourcesOf, caller: Owner) -> Response:
    """End an endpoint: nothing more is sent there. Its list of deliveries stays."""
    return ended(on_the_log=await service.end_endpoint(resources, caller, endpoint_id))


@router.post("/{endpoint_id}/rotate-secret", status_code=201)
async def rotate_secret(endpoint_id: EndpointPath, resources: ResourcesOf, caller: Owner) -> WebhookSecret:
    """Make a new secret. For 24 hours the old one signs, too."""
    return await service.rotate_secret(resources, caller, endpoint_id)


@router.get("/{endpoint_id}/deliveries")
async def list_deliveries(
    endpoint_id: EndpointPath, resources: ResourcesOf, caller: Owner, cursor: Cursor = None, limit: Limit = 50
) -> Page[WebhookDelivery]:
    """The notices that were sent there or wait, newest first, each with its last attempt."""
    return await service.list_deliveries(resources, caller, endpoint_id, cursor, limit)


@router.post("/{endpoint_id}/deliveries/{delivery_id}/replay", status_code=202)
async def replay(endpoint_id: EndpointPath, delivery_id: DeliveryPath, resources: ResourcesOf, caller: Owner) -> None:
    """Send a notice once more, under the same id, whatever its outcome was."""
    await service.replay_delivery(resources, caller, endpoint_id, delivery_id)
