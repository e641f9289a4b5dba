"""Refunds: an operator gives money back, and the ledger takes the credits."""

import uuid

from ledger.payments.payment_events import refund_event_id
from ledger.payments.refunds import Refunded
from ledger.service.caller import Caller
from ledger.service.idempotency import RequestIdentity, once
from ledger.service.purchases import is_posted
from ledger.service.resources import Resources
from ledger.service.writes import existing_account
from schemas.http import NewRefund, Refund, RefundedMoney
from schemas.money import parse_nanos


async def refund(
    resources: Resources,
    caller: Caller,
    account_id: str,
    purchase_id: str,
    new: NewRefund,
    identity: RequestIdentity | None = None,
) -> Refund:
    """Gives money of a purchase back: of `amount` credits, or of all that is left.

    What the customer has spent of these credits becomes a negative balance. Raises what `Refunds.request` raises.
    """
    await existing_account(resources, caller, account_id)
    credits = None if new.amount is None else parse_nanos(new.amount)
    request = identity.purchase_request(caller) if identity else str(uuid.uuid4())

    async def do() -> Refund:
        refunds = resources.payments.refunds
        done = await resources.payments.call(refunds.request, account_id, purchase_id, credits, request)
        if done.outcome == "refunded":  # the next refund may be at most what this one leaves
            event_id = refund_event_id(account_id, done.provider, done.refund.refund_id)
            await is_posted(resources, account_id, event_id, resources.settings.verdict_seconds)
        return _refund(purchase_id, done)

    return await once(resources, caller, identity, Refund, do)


def _refund(purchase_id: str, done: Refunded) -> Refund:
    return Refund(
        refund_id=done.refund.refund_id,
        purchase_id=purchase_id,
        state=done.refund.status,
        provider=done.provider,
        charged=RefundedMoney(currency=done.refund.currency, amount_minor=done.refund.amount_minor),
    )
