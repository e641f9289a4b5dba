"""Webhooks of the payment providers: verified on the raw bytes, kept, made into facts, and only then answered 2xx.

They need no API key: their signature says who sent them. Bodies have personal data, and are neither logged nor kept.
"""

import asyncio
from collections.abc import Mapping
from typing import Literal

import structlog
from fastapi import APIRouter, Request

from ledger.core.errors import LedgerError
from ledger.payments.gateways import gateway_of
from ledger.records import provider_events
from ledger.service.resources import Resources
from ledger.web.dependencies import ResourcesOf
from ledger.web.errors import WebhookOfOtherMode, WebhookUndecided
from schemas.http import WebhookTaken

# Razorpay waits for 5 seconds.
ANSWER_SECONDS = 4

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
log = structlog.get_logger()


class PaymentMismatch(LedgerError):
    message = "What the provider says does not fit what was agreed; nothing was credited, and an alert was raised"


# Outcomes that are refused, so that the provider sends the event again: somebody may have set things right.
_REFUSED = {"mismatch": PaymentMismatch, "other_mode": WebhookOfOtherMode}


@router.post("/{provider}")
async def take_webhook(
    provider: Literal["stripe", "razorpay"], request: Request, resources: ResourcesOf
) -> WebhookTaken:
    """For the provider. 503 asks it to send the event again; every repetition has the same effect: once."""
    raw = await request.body()
    loop = asyncio.get_running_loop()
    # What runs on after the time is over is not lost: it ends, and the event comes again.
    taking = loop.run_in_executor(
        resources.payments.webhook_threads, _take, resources, provider, raw, dict(request.headers)
    )
    try:
        outcome = await asyncio.wait_for(taking, ANSWER_SECONDS)
    except TimeoutError:
        raise WebhookUndecided() from None
    if outcome in _REFUSED:
        raise _REFUSED[outcome]()
    return WebhookTaken(outcome=outcome)


def _take(resources: Resources, provider: str, raw: bytes, headers: Mapping[str, str]) -> str:
    """What the webhook did, now or when it came before."""
    payments = resources.payments
    webhook = gateway_of(payments.gateways, provider).webhook(raw, headers)
    with payments.connections.connection() as connection:
        before = provider_events.received(connection, provider, webhook.event_id, webhook.type, webhook.created)
    if before is not None and before not in _REFUSED:
        return before
    if webhook.live != (resources.settings.payments == "live"):
        outcome = "other_mode"
    else:
        outcome = payments.updates.handle(provider, webhook.news) if webhook.news else "ignored"
    with payments.connections.connection() as connection:
        provider_events.did(connection, provider, webhook.event_id, outcome)
    log.info("webhook", provider=provider, type=webhook.type, event_id=webhook.event_id, outcome=outcome)
    return outcome
