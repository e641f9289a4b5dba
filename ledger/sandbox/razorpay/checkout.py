"""Checkout of an order, as its page and the script open it: a form that carries the documented options.

On its own page it ends with a POST to `callback_url`, paid or failed; in the script's frame with a message to the
script, and a failed payment may be tried again.
"""

import json
import re
from collections.abc import Mapping

from starlette.responses import Response

from ledger.sandbox.razorpay import page, payments
from ledger.sandbox.razorpay.errors import Refusal, error_of
from ledger.sandbox.razorpay.merchant import Merchant
from ledger.sandbox.razorpay.reading import notes_of
from ledger.sandbox.store import Document

Fields = Mapping[str, str]

_NO_INSTRUMENT = "This sandbox has no such card or UPI id."


def open_(merchant: Merchant, fields: Fields) -> Response:
    """The page to pay at. Raises Refusal for options that Razorpay refuses."""
    return _asked(merchant, fields, _order_of(merchant, fields))


def pay(merchant: Merchant, fields: Fields) -> Response:
    """The customer has entered how to pay."""
    order, instrument = _order_of(merchant, fields), page.entered(fields)
    if instrument is None:
        return _asked(merchant, fields, order, _NO_INSTRUMENT)
    payment = payments.pay(merchant, order, instrument, _said(fields))
    return (
        _failed(merchant, fields, order, payment) if payment["status"] == "failed" else _paid(merchant, fields, payment)
    )


def _order_of(merchant: Merchant, fields: Fields) -> Document:
    if fields.get("key_id") != merchant.key_id:
        raise Refusal("The api key provided is invalid", "key_id")
    for name in ("callback_url", "cancel_url", "frame"):
        if not re.match(r"https?://[^/]|$", fields.get(name, "")):
            raise Refusal(f"The {name} format is invalid.", name)
    order = merchant.get("order", fields.get("order_id", ""))
    if fields.get("amount", str(order["amount"])) != str(order["amount"]):
        raise Refusal("Payment amount is different from your order amount. Please try using right amount.", "amount")
    if fields.get("currency", order["currency"]) != order["currency"]:
        raise Refusal("Payment currency is different from your order currency.", "currency")
    if order["status"] == "paid":
        raise Refusal(payments.ALREADY_PAID)
    return order


def _asked(
    merchant: Merchant, fields: Fields, order: Document, problem: str = "", message: Document | None = None
) -> Response:
    return page.pay(
        order["amount"],
        f"{merchant.address}/v1/checkout/pay",
        name=fields.get("name", "Razorpay"),
        description=fields.get("description", ""),
        fields=fields,
        problem=problem,
        message=message,
    )


def _paid(merchant: Merchant, fields: Fields, payment: Document) -> Response:
    response = {
        "razorpay_payment_id": payment["id"],
        "razorpay_order_id": payment["order_id"],
        "razorpay_signature": merchant.sign(payment["order_id"], payment["id"]),
    }
    if fields.get("frame"):
        return page.say("Paid", message={"event": "payment.success", "response": response}, frame=fields["frame"])
    if fields.get("callback_url"):
        return page.go_back(fields["callback_url"], response, "Paid")
    return page.say("Paid", payment["id"])


def _failed(merchant: Merchant, fields: Fields, order: Document, payment: Document) -> Response:
    where = (payment["error_source"], payment["error_step"], payment["error_reason"])
    metadata = {"payment_id": payment["id"], "order_id": order["id"]}
    error = error_of(payment["error_code"], payment["error_description"], where, metadata=metadata)
    if fields.get("callback_url") and not fields.get("frame"):
        flat = {f"error[{name}]": value for name, value in error.items() if name != "metadata"}
        return page.go_back(fields["callback_url"], flat | {"error[metadata]": json.dumps(metadata)}, "Payment failed")
    message = {"event": "payment.failed", "response": {"error": error}} if fields.get("frame") else None
    return _asked(merchant, fields, order, error["description"], message)


def _said(fields: Fields) -> Document:
    """What checkout's options say of the payment."""
    notes = {name[len("notes[") : -1]: value for name, value in fields.items() if name.startswith("notes[")}
    return {
        "description": fields.get("description"),
        "email": fields.get("prefill[email]"),
        "contact": fields.get("prefill[contact]"),
        "notes": notes_of({"notes": notes}),
    }
