"""The pages that Stripe hosts: to pay or save a card, and the bank's page for 3-D Secure.

Plain HTML without scripts.
"""

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from babel.numbers import format_currency
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ledger.sandbox.api_calls import run_call
from ledger.sandbox.sandbox import Sandbox
from ledger.sandbox.store import Document
from ledger.sandbox.stripe import checkout, customer_actions
from ledger.sandbox.stripe.errors import ApiError
from ledger.sandbox.stripe.stripe_account import StripeAccount

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, undefined=StrictUndefined
)
_FIELDS = (
    "number", "expiry", "name", "email", "line1", "city", "postal_code", "country", "tax_type", "tax_value", "save"
)  # fmt: skip
_CARDS = (
    {"number": "4242 4242 4242 4242", "story": "pays"},
    {"number": "4000 0000 0000 0002", "story": "is declined"},
    {"number": "4000 0000 0000 9995", "story": "has insufficient funds"},
    {"number": "4000 0025 0000 3155", "story": "asks for 3-D Secure"},
    {"number": "4000 0000 0000 0069", "story": "is expired"},
    {"number": "4000 0000 0000 0341", "story": "can be saved, but not charged later"},
)
# Currencies without minor units.
_ZERO_DECIMAL = frozenset({"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf"})


def routes(sandbox: Sandbox) -> list[Route]:
    """The pages' routes."""
    pages = _Hosted(sandbox)
    return [
        Route("/pay/{session}", pages.page, methods=["GET"]),
        Route("/pay/{session}", pages.pay, methods=["POST"]),
        Route("/pay/{session}/cancel", pages.cancel, methods=["POST"]),
        Route("/authenticate/{intent}", pages.bank_page, methods=["GET"]),
        Route("/authenticate/{intent}", pages.answer, methods=["POST"]),
    ]


class _Hosted:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self._account = sandbox, StripeAccount(sandbox)

    async def page(self, request: Request) -> Response:
        """The empty form."""
        return self._open(request, lambda session: self._form(session, {}))

    async def pay(self, request: Request) -> Response:
        """Pays or saves the card that the customer entered."""
        form = await _form_of(request)

        def do(session: Document) -> Response:
            try:
                card = customer_actions.card_of(form, time.gmtime(self._account.now)[:2])
                return _to(customer_actions.submit(self._account, session, form, card))
            except ApiError as error:
                current = self._account.get("checkout.session", session["id"])
                return self._form(current, form, error.body["error"]["message"])

        return await self._run_call(request, "checkout.page.pay", lambda: self._open(request, do))

    async def cancel(self, request: Request) -> Response:
        """Sends the customer back. The session stays open."""
        return self._open(request, lambda session: _to(session["cancel_url"] or session["url"]))

    async def bank_page(self, request: Request) -> Response:
        """The bank's page."""
        intent = self._waiting(request)
        if intent is None:
            return _message_page("There is nothing to confirm here any more.")
        total = _amount_text(intent["amount"], intent["currency"]) if intent["object"] == "payment_intent" else None
        return _html("authenticate.html", title="3-D Secure", total=total, action=request.url.path)

    async def answer(self, request: Request) -> Response:
        """Continues with the customer's answer to the bank."""
        form = await _form_of(request)

        def do() -> Response:
            intent = self._waiting(request)
            if intent is None:
                return _message_page("There is nothing to confirm here any more.")
            try:
                return _to(customer_actions.answer(self._account, intent, confirmed=form.get("answer") == "complete"))
            except ApiError as error:
                return self._failed(intent, error)

        return await self._run_call(request, "authenticate", do)

    def _failed(self, intent: Document, error: ApiError) -> Response:
        """The form again, to try another card; or the page where the payment began."""
        session = next(self._account.find("checkout.session", **{intent["object"]: intent["id"]}), None)
        if session is not None:
            return self._form(session, {}, error.body["error"]["message"])
        failed = self._account.get(intent["object"], intent["id"])
        return _to(customer_actions.returned(intent["next_action"]["redirect_to_url"]["return_url"], failed))

    def _waiting(self, request: Request) -> Document | None:
        id_ = request.path_params["intent"]
        kind = "payment_intent" if id_.startswith("pi_") else "setup_intent"
        found = self._sandbox.store.get(f"stripe.{kind}", id_)
        return found if found and found["status"] == "requires_action" else None

    def _open(self, request: Request, then: Callable[[Document], Response]) -> Response:
        checkout.end_overdue(self._account)
        session = self._sandbox.store.get("stripe.checkout.session", request.path_params["session"])
        if session is None:
            return _message_page("There is no such page.", 404)
        if session["status"] == "complete":
            return _to(customer_actions.success_url(session))
        if session["status"] == "expired":
            return _message_page("This page has expired. Go back and start again.", 410)
        return then(session)

    def _form(self, session: Document, given: Mapping[str, str], error: str | None = None) -> Response:
        page = self._sandbox.store.get("stripe.page", session["id"])
        assert page is not None
        setup = session["mode"] == "setup"
        saves = setup or bool(page["intent"]["setup_future_usage"])
        return _html(
            "pay.html",
            title="Add a card" if setup else "Pay",
            names=page["names"],
            total="" if setup else _amount_text(session["amount_total"], session["currency"]),
            error=error,
            action=f"/stripe/pay/{session['id']}",
            given={name: given.get(name, "") for name in _FIELDS},
            customer=session["customer"],
            with_address=session["billing_address_collection"] == "required",
            with_tax_id=session["tax_id_collection"]["enabled"],
            may_save=bool(session["customer"]) and not saves,
            saves=saves,
            setup=setup,
            can_cancel=bool(session["cancel_url"]),
            cards=_CARDS,
        )

    async def _run_call(self, request: Request, operation: str, do: Callable[[], Response]) -> Response:
        return await run_call(self._sandbox, "stripe", operation, request, do, lambda: _message_page("Try again.", 500))


async def _form_of(request: Request) -> dict[str, str]:
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def _amount_text(amount: int, currency: str) -> str:
    digits = 0 if currency in _ZERO_DECIMAL else 2
    return format_currency(Decimal(amount).scaleb(-digits), currency.upper(), locale="en_US")


def _html(name: str, status: int = 200, **values: Any) -> Response:
    return HTMLResponse(_PAGES.get_template(name).render(**values), status)


def _message_page(message: str, status: int = 200) -> Response:
    return _html("message.html", status, title="Payment sandbox", message=message)


def _to(url: str) -> Response:
    return RedirectResponse(url, 303)
