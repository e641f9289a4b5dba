"""`/pay/{checkout}`: the page where a customer pays and returns to. It never trusts the browser; it asks the provider.

Everybody who has the URL can see the page; the id in it is random.
"""

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from ledger.log.publisher import LogUnavailable
from ledger.payments.checkout_returns import is_genuine, may_be_paid
from ledger.payments.gateway import ProviderError
from ledger.payments.public_urls import billing_url
from ledger.portal import pay_pages as pay
from ledger.records.checkouts import Checkout
from ledger.service import purchases
from ledger.service.accounts import balance_now
from ledger.service.resources import Resources
from ledger.views.purchases import PurchaseUnknown
from ledger.web.dependencies import ResourcesOf

_AWAY: tuple[type[Exception], ...] = (ProviderError, LogUnavailable, psycopg.OperationalError)

router = APIRouter(prefix="/pay", include_in_schema=False)


@router.get("/{checkout_id}")
async def show(checkout_id: str, resources: ResourcesOf) -> Response:
    """Shows what to pay, or the outcome."""
    try:
        row = await purchases.page_of(resources, checkout_id)
        if row.state == "created":  # the provider did not answer when it was begun
            row = await purchases.refresh(resources, checkout_id)
        return await _page(resources, row)
    except PurchaseUnknown:
        return pay.unknown()
    except _AWAY:
        return pay.unavailable()


@router.get("/{checkout_id}/return")
async def come_back(checkout_id: str, request: Request, resources: ResourcesOf) -> Response:
    """The customer returns from Stripe's page or from the bank, paid or not."""
    return await _back(resources, checkout_id, waits=may_be_paid(request.query_params))


@router.post("/{checkout_id}/return")
async def come_back_with_form(checkout_id: str, request: Request, resources: ResourcesOf) -> Response:
    """The customer returns from Razorpay's checkout, with its signature or with a decline."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    try:
        row = await purchases.page_of(resources, checkout_id)
    except PurchaseUnknown:
        return pay.unknown()
    except _AWAY:
        return pay.unavailable()
    if not is_genuine(resources.payments.gateways, row, form):
        return pay.not_genuine()
    if not may_be_paid(form):
        return await _back(resources, checkout_id, waits=False)
    # As a GET, which the page can repeat until the provider reports the outcome.
    return RedirectResponse(f"/pay/{row.checkout_id}/return?razorpay_payment_id=1", 303)


async def _back(resources: Resources, checkout_id: str, *, waits: bool) -> Response:
    try:
        row = await purchases.refresh(resources, checkout_id)
    except PurchaseUnknown:
        return pay.unknown()
    except _AWAY:
        return pay.unavailable()
    if row.open and waits:
        return pay.waiting(row)
    if row.return_url == billing_url(resources.settings):  # the billing page shows what became of it, too
        return RedirectResponse(f"/billing/purchases/{row.checkout_id}", 303)
    return RedirectResponse(f"/pay/{row.checkout_id}", 303)


async def _page(resources: Resources, row: Checkout) -> Response:
    if row.state == "credited":
        if not await purchases.is_credited(resources, row):
            return pay.waiting(row)
        now = await balance_now(resources, row.account_id)
        return pay.credited(row, now)
    if row.state == "begun" and (row.fields or row.url):
        resources.guard.check()  # paid, it could not be credited
        return pay.to_pay(resources.settings, row)
    return pay.waiting(row) if row.open else pay.over(row)
