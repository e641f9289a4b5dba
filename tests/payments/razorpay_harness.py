"""What the tests of the Razorpay gateway share: its settings, the terms of a purchase, signed webhooks."""

import hmac
import json
import uuid
from typing import Any

from ledger.payments.payment_terms import PaymentTerms, signed_metadata
from ledger.payments.razorpay import RazorpayGateway
from ledger.settings import Settings
from schemas.signatures import SigningKey
from tests.support.sandbox import RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET, RAZORPAY_WEBHOOK_SECRET

KEY = SigningKey("k1", b"signs the terms")
RETIRED_SECRET = "the webhook secret before"


def gateway_at(url: str, **changed: Any) -> RazorpayGateway:
    """A gateway of that address, with two webhook secrets."""
    given: dict[str, Any] = {
        "payments": "sandbox",
        "razorpay_url": url,
        "razorpay_key_id": RAZORPAY_KEY_ID,
        "razorpay_key_secret": RAZORPAY_KEY_SECRET,
        "razorpay_webhook_secrets": [RAZORPAY_WEBHOOK_SECRET, RETIRED_SECRET],
    }
    return RazorpayGateway(Settings(**{**given, **changed}))


def new_terms(**changed: Any) -> PaymentTerms:
    """The terms of a purchase of 10 credits for 850 rupees."""
    terms = PaymentTerms(str(uuid.uuid4()), "acct_1", "purchase", 10 * 10**9, "INR", 85000, 0, "85.00")
    return terms._replace(**changed)


def metadata(terms: PaymentTerms) -> dict[str, str]:
    """What travels with them."""
    return signed_metadata(terms, KEY)


def signed(body: Any, secret: str = RAZORPAY_WEBHOOK_SECRET) -> tuple[bytes, dict[str, str]]:
    """A webhook as Razorpay sends it: body and headers."""
    raw = json.dumps(body).encode()
    return raw, proof_of(raw, secret)


def proof_of(raw: bytes, secret: str = RAZORPAY_WEBHOOK_SECRET) -> dict[str, str]:
    """The headers that prove a body."""
    return {"x-razorpay-signature": hmac.digest(secret.encode(), raw, "sha256").hex()}


def event(name: str, created_at: int = 1_700_000_000, **entities: dict[str, Any]) -> dict[str, Any]:
    """The body of a webhook."""
    payload = {entity: {"entity": said} for entity, said in entities.items()}
    return {
        "entity": "event",
        "account_id": "acc_1",
        "event": name,
        "contains": list(entities),
        "payload": payload,
        "created_at": created_at,
    }
