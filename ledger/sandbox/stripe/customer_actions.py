"""What a customer does on a hosted page: enters a card, pays or saves it, or goes to the bank's page first."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from ledger.sandbox.store import Document
from ledger.sandbox.stripe import confirmation, setup_intents
from ledger.sandbox.stripe.cards import CARDS
from ledger.sandbox.stripe.customers import NewTaxId, create_tax_id
from ledger.sandbox.stripe.errors import declined
from ledger.sandbox.stripe.payment_methods import make_method
from ledger.sandbox.stripe.stripe_account import StripeAccount

_EXPIRY = re.compile(r"(\d{1,2})\s*/\s*(?:20)?(\d{2})")
_ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country")


class Card(NamedTuple):
    """The card that the customer entered. `expires`: month and year."""

    number: str
    expires: tuple[int, int]


def card_of(form: Mapping[str, str], now: tuple[int, int]) -> Card:
    """The card that the customer entered. `now`: year and month. Raises ApiError with the page's message."""
    number, expiry = re.sub(r"[\s-]", "", form.get("number", "")), _EXPIRY.fullmatch(form.get("expiry", "").strip())
    if number not in CARDS:
        raise declined("Your card was declined. The sandbox takes only test cards.", "card_declined")
    if expiry is None or not 1 <= int(expiry[1]) <= 12:
        raise declined("Your card's expiration date is incomplete.", "invalid_expiry_month")
    month, year = int(expiry[1]), 2000 + int(expiry[2])
    if (year, month) < now:
        raise declined("Your card's expiration year is in the past.", "invalid_expiry_year")
    if not re.fullmatch(r"\d{3,4}", form.get("cvc", "")):
        raise declined("Your card's security code is incomplete.", "incomplete_cvc")
    return Card(number, (month, year))


def submit(account: StripeAccount, session: Document, form: Mapping[str, str], card: Card) -> str:
    """Pays, or saves the card. Returns the URL where the customer goes next. Raises ApiError if the bank declines."""
    address = {name: form.get(name) or None for name in _ADDRESS}
    method = make_method(account, card.number, card.expires, form.get("name"), address=address)
    session = _note(account, session, form, address)
    back = session["url"] or ""
    if session["mode"] == "setup":
        setup = account.get("setup_intent", session["setup_intent"])
        return _next(account, session, setup_intents.confirm(account, setup, method, back))
    intent = _intent(account, session, saves=form.get("save") == "yes")
    return _next(
        account, session, confirmation.confirm(account, intent, method, may_authenticate=True, return_url=back)
    )


def answer(account: StripeAccount, intent: Document, *, confirmed: bool) -> str:
    """Continues after the customer has answered the bank. Returns the URL where the customer goes next."""
    session = next(account.find("checkout.session", **{intent["object"]: intent["id"]}), None)
    step = confirmation if intent["object"] == "payment_intent" else setup_intents
    if session is not None:
        return _next(account, session, step.authenticated(account, intent, confirmed=confirmed))
    return_url = intent["next_action"]["redirect_to_url"]["return_url"]
    done = step.authenticated(account, intent, confirmed=confirmed)
    return returned(return_url, done)


def returned(return_url: str, intent: Document) -> str:
    """The URL where the customer returns after 3-D Secure, with the result."""
    result = "succeeded" if intent["status"] == "succeeded" else "failed"
    query = {
        intent["object"]: intent["id"],
        f"{intent['object']}_client_secret": intent["client_secret"],
        "redirect_status": result,
    }
    return f"{return_url}{'&' if '?' in return_url else '?'}{urlencode(query)}"


def success_url(session: Document) -> str:
    """The URL where the customer goes when the session is complete."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _next(account: StripeAccount, session: Document, intent: Document) -> str:
    if intent["status"] == "requires_action":
        return str(intent["next_action"]["redirect_to_url"]["url"])
    status = "paid" if session["mode"] == "payment" else session["payment_status"]
    done = account.put(session | {"payment_status": status, "status": "complete", "url": None})
    account.emit("checkout.session.completed", done)
    return success_url(session)


def _note(account: StripeAccount, session: Document, form: Mapping[str, str], address: Document) -> Document:
    """Stores what the customer entered, also at the customer object as far as the session allows it."""
    tax_ids = []
    if form.get("tax_type") and form.get("tax_value"):
        tax_ids = [{"type": form["tax_type"], "value": form["tax_value"]}]
    customer = account.get("customer", session["customer"]) if session["customer"] else None
    details = {
        "address": address,
        "email": form.get("email") or (customer and customer["email"]),
        "name": form.get("name"),
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": tax_ids,
    }
    page = account.sandbox.store.get("stripe.page", session["id"])
    assert page is not None
    if customer is not None:
        update = {name: details[name] for name, how in page["customer_update"].items() if how == "auto"}
        if update:
            account.emit("customer.updated", account.put(customer | update), {name: customer[name] for name in update})
        for each in tax_ids:
            create_tax_id(account, NewTaxId(**each), customer["id"])
    return account.put(session | {"customer_details": details})


def _intent(account: StripeAccount, session: Document, *, saves: bool) -> Document:
    """The session's payment: made at the first attempt, and the same for each later one."""
    if session["payment_intent"]:
        return account.get("payment_intent", session["payment_intent"])
    page = account.sandbox.store.get("stripe.page", session["id"])
    assert page is not None
    given = dict(page["intent"])
    if saves and session["customer"]:
        given["setup_future_usage"] = given["setup_future_usage"] or "on_session"
    intent = confirmation.make_intent(
        account, session["amount_total"], session["currency"], customer=session["customer"], **given
    )
    account.emit("payment_intent.created", intent)
    session["payment_intent"] = intent["id"]
    account.put(session)
    return intent
