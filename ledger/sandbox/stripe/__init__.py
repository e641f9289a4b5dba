"""Stripe's half of the sandbox: the operations of its API that we use, as version 2026-10-28.endive answers them."""

import hmac
import time
from collections.abc import Mapping

from fastapi import APIRouter
from starlette.routing import BaseRoute

from ledger.sandbox.parts import Sandbox

NAME = "stripe"
router = APIRouter(prefix="/sandbox/stripe", tags=["stripe"])


def sign(body: bytes, secret: str, _event_id: str) -> Mapping[str, str]:
    """As Stripe proves a webhook. With the machine's time: the receiver compares it with its own."""
    moment = int(time.time())
    digest = hmac.digest(secret.encode(), f"{moment}.".encode() + body, "sha256").hex()
    return {"Stripe-Signature": f"t={moment},v1={digest}"}


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """Stripe's routes."""
    return []
