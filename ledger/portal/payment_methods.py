"""Payment methods: those that the providers have saved. A customer adds one on the provider's page, never here."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from ledger.core.errors import LedgerError
from ledger.payments.gateway import Charger
from ledger.payments.public_urls import billing_url
from ledger.portal.forms import saved_methods
from ledger.portal.messages import error_text
from ledger.portal.shell import closed, shown
from ledger.portal.visits import FormOf, HtmlRoute, Visit, VisitOf, see
from ledger.service import payment_methods as service
from ledger.web.dependencies import ResourcesOf
from schemas.http import NewPaymentMethod

router = APIRouter(prefix="/billing/payment-methods", include_in_schema=False, route_class=HtmlRoute)


@router.get("")
async def page(request: Request, visit: VisitOf) -> Response:
    """Shows the cards with their last digits and dates, the default one first."""
    return await _page(request, visit)


@router.post("/add")
async def add(request: Request, visit: VisitOf, resources: ResourcesOf, form: FormOf) -> Response:
    """Leads to the provider's page, which leads back here; from a frame, to a page that needs no cookie."""
    back = f"{billing_url(resources.settings)}/payment-methods{'/back' if visit.embedded else ''}"
    try:
        new = NewPaymentMethod(provider=form.get("provider", ""), return_url=back)
        there = await service.add_method(resources, visit.caller, visit.account_id, new)
    except (LedgerError, ValueError) as error:
        return await _page(request, visit, error)
    to = new.provider.title()
    return shown(visit.shell, "leaving", at="payment-methods", url=there.url, to=to, embedded=visit.embedded)


@router.get("/back")
async def come_back(resources: ResourcesOf) -> Response:
    """The last page of the window that a frame opened, whether a method was saved or not."""
    said = "What you saved is on the billing page when you load it again. You may close this window."
    return closed(resources.settings, 200, "You are back", said)


@router.post("/default")
async def make_default(request: Request, visit: VisitOf, resources: ResourcesOf, form: FormOf) -> Response:
    """Makes a method the one that is charged when none is named."""
    try:
        await service.make_default(resources, visit.caller, visit.account_id, form.get("method", ""))
    except LedgerError as error:
        return await _page(request, visit, error)
    return see("/payment-methods")


@router.post("/remove")
async def remove(request: Request, visit: VisitOf, resources: ResourcesOf, form: FormOf) -> Response:
    """Deletes a method at the provider, unless auto top-up needs it."""
    try:
        await service.delete_method(resources, visit.caller, visit.account_id, form.get("method", ""))
    except LedgerError as error:
        return await _page(request, visit, error)
    return see("/payment-methods")


async def _page(request: Request, visit: Visit, error: Exception | None = None) -> Response:
    saved = await saved_methods(request, visit)
    gateways = request.app.state.resources.payments.gateways
    said = error_text(error) if isinstance(error, LedgerError) else "Choose a provider." if error else None
    return shown(
        visit.shell,
        "payment_methods",
        422 if error else 200,
        at="payment-methods",
        saved=sorted(saved or [], key=lambda each: not each[1].default),
        asleep=saved is None,
        savers=[name for name, gateway in gateways.items() if isinstance(gateway, Charger)],
        said=said,
        wrong=(await request.form()).get("method") if error else None,
    )
