"""Disputes, which banks open and decide; here the control routes act as the bank."""

from typing import Literal

from ledger.sandbox.razorpay.errors import ApiError
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id
from ledger.sandbox.store import Document

Decision = Literal["under_review", "won", "lost", "closed"]
_RESPOND_SECONDS = 7 * 86400
_OPEN = ("open", "under_review")


def fetch(merchant: Merchant, call: Call) -> Document:
    """One dispute."""
    return merchant.get("dispute", call.id)


def list_(merchant: Merchant, call: Call) -> Document:
    """Disputes, newest first."""
    return merchant.list_page("dispute", call.params)


def open_(merchant: Merchant, payment_id: str, amount: int | None) -> Document:
    """Opens a dispute of a captured payment or a part of it. Nothing is deducted until it is lost."""
    payment = merchant.get("payment", payment_id)
    if not payment["captured"] or not 0 < (amount or payment["amount"]) <= payment["amount"]:
        raise ApiError("Only a captured payment can be disputed, up to its amount", "amount")
    dispute = {
        "id": new_id("dispute"),
        "entity": "dispute",
        "payment_id": payment_id,
        "amount": amount or payment["amount"],
        "currency": payment["currency"],
        "amount_deducted": 0,
        "reason_code": "chargeback",
        "reason_description": "Goods or services not provided",
        "respond_by": merchant.now() + _RESPOND_SECONDS,
        "status": "open",
        "phase": "chargeback",
        "created_at": merchant.now(),
        "_settlement": None,
    }
    merchant.put("dispute", dispute)
    merchant.emit("payment.dispute.created", payment=payment, dispute=dispute)
    return dispute


def decide(merchant: Merchant, dispute_id: str, decision: Decision) -> Document:
    """Moves a dispute on or ends it. Raises ApiError if it has already ended."""
    dispute = merchant.get("dispute", dispute_id)
    if dispute["status"] not in _OPEN:
        raise ApiError(f"The dispute is {dispute['status']} already")
    deducted = dispute["amount"] if decision == "lost" else 0
    dispute = merchant.put("dispute", {**dispute, "status": decision, "amount_deducted": deducted})
    payment = merchant.get("payment", dispute["payment_id"])
    merchant.emit(f"payment.dispute.{decision}", payment=payment, dispute=dispute)
    return dispute
