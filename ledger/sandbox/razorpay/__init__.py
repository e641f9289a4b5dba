"""Razorpay's half of the sandbox: the part of its API v1, checkout and webhooks that we use. Amounts are paise."""

from functools import partial

from starlette.routing import BaseRoute, Route

from ledger.sandbox.parts import Sandbox
from ledger.sandbox.razorpay import browsing
from ledger.sandbox.razorpay.control import router
from ledger.sandbox.razorpay.merchant import NAME, Merchant, merchant_of
from ledger.sandbox.razorpay.merchant import sign_webhook as sign
from ledger.sandbox.razorpay.operations import OPERATIONS, nowhere, route
from ledger.sandbox.razorpay.passing_time import pass_time

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

__all__ = ["NAME", "router", "routes", "sign"]


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """Razorpay's routes, below its base URL."""
    merchant = merchant_of(sandbox)
    sandbox.clock.watch(partial(_notice_time, merchant))
    operations = [route(sandbox, merchant, each) for each in OPERATIONS]
    return [*operations, *browsing.routes(sandbox, merchant), Route("/{rest:path}", nowhere, methods=METHODS)]


def _notice_time(merchant: Merchant) -> None:
    with merchant.store.transaction():
        pass_time(merchant)
