"""Refunds: pending → processed, or failed, which gives the amount back to the payment."""

import hashlib
import json
import re
from typing import Literal

from ledger.sandbox.razorpay.errors import IdempotencyConflict, Refusal
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id, part_of
from ledger.sandbox.razorpay.reading import amount_of, collection, notes_of, page_of, refuse_unknown, text_of
from ledger.sandbox.store import Document

Status = Literal["pending", "processed", "failed"]
_BEGIN = "refunds"  # the document that says how refunds begin


def create(merchant: Merchant, call: Call) -> Document:
    """Refunds a captured payment; what was refunded with the same idempotency key is answered again."""
    key, said = call.idempotency_key, hashlib.sha256(json.dumps([call.id, call.given]).encode()).hexdigest()
    if key is None:
        return _create(merchant, call)
    _refuse_malformed(key)
    known = merchant.find("refund_key", id=key)
    if not known:
        refund = _create(merchant, call)
        merchant.put("refund_key", {"id": key, "said": said, "refund": refund})
        return refund
    if known[0]["said"] != said:
        raise IdempotencyConflict("Different request with the same idempotency key has already been processed.")
    first: Document = known[0]["refund"]
    return first


def fetch(merchant: Merchant, call: Call) -> Document:
    """One refund."""
    return merchant.get("refund", call.id)


def list_(merchant: Merchant, call: Call) -> Document:
    """Refunds, newest first."""
    return merchant.listed("refund", call.given)


def of_payment(merchant: Merchant, call: Call) -> Document:
    """The refunds of one payment, newest first."""
    refuse_unknown(call.given, "from", "to", "count", "skip")
    found = merchant.find("refund", payment_id=merchant.get("payment", call.id)["id"])
    return collection(part_of(found, page_of(call.given)))


def give(merchant: Merchant, payment: Document, amount: int, said: Document | None = None) -> Document:
    """Refunds an amount that the payment still has, as far as `begin_as` lets refunds get by themselves."""
    speed = (said or {}).get("speed_requested", "normal")
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
        **(said or {}),
    }
    merchant.put("refund", refund)
    payment = _with_refunded(merchant, payment, amount)
    merchant.tell("refund.created", refund=refund, payment=payment)
    begin = merchant.find("setting", id=_BEGIN)
    status: Status = begin[0]["status"] if begin else "processed"
    return refund if status == "pending" else finish(merchant, refund["id"], status)


def finish(merchant: Merchant, refund_id: str, status: Status) -> Document:
    """The bank has taken a pending refund, or has not. Raises Refusal."""
    refund = merchant.get("refund", refund_id)
    if refund["status"] != "pending" or status == "pending":
        raise Refusal(f"The refund is {refund['status']}, it can't become {status}")
    refund = merchant.put("refund", {**refund, "status": status})
    payment = merchant.get("payment", refund["payment_id"])
    if status == "failed":
        payment = _with_refunded(merchant, payment, -refund["amount"])
    merchant.tell(f"refund.{status}", refund=refund, payment=payment)
    return refund


def begin_as(merchant: Merchant, status: Status) -> None:
    """How refunds are from now on when they are made: they stay pending, or end at once."""
    merchant.put("setting", {"id": _BEGIN, "status": status})


def _create(merchant: Merchant, call: Call) -> Document:
    given = call.given
    refuse_unknown(given, "amount", "speed", "notes", "receipt")
    payment = merchant.get("payment", call.id)
    amount = amount_of(given) if "amount" in given else payment["amount"] - payment["amount_refunded"]
    speed = given.get("speed", "normal")
    if speed not in ("normal", "optimum"):
        raise Refusal("The selected speed is invalid.", "speed")
    if not payment["captured"]:
        raise Refusal("The payment status should be captured for action to be taken")
    if payment["amount_refunded"] == payment["amount"]:
        raise Refusal("The payment has been fully refunded already")
    if amount > payment["amount"] - payment["amount_refunded"]:
        raise Refusal("The refund amount provided is greater than amount captured", "amount")
    said = {"notes": notes_of(given), "receipt": text_of(given, "receipt", 40), "speed_requested": speed}
    return give(merchant, payment, amount, said)


def _with_refunded(merchant: Merchant, payment: Document, more: int) -> Document:
    refunded = payment["amount_refunded"] + more
    whole = refunded == payment["amount"]
    changed = {"amount_refunded": refunded, "refund_status": ("full" if whole else "partial") if refunded else None}
    changed["status"] = "refunded" if whole else "captured" if payment["captured"] else "authorized"
    return merchant.put("payment", {**payment, **changed})


def _refuse_malformed(key: str) -> None:
    if len(key) < 10:
        raise Refusal("The idempotency key must be at least 10 characters long.")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        raise Refusal("The idempotency key must only contain alphanumeric characters, underscores, and hyphens")
