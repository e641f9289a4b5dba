"""Add credits: amount, customer and payment method on one form, then a page to confirm them. Nothing is bought here.

A random text in the address of the confirmation page identifies the purchase before it is confirmed. So a customer who
goes back to that page, or sends it twice, comes to the same purchase.
"""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ledger.core.errors import AmountOutOfBounds, LedgerError, PurchaseNotInWholeCents
from ledger.core.pricing import Price
from ledger.core.purchasing import (
    PurchaseLimits,
    PurchaseTooLarge,
    PurchaseTooSmall,
    check_purchase,
)
from ledger.payments import tax_ids
from ledger.payments.profiles import countries
from ledger.payments.purchases import purchase_limits
from ledger.portal.forms import (
    Choice,
    Errors,
    choices,
    credits_of,
    note,
    profile_form,
    profile_of,
    saved_methods,
)
from ledger.portal.messages import error_text
from ledger.portal.purchases import request_of
from ledger.portal.shell import shown
from ledger.portal.visits import FormOf, HtmlRoute, Visit, VisitOf, see
from ledger.service import profiles as service
from ledger.service import purchases
from ledger.service.resources import Resources
from ledger.web.dependencies import ResourcesOf
from schemas.http import NewTaxId
from schemas.money import parse_nanos

router = APIRouter(prefix="/billing", include_in_schema=False, route_class=HtmlRoute)

AMOUNTS = ("5", "10", "25")
_EMPTY_TAX_ID = {"tax_country": "", "tax_type": "", "tax_value": ""}
Text = Annotated[str, Query(max_length=200)]


@router.get("/add")
async def form(request: Request, visit: VisitOf, resources: ResourcesOf, amount: Text = "") -> Response:
    """The form, filled with what the ledger knows."""
    custom = credits_of(amount) if amount not in AMOUNTS else None
    typed = {
        "amount": "custom" if custom else amount if amount in AMOUNTS else "10",
        "custom": visit.shell.display.typed(custom) if custom else "",
    }
    values = {**profile_form(visit.profile), **_EMPTY_TAX_ID, **typed, "pay": ""}
    return await _form(request, visit, resources, values, {})


@router.post("/add")
async def check(request: Request, visit: VisitOf, resources: ResourcesOf, given: FormOf) -> Response:
    """Stores name, address and tax id. Shows the page to confirm, or the form with its errors."""
    errors: Errors = {}
    amount = _checked_amount(visit, resources, given, errors)
    choice = await _chosen(request, visit, given.get("pay", ""), errors)
    if not given.get("country"):
        errors["country"] = "Choose the country of your billing address."
    await _keep(visit, resources, given, errors)
    if errors or amount is None or choice is None:
        values = {**profile_form(visit.profile), **_EMPTY_TAX_ID, "amount": "", "custom": "", "pay": "", **given}
        return await _form(request, visit, resources, values, errors)
    return see(f"/add/confirm?request={uuid.uuid4()}&amount={amount}&pay={choice.value}")


@router.get("/add/price")
async def quote(
    visit: VisitOf, resources: ResourcesOf, amount: Text = "", custom: Text = "", pay: Text = "", country: Text = ""
) -> Response:
    """The price for the form's present values."""
    errors: Errors = {}
    credits = _checked_amount(visit, resources, {"amount": amount, "custom": custom}, errors)
    found = _priced(resources, pay.partition(":")[0], credits, country or None) if credits else None
    return shown(visit.shell, "price", price=found)


@router.get("/add/tax-types")
async def tax_types(visit: VisitOf, tax_country: Text = "") -> Response:
    """The types of tax ids of a country, as options."""
    return shown(visit.shell, "tax_types", groups=_tax_groups(tax_country), values={"tax_type": ""})


@router.get("/add/confirm")
async def confirm(
    http: Request,
    visit: VisitOf,
    resources: ResourcesOf,
    request: uuid.UUID,
    amount: Text,
    pay: Text,
    changed: bool = False,
) -> Response:
    """The page to confirm: all values and the price. If this was bought already, it shows the purchase instead."""
    row = await purchases.find_by_request(resources, request_of(visit, str(request)))
    if row is not None:
        return see(f"/purchases/{row.checkout_id}")
    errors: Errors = {}
    checked = _checked_amount(visit, resources, {"amount": amount}, errors, plain=True)
    choice = await _chosen(http, visit, pay, errors)
    found = _priced(resources, choice.provider, checked, visit.profile.country) if choice and checked else None
    if found is None or choice is None:
        return see("/add")
    return shown(
        visit.shell,
        "confirm",
        at="add",
        request=str(request),
        amount=amount,
        changed=changed,
        choice=choice,
        price=found,
        profile=visit.profile,
        country=countries().get(visit.profile.country or "", ""),
        tax_ids=await service.stored_tax_ids(resources, visit.caller, visit.account_id),
    )


