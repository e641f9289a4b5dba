"""A customer's purchase on the billing page, from confirmation to credits. A form that is sent twice buys once."""

import hashlib
import uuid
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from ledger.log.publisher import LogUnavailable
from ledger.payments.gateway import ProviderError, ProviderRefuses
from ledger.payments.public_urls import billing_url, pay_url
from ledger.payments.purchases import ConfirmedPrice, PriceChanged, PurchaseRequest
from ledger.portal.declines import decline_text
from ledger.portal.forms import credits_of
from ledger.portal.messages import error_text
from ledger.portal.shell import shown
from ledger.portal.visits import FormForged, FormOf, HtmlRoute, Visit, VisitOf, see
from ledger.records.checkouts import Checkout
from ledger.service import purchases as service
from ledger.service.accounts import account_row
from ledger.service.resources import Resources
from ledger.web.dependencies import ResourcesOf
from schemas.money import format_nanos, parse_nanos

router = APIRouter(prefix="/billing/purchases", include_in_schema=False, route_class=HtmlRoute)


@router.post("")
async def buy(visit: VisitOf, resources: ResourcesOf, form: FormOf) -> Response:
    """Begins the confirmed purchase, or finds it. If the price has changed, the customer has to confirm it again."""
    request, wanted = _wanted(visit, form)
    try:
        row = await service.begin(resources, wanted)
    except PriceChanged:  # the customer changed the country in another tab, or the rate changed at midnight
        again = {name: form[name] for name in ("request", "amount", "pay")}
        return see(f"/add/confirm?{urlencode(again)}&changed=1")
    except (ProviderError, LogUnavailable) as error:
        begun = await service.find_by_request(resources, request)
        if begun is None:
            raise
        if isinstance(error, ProviderRefuses):
            return _shown(visit, resources, begun, "failed", error_text(error))
        row = begun
    return see(f"/purchases/{row.checkout_id}?go=1")


@router.get("/{checkout_id}")
async def progress(visit: VisitOf, resources: ResourcesOf, checkout_id: str, go: bool = False) -> Response:
    """Shows how far the purchase is. With `go` it leads to the provider's page, if the customer has to pay there."""
    row = await service.find(resources, visit.account_id, checkout_id)
    if go and row.state == "begun" and (row.fields or row.url) and not visit.embedded and not resources.guard.closed:
        return _to_provider(visit, row)
    try:
        row = await service.refresh(resources, checkout_id)
    except (ProviderError, LogUnavailable):
        return _shown(visit, resources, row, "waiting", "The payment provider does not answer. We keep asking.")
    step = await _step(resources, row)
    if step == "done":  # the visit's balance was read earlier, perhaps without the credits
        now = await account_row(resources, visit.caller, visit.account_id)
        visit = visit._replace(shell=visit.shell._replace(account=now))
    return _shown(visit, resources, row, step)


def request_of(visit: Visit, request: str) -> str:
    """The name of a purchase: confirmations with the same name are one purchase, of this account only."""
    return hashlib.sha256(f"portal\n{visit.account_id}\n{request}".encode()).hexdigest()


def _wanted(visit: Visit, form: dict[str, str]) -> tuple[str, PurchaseRequest]:
    provider, _, method_id = form.get("pay", "").partition(":")
    amount = credits_of(form.get("amount"))
    try:
        request = request_of(visit, str(uuid.UUID(form.get("request", ""))))
        confirmed = ConfirmedPrice(form["currency"], int(form["amount_minor"]))
    except (KeyError, ValueError):
        raise FormForged() from None
    if amount is None:  # our own page never sends such a text
        raise FormForged()
    # From a frame the provider's page opens in a new window, which does not have the frame's cookie.
    back = None if visit.embedded else billing_url(visit.shell.settings)
    wanted = PurchaseRequest(
        visit.account_id, parse_nanos(amount), provider, method_id or None, back, request, confirmed
    )
    return request, wanted


def _to_provider(visit: Visit, row: Checkout) -> Response:
    if row.url is None:
        return RedirectResponse(f"/pay/{row.checkout_id}", 303)
    # A page that leads on, because form-action forbids a redirect. The browser's back button skips such a page.
    return shown(visit.shell, "leaving", at="add", url=row.url, to=row.provider.title(), embedded=False)


async def _step(resources: Resources, row: Checkout) -> str:
    if row.state == "credited":
        return "done" if await service.is_credited(resources, row) else "arriving"
    if row.open:
        return "paying" if row.url or row.fields else "waiting"
    return row.state


def _shown(visit: Visit, resources: Resources, row: Checkout, step: str, said: str | None = None) -> Response:
    return shown(
        visit.shell,
        "purchase",
        at="add",
        row=row,
        amount=format_nanos(row.credits),
        step=step,
        said=said or (decline_text(row.failure) if row.failure else None),
        pay_url=pay_url(resources.settings, row.checkout_id),
        # A purchase without a return URL was begun in a frame. Requests by a script don't tell that they are in one.
        embedded=visit.embedded or row.return_url is None,
    )
