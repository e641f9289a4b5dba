"""Stripe's half of the sandbox: the operations of its API that we use, as version 2026-10-28.endive answers them."""

import hmac
import time
from collections.abc import Mapping

from starlette.routing import BaseRoute, Route

from ledger.sandbox.parts import Sandbox
from ledger.sandbox.stripe import (
    balance,
    charges,
    checkout,
    customers,
    disputes,
    events,
    hosted,
    payment_intents,
    payment_methods,
    payouts,
    refunds,
    setup_intents,
)
from ledger.sandbox.stripe.account import Account
from ledger.sandbox.stripe.dashboard import router
from ledger.sandbox.stripe.operations import Api, not_found

__all__ = ["NAME", "router", "routes", "sign", "tick"]
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
    """As Stripe proves a webhook. With the machine's time: the receiver compares it with its own."""
    moment = int(time.time())
    digest = hmac.digest(secret.encode(), f"{moment}.".encode() + body, "sha256").hex()
    return {"Stripe-Signature": f"t={moment},v1={digest}"}


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """The API, the hosted pages, and Stripe's answer to everything else."""
    api = Api(sandbox)
    everything_else = Route("/{path:path}", not_found, methods=_METHODS)
    return [*map(api.route, _OPERATIONS), *hosted.routes(sandbox), everything_else]


def tick(sandbox: Sandbox) -> None:
    """What happens by itself as time goes by, in a transaction of the caller's."""
    checkout.end_overdue(Account(sandbox))
