"""Routes: webhooks of the payment providers."""

from typing import Literal

from fastapi import APIRouter, Request

from ledger.service import provider_webhooks as service
from ledger.web.dependencies import ResourcesOf
from schemas.http import WebhookTaken

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


@router.post("/{provider}")
async def take_webhook(
    provider: Literal["stripe", "razorpay"], request: Request, resources: ResourcesOf
) -> WebhookTaken:
    """For the provider. 503 asks it to send the event again. A repeated event has no further effect."""
    raw = await request.body()
    return WebhookTaken(outcome=await service.receive_webhook(resources, provider, raw, dict(request.headers)))
