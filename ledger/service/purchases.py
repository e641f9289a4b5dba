"""Purchases: a customer begins one here, pays it at the provider, and has the credits when the provider says so."""

import asyncio
import time
from datetime import UTC, datetime

from ledger.core.errors import LedgerError
from ledger.core.pricing import Price
from ledger.log.connecting import check_may_write
from ledger.payments.payment_events import purchase_event_id
from ledger.payments.prices import price
from ledger.payments.public_urls import pay_url
from ledger.payments.purchases import PurchaseRequest, purchase_limits
from ledger.records.checkouts import Checkout, CheckoutState
from ledger.service.caller import Caller
from ledger.service.idempotency import RequestIdentity, once
from ledger.service.resources import Resources
from ledger.service.writes import existing_account
from ledger.views.purchases import PurchaseUnknown
from schemas.http import Money, NewPurchase, PurchaseAnswer, PurchaseState
from schemas.money import format_nanos, parse_nanos

_POLL_SECONDS = 0.05
_STATES: dict[CheckoutState, PurchaseState] = {
    "created": "pending",
    "begun": "pending",
    "credited": "paid",
    "failed": "failed",
    "expired": "expired",
    "mismatched": "mismatched",
}


async def buy(
    resources: Resources, caller: Caller, account_id: str, new: NewPurchase, identity: RequestIdentity | None = None
) -> PurchaseAnswer:
    """Begins a purchase. The customer pays at `pay_url`; a saved method is charged at once.

    The same request again is the same purchase, and is paid once.
    """
    check_may_write(resources.settings)
    await existing_account(resources, caller, account_id)
    wanted = PurchaseRequest(
        account_id,
        parse_nanos(new.amount),
        new.provider,
        new.payment_method_id,
        new.return_url,
        identity.purchase_request(caller) if identity else None,
    )

    async def do() -> PurchaseAnswer:
        row = await begin(resources, wanted)
        return await _purchase(resources, row, resources.settings.verdict_seconds)

    return await once(resources, caller, identity, PurchaseAnswer, do)


async def begin(resources: Resources, wanted: PurchaseRequest) -> Checkout:
    """Begins a purchase, or finds it begun. Raises what `Purchases.buy` raises."""
    limits = purchase_limits(resources.settings, resources.version_now().event_nanos_max)
    return await resources.payments.call(resources.payments.purchases.buy, wanted, limits)


async def get_purchase(resources: Resources, caller: Caller, account_id: str, purchase_id: str) -> PurchaseAnswer:
    """How far a purchase is. Raises PurchaseUnknown."""
    caller.reach(account_id)
    row = await find(resources, account_id, purchase_id)
    return await _purchase(resources, row)


async def find(resources: Resources, account_id: str, purchase_id: str) -> Checkout:
    """The row of an account's purchase. Raises PurchaseUnknown."""
    row = await page_of(resources, purchase_id)
    if row.account_id != account_id:
        raise PurchaseUnknown(field="purchase_id")
    return row


async def find_by_request(resources: Resources, request: str) -> Checkout | None:
    """The purchase that a request began; None if it began none."""
    return await resources.payments.query(resources.payments.purchases.find_by_request, request)


async def page_of(resources: Resources, checkout_id: str) -> Checkout:
    """The row of a purchase, for anybody who has the address of its page. Raises PurchaseUnknown."""
    return await resources.payments.query(resources.payments.purchases.get, checkout_id)


async def refresh(resources: Resources, checkout_id: str) -> Checkout:
    """A purchase after its provider was asked about it. Raises what `Purchases.refresh` raises."""
    return await resources.payments.call(resources.payments.purchases.refresh, checkout_id)


def priced(resources: Resources, provider: str, credits: int, country: str | None) -> Price | None:
    """What credits cost at a provider today; None where they can't be bought. `credits` in nanos."""
    if provider not in resources.payments.gateways:
        return None
    try:
        return price(resources.settings, provider, credits, country, datetime.now(UTC).date())
    except LedgerError:
        return None


async def is_credited(resources: Resources, row: Checkout) -> bool:
    """Whether the account's balance has the credits of a purchase."""
    return await is_posted(resources, row.account_id, purchase_event_id(row.account_id, row.checkout_id))


async def is_posted(resources: Resources, account_id: str, event_id: str, seconds: float = 0) -> bool:
    """Whether the views have an event of the ledger's own; waits for it, but no longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while await resources.verdicts.posted(event_id, account_id) is None:
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


async def _purchase(resources: Resources, row: Checkout, seconds: float = 0) -> PurchaseAnswer:
    """`seconds`: how long to wait for the credits of a purchase that is paid."""
    state = _STATES[row.state]
    event_id = purchase_event_id(row.account_id, row.checkout_id)
    if state == "paid" and await is_posted(resources, row.account_id, event_id, seconds):
        state = "credited"
    return PurchaseAnswer(
        purchase_id=row.checkout_id,
        account_id=row.account_id,
        state=state,
        credits=format_nanos(row.credits),
        provider=row.provider,
        charged=Money(currency=row.currency, amount_minor=row.amount_minor, tax_minor=row.tax_minor),
        fx_rate=row.fx_rate,
        pay_url=pay_url(resources.settings, row.checkout_id),
        failure=row.failure,
        created_at=row.created_at,
    )
