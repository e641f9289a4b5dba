"""Checkout of an order, opened as a page or by the script: a form that carries the documented options.

As a page it ends with a POST to `callback_url`, whether paid or failed. In the script's frame it ends with a message to
the script, and the customer may try again after a failed payment.
"""

import json
import re
from collections.abc import Mapping

from starlette.responses import Response

from ledger.sandbox.razorpay import pages, payments
from ledger.sandbox.razorpay.errors import ApiError, error_of
from ledger.sandbox.razorpay.merchant import Merchant
from ledger.sandbox.razorpay.params import notes_of
from ledger.sandbox.store import Document

Fields = Mapping[str, str]

_NO_INSTRUMENT = "This sandbox has no such card or UPI id."


def open_(merchant: Merchant, fields: Fields) -> Response:
    """The page with the payment form. Raises ApiError for options that Razorpay refuses."""
    return _payment_form(merchant, fields, _order_of(merchant, fields))


def pay(merchant: Merchant, fields: Fields) -> Response:
    """Pays with what the customer has entered."""
    order, instrument = _order_of(merchant, fields), pages.instrument_of(fields)
    if instrument is None:
        return _payment_form(merchant, fields, order, _NO_INSTRUMENT)
    payment = payments.pay(merchant, order, instrument, _payment_details(fields))
    return (
        _failed(merchant, fields, order, payment) if payment["status"] == "failed" else _paid(merchant, fields, payment)
    )


def _order_of(merchant: Merchant, fields: Fields) -> Document:
    if fields.get("key_id") != merchant.key_id:
        raise ApiError("The api key provided is invalid", "key_id")
    for name in ("callback_url", "cancel_url", "frame"):
        if not re.match(r"https?://[^/]|$", fields.get(name, "")):
            raise ApiError(f"The {name} format is invalid.", name)
    order = merchant.get("order", fields.get("order_id", ""))
    if fields.get("amount", str(order["amount"])) != str(order["amount"]):
        raise ApiError("Payment amount is different from your order amount. Please try using right amount.", "amount")
    if fields.get("currency", order["currency"]) != order["currency"]:
        raise ApiError("Payment currency is different from your order currency.", "currency")
    if order["status"] == "paid":
        raise ApiError(payments.ALREADY_PAID)
    return order


def _payment_form(
    merchant: Merchant, fields: Fields, order: Document, problem: str = "", message: Document | None = None
) -> Response:
    return pages.pay(
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
        return pages.message_page(
            "Paid", message={"event": "payment.success", "response": response}, frame=fields["frame"]
        )
    if fields.get("callback_url"):
        return pages.post_to_merchant(fields["callback_url"], response, "Paid")
    return pages.message_page("Paid", payment["id"])


def _failed(merchant: Merchant, fields: Fields, order: Document, payment: Document) -> Response:
    where = (payment["error_source"], payment["error_step"], payment["error_reason"])
    metadata = {"payment_id": payment["id"], "order_id": order["id"]}
    error = error_of(payment["error_code"], payment["error_description"], where, metadata=metadata)
    if fields.get("callback_url") and not fields.get("frame"):
        flat = {f"error[{name}]": value for name, value in error.items() if name != "metadata"}
        return pages.post_to_merchant(
            fields["callback_url"], flat | {"error[metadata]": json.dumps(metadata)}, "Payment failed"
        )
    message = {"event": "payment.failed", "response": {"error": error}} if fields.get("frame") else None
    return _payment_form(merchant, fields, order, error["description"], message)


def _payment_details(fields: Fields) -> Document:
    """The fields of the payment that come from checkout's options."""
    notes = {name[len("notes[") : -1]: value for name, value in fields.items() if name.startswith("notes[")}
    return {
        "description": fields.get("description"),
        "email": fields.get("prefill[email]"),
        "contact": fields.get("prefill[contact]"),
        "notes": notes_of({"notes": notes}),
    }
