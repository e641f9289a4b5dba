"""`/webhooks/{provider}`: where the payment providers send their webhooks. The signature replaces an API key."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request

from ledger.web.dependencies import ResourcesOf
from ledger.web.errors import WebhookUndecided
from schemas.http import WebhookTaken

# Razorpay waits for 5 seconds.
ANSWER_SECONDS = 4

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


@router.post("/{provider}")
async def take_webhook(
    provider: Literal["stripe", "razorpay"], request: Request, resources: ResourcesOf
) -> WebhookTaken:
    """For the provider. 503 asks it to send the event again; every repetition has the same effect: once."""
    raw, payments = await request.body(), resources.payments
    # After a timeout the thread works on to its end, and the provider sends the same webhook again.
    receiving = asyncio.get_running_loop().run_in_executor(
        payments.webhook_threads, payments.webhooks.receive, provider, raw, dict(request.headers)
    )
    try:
        return WebhookTaken(outcome=await asyncio.wait_for(receiving, ANSWER_SECONDS))
    except TimeoutError:
        raise WebhookUndecided() from None
