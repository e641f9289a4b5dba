"""Razorpay in the sandbox: the parts of its API v1, checkout and webhooks that the ledger uses. Amounts are paise."""

from functools import partial

from starlette.routing import BaseRoute, Route

from ledger.sandbox.razorpay import browser_routes
from ledger.sandbox.razorpay.dashboard import router
from ledger.sandbox.razorpay.merchant import NAME, Merchant, merchant_of
from ledger.sandbox.razorpay.merchant import sign_webhook as sign
from ledger.sandbox.razorpay.operations import OPERATIONS, not_found, route
from ledger.sandbox.razorpay.timers import run_due_timers
from ledger.sandbox.sandbox import Sandbox

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

__all__ = ["NAME", "router", "routes", "sign"]


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """Razorpay's routes, below its base URL."""
    merchant = merchant_of(sandbox)
    sandbox.clock.watch(partial(_on_clock_advanced, merchant))
    operations = [route(sandbox, merchant, each) for each in OPERATIONS]
    return [*operations, *browser_routes.routes(sandbox, merchant), Route("/{rest:path}", not_found, methods=METHODS)]


def _on_clock_advanced(merchant: Merchant) -> None:
    with merchant.store.transaction():
        run_due_timers(merchant)