async def _form(
    request: Request, visit: Visit, resources: Resources, values: dict[str, str], errors: Errors
) -> Response:
    saved = await saved_methods(request, visit)
    options = choices(resources.payments.gateways, saved or [])
    values["pay"] = values["pay"] or (options[0].value if options else "")
    values["tax_country"] = values["tax_country"] or values["country"]
    errors_of_amount: Errors = {}
    credits = _checked_amount(visit, resources, values, errors_of_amount)
    found = _priced(resources, values["pay"].partition(":")[0], credits, values["country"]) if credits else None
    return shown(
        visit.shell,
        "add",
        422 if errors else 200,
        at="add",
        values=values,
        errors=errors,
        amounts=AMOUNTS,
        least=_dollars(visit, visit.shell.settings.purchase_credits_min),
        choices=options,
        asleep=saved is None,
        tax_ids=await service.stored_tax_ids(resources, visit.caller, visit.account_id),
        price=found,
        **address_options(),
        tax_countries=_tax_countries(),
        groups=_tax_groups(values["tax_country"]),
    )


def address_options() -> dict[str, Any]:
    """The choices for the fields of an address."""
    return {"countries": sorted(countries().items(), key=lambda each: each[1])}


def _checked_amount(
    visit: Visit, resources: Resources, given: Mapping[str, str], errors: Errors, *, plain: bool = False
) -> str | None:
    """The amount to buy, as decimal text. `plain`: it comes from our own URL, not in the customer's notation."""
    chosen = given.get("amount", "")
    typed = given.get("custom", "") if chosen == "custom" else chosen
    is_plain = plain or chosen != "custom"
    amount = credits_of(typed) if is_plain else credits_of(visit.shell.display.read_amount(typed))
    at = "custom" if chosen == "custom" else "amount"
    if amount is None:
        errors[at] = "Choose or type an amount." if not typed else "Type an amount, such as 40."
        return None
    limits = purchase_limits(resources.settings, resources.version_now().event_nanos_max)
    try:
        check_purchase(parse_nanos(amount), limits)
    except LedgerError as error:
        errors[at] = _amount_text(visit, error, limits)
        return None
    return amount


def _amount_text(visit: Visit, error: LedgerError, limits: PurchaseLimits) -> str:
    """Why an amount is not sold."""
    match error:
        case PurchaseTooSmall():
            return f"The smallest purchase is {visit.shell.display.balance(limits.smallest)}."
        case PurchaseTooLarge() | AmountOutOfBounds():
            return f"The largest purchase is {visit.shell.display.balance(min(limits.largest, limits.event_max))}."
        case PurchaseNotInWholeCents():
            return "Type whole cents."
    return error_text(error)


def _dollars(visit: Visit, credits: str) -> str:
    return visit.shell.display.balance(parse_nanos(credits))


async def _chosen(request: Request, visit: Visit, pay: str, errors: Errors) -> Choice | None:
    """One of the account's own ways to pay. It is looked up, because the browser may send anything."""
    options = choices(request.app.state.resources.payments.gateways, await saved_methods(request, visit) or [])
    found = next((option for option in options if option.value == pay), None)
    if found is None:
        errors["pay"] = "Choose how you would like to pay."
    return found


async def _keep(visit: Visit, resources: Resources, given: Mapping[str, str], errors: Errors) -> None:
    """Stores profile and tax id, unless something of them is wrong."""
    wrong: Errors = {}
    await _keep_tax_id(visit, resources, given, wrong)
    profile = profile_of(given, visit.profile, wrong)
    if profile is not None and not wrong:
        try:
            await service.put_profile(resources, visit.caller, visit.account_id, profile)
        except LedgerError as error:
            note(wrong, error, {"address.country": "country", "email": "email"}, "name")
    errors.update({name: said for name, said in wrong.items() if name not in errors})


async def _keep_tax_id(visit: Visit, resources: Resources, given: Mapping[str, str], errors: Errors) -> None:
    if not given.get("tax_value"):
        return
    country, _, kind = given.get("tax_type", "").partition(":")
    if not kind or country != given.get("tax_country"):
        errors["tax_type"] = "Choose the type of the tax ID."
        return
    try:
        new = NewTaxId(country=country, type=kind, value=given["tax_value"])
        await service.add_tax_id(resources, visit.caller, visit.account_id, new)
    except LedgerError as error:
        note(errors, error, {"country": "tax_country", "type": "tax_type"}, "tax_value")
    except ValueError:
        errors["tax_value"] = "This is too long, or has characters that can't be used."


def _priced(resources: Resources, provider: str, amount: str, country: str | None) -> Price | None:
    return purchases.priced(resources, provider, parse_nanos(amount), country)


def _tax_countries() -> list[tuple[str, str]]:
    names = {"EU": "European Union (One Stop Shop)", **countries()}
    return sorted(((code, names[code]) for code in tax_ids.countries()), key=lambda each: each[1])


def _tax_groups(country: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """The types of a country; of all countries when none is chosen, for browsers that don't run our script."""
    chosen = [each for each in _tax_countries() if each[0] == country] or _tax_countries()
    return [
        (name, [(f"{code}:{kind.type}", f"{kind.label} ({kind.example})") for kind in tax_ids.countries()[code]])
        for code, name in chosen
    ]
