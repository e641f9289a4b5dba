"""Webhooks of the payment providers, answered within the time that they wait. Their signature replaces an API key."""

import asyncio
from collections.abc import Mapping

from ledger.core.errors import LedgerError
from ledger.service.resources import Resources

# Razorpay waits for 5 seconds.
ANSWER_SECONDS = 4


class WebhookUndecided(LedgerError):
    message = "It takes longer to look into the webhook than its provider waits; send it again"


async def receive_webhook(resources: Resources, provider: str, raw: bytes, headers: Mapping[str, str]) -> str:
    """What the webhook did, now or when it came before. Raises WebhookUndecided, and what `Webhooks.receive` raises."""
    payments = resources.payments
    # After a timeout the thread works on to its end, and the provider sends the same webhook again.
    receiving = asyncio.get_running_loop().run_in_executor(
        payments.webhook_threads, payments.webhooks.receive, provider, raw, headers
    )
    try:
        return await asyncio.wait_for(receiving, ANSWER_SECONDS)
    except TimeoutError:
        raise WebhookUndecided() from None
