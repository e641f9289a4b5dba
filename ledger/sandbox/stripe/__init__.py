"""Stripe in the sandbox: the operations of its API that the ledger uses, as version 2026-10-28.endive answers them."""

import hmac
import time
from collections.abc import Mapping

from starlette.routing import BaseRoute, Route

from ledger.sandbox.sandbox import Sandbox
from ledger.sandbox.stripe import (
    balance,
    charges,
    checkout,
    customers,
    disputes,
    events,
    hosted_pages,
    payment_intents,
    payment_methods,
    payouts,
    refunds,
    setup_intents,
)
from ledger.sandbox.stripe.dashboard import router
from ledger.sandbox.stripe.operations import Api, not_found
from ledger.sandbox.stripe.stripe_account import StripeAccount

__all__ = ["NAME", "router", "routes", "run_timers", "sign"]
NAME = "stripe"
_METHODS = ["GET", "POST", "DELETE"]
_OPERATIONS = [
    operation
    for part in (
        customers,
        payment_methods,
        payment_intents,
        setup_intents,
        checkout,
        charges,
        refunds,
        disputes,
        payouts,
        balance,
        events,
    )
    for operation in part.OPERATIONS
]


def sign(body: bytes, secret: str, _event_id: str) -> Mapping[str, str]:
    """The headers with Stripe's signature of a webhook.

    It has the machine's time, which the receiver compares with its own.
    """
    moment = int(time.time())
    digest = hmac.digest(secret.encode(), f"{moment}.".encode() + body, "sha256").hex()
    return {"Stripe-Signature": f"t={moment},v1={digest}"}


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """The API, the hosted pages, and Stripe's response to every other request."""
    api = Api(sandbox)
    everything_else = Route("/{path:path}", not_found, methods=_METHODS)
    return [*map(api.route, _OPERATIONS), *hosted_pages.routes(sandbox), everything_else]


def run_timers(sandbox: Sandbox) -> None:
    """Ends overdue checkout sessions, in the caller's transaction."""
    checkout.end_overdue(StripeAccount(sandbox))
