"""Refunds: pending → processed, or failed, which returns the amount to the payment."""

import hashlib
import json
import re
from typing import Literal

from ledger.sandbox.razorpay.errors import ApiError, IdempotencyConflict
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id, page_slice
from ledger.sandbox.razorpay.params import amount_of, collection, notes_of, page_of, refuse_unknown, text_of
from ledger.sandbox.store import Document

Status = Literal["pending", "processed", "failed"]
_BEGIN = "refunds"  # the document with the status of new refunds


def create(merchant: Merchant, call: Call) -> Document:
    """Refunds a captured payment. A repetition with the same idempotency key returns the first refund."""
    key, request = call.idempotency_key, hashlib.sha256(json.dumps([call.id, call.params]).encode()).hexdigest()
    if key is None:
        return _create(merchant, call)
    _refuse_malformed(key)
    earlier = merchant.find("refund_key", id=key)
    if not earlier:
        refund = _create(merchant, call)
        merchant.put("refund_key", {"id": key, "request": request, "refund": refund})
        return refund
    if earlier[0]["request"] != request:
        raise IdempotencyConflict("Different request with the same idempotency key has already been processed.")
    first: Document = earlier[0]["refund"]
    return first


def fetch(merchant: Merchant, call: Call) -> Document:
    """One refund."""
    return merchant.get("refund", call.id)


def list_(merchant: Merchant, call: Call) -> Document:
    """Refunds, newest first."""
    return merchant.list_page("refund", call.params)


def of_payment(merchant: Merchant, call: Call) -> Document:
    """The refunds of one payment, newest first."""
    refuse_unknown(call.params, "from", "to", "count", "skip")
    found = merchant.find("refund", payment_id=merchant.get("payment", call.id)["id"])
    return collection(page_slice(found, page_of(call.params)))


def refund_payment(merchant: Merchant, payment: Document, amount: int, details: Document | None = None) -> Document:
    """Refunds an amount that the payment still has, with the status that `set_initial_status` has set."""
    speed = (details or {}).get("speed_requested", "normal")
    refund = {
        "id": new_id("refund"),
        "entity": "refund",
        "amount": amount,
        "currency": payment["currency"],
        "payment_id": payment["id"],
        "notes": [],
        "receipt": None,
        "acquirer_data": {"arn": None},
        "created_at": merchant.now(),
        "batch_id": None,
        "status": "pending",
        "speed_requested": speed,
        "speed_processed": "instant" if speed == "optimum" else "normal",
        "_settlement": None,
        **(details or {}),
    }
    merchant.put("refund", refund)
    payment = _with_refunded(merchant, payment, amount)
    merchant.emit("refund.created", refund=refund, payment=payment)
    begin = merchant.find("setting", id=_BEGIN)
    status: Status = begin[0]["status"] if begin else "processed"
    return refund if status == "pending" else finish(merchant, refund["id"], status)


def finish(merchant: Merchant, refund_id: str, status: Status) -> Document:
    """Ends a pending refund. Raises ApiError."""
    refund = merchant.get("refund", refund_id)
    if refund["status"] != "pending" or status == "pending":
        raise ApiError(f"The refund is {refund['status']}, it can't become {status}")
    refund = merchant.put("refund", {**refund, "status": status})
    payment = merchant.get("payment", refund["payment_id"])
    if status == "failed":
        payment = _with_refunded(merchant, payment, -refund["amount"])
    merchant.emit(f"refund.{status}", refund=refund, payment=payment)
    return refund


def set_initial_status(merchant: Merchant, status: Status) -> None:
    """Sets the status of new refunds: pending, or ended at once."""
    merchant.put("setting", {"id": _BEGIN, "status": status})


def _create(merchant: Merchant, call: Call) -> Document:
    params = call.params
    refuse_unknown(params, "amount", "speed", "notes", "receipt")
    payment = merchant.get("payment", call.id)
    amount = amount_of(params) if "amount" in params else payment["amount"] - payment["amount_refunded"]
    speed = params.get("speed", "normal")
    if speed not in ("normal", "optimum"):
        raise ApiError("The selected speed is invalid.", "speed")
    if not payment["captured"]:
        raise ApiError("The payment status should be captured for action to be taken")
    if payment["amount_refunded"] == payment["amount"]:
        raise ApiError("The payment has been fully refunded already")
    if amount > payment["amount"] - payment["amount_refunded"]:
        raise ApiError("The refund amount provided is greater than amount captured", "amount")
    details = {"notes": notes_of(params), "receipt": text_of(params, "receipt", 40), "speed_requested": speed}
    return refund_payment(merchant, payment, amount, details)


def _with_refunded(merchant: Merchant, payment: Document, more: int) -> Document:
    refunded = payment["amount_refunded"] + more
    whole = refunded == payment["amount"]
    changed = {"amount_refunded": refunded, "refund_status": ("full" if whole else "partial") if refunded else None}
    changed["status"] = "refunded" if whole else "captured" if payment["captured"] else "authorized"
    return merchant.put("payment", {**payment, **changed})


def _refuse_malformed(key: str) -> None:
    if len(key) < 10:
        raise ApiError("The idempotency key must be at least 10 characters long.")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        raise ApiError("The idempotency key must only contain alphanumeric characters, underscores, and hyphens")
