"""Settlements: what Razorpay pays to the merchant's bank, less fees, refunds and lost disputes.

As documented, a settlement's amount = payments − refunds − fees − tax, and its `fees` exclude the tax. The `fee` of a
payment, and of a line of the reconciliation, includes it.
"""

from datetime import datetime, timedelta, timezone

from ledger.sandbox.razorpay.errors import ApiError
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id
from ledger.sandbox.razorpay.params import collection, integer_of, page_of, refuse_unknown
from ledger.sandbox.store import Document

_INDIA = timezone(timedelta(hours=5, minutes=30))


def fetch(merchant: Merchant, call: Call) -> Document:
    """One settlement."""
    return merchant.get("settlement", call.id)


def list_(merchant: Merchant, call: Call) -> Document:
    """Settlements, newest first."""
    return merchant.list_page("settlement", call.params)


def reconciliation(merchant: Merchant, call: Call) -> Document:
    """The payments, refunds and adjustments that were settled in a month or on a day, in India's time."""
    params = call.params
    refuse_unknown(params, "year", "month", "day", "count", "skip")
    year, month, day = (integer_of(params, name) for name in ("year", "month", "day"))
    if year is None or not 1000 <= year <= 9999:
        raise ApiError("The year must be 4 digits.", "year")
    if month is None or not 1 <= month <= 12:
        raise ApiError("The month is not a valid month.", "month")
    page = page_of(params, count_max=1000)
    lines = [settled["line"] for settled in merchant.find("settled")]
    meant = [line for line in lines if _on(line["settled_at"], year, month, day)]
    return collection(meant[page.skip : page.skip + page.size])


def settle(merchant: Merchant) -> Document:
    """Pays out everything that has not been paid out. Raises ApiError if nothing is left."""
    settlement_id, now = new_id("settlement"), merchant.now()
    items = [
        *(
            _payment_line(merchant, payment)
            for payment in _unsettled(merchant, "payment", settlement_id, captured=True)
        ),
        *(_refund_line(merchant, refund) for refund in _settled_refunds(merchant, settlement_id)),
        *(_dispute_line(dispute) for dispute in _unsettled(merchant, "dispute", settlement_id, status="lost")),
    ]
    amount = sum(item["credit"] - item["debit"] for item in items)
    if amount <= 0:
        raise ApiError("There is nothing to settle")
    tax = sum(item["tax"] for item in items)
    settlement = {
        "id": settlement_id,
        "entity": "settlement",
        "amount": amount,
        "status": "processed",
        "fees": sum(item["fee"] for item in items) - tax,
        "tax": tax,
        "utr": f"{now}{settlement_id[-6:].lower()}",
        "created_at": now,
    }
    merchant.put("settlement", settlement)
    shared = {"settled": True, "settled_at": now, "settlement_id": settlement_id, "settlement_utr": settlement["utr"]}
    for item in items:
        merchant.put("settled", {"id": item["entity_id"], "line": {**item, **shared}})
    merchant.emit("settlement.processed", settlement=settlement)
    return settlement


def _unsettled(merchant: Merchant, entity: str, settlement_id: str, **equal: str | bool) -> list[Document]:
    found = merchant.find(entity, _settlement=None, **equal)
    return [merchant.put(entity, {**each, "_settlement": settlement_id}) for each in found]


def _settled_refunds(merchant: Merchant, settlement_id: str) -> list[Document]:
    """The refunds of captured payments only: the merchant never had the money of the others."""
    found = _unsettled(merchant, "refund", settlement_id, status="processed")
    return [refund for refund in found if merchant.get("payment", refund["payment_id"])["captured"]]


def _payment_line(merchant: Merchant, payment: Document) -> Document:
    line = _line("payment", payment["id"], payment, credit=payment["amount"] - payment["fee"])
    return {**line, **_origin(merchant, payment), "fee": payment["fee"], "tax": payment["tax"]}


def _refund_line(merchant: Merchant, refund: Document) -> Document:
    line = _line("refund", refund["id"], refund, debit=refund["amount"])
    origin = _origin(merchant, merchant.get("payment", refund["payment_id"]))
    return {**line, **origin, "payment_id": refund["payment_id"]}


def _dispute_line(dispute: Document) -> Document:
    line = _line("adjustment", new_id("adjustment"), dispute, debit=dispute["amount"])
    return {**line, "payment_id": dispute["payment_id"], "dispute_id": dispute["id"]}


def _line(type_: str, entity_id: str, of: Document, *, credit: int = 0, debit: int = 0) -> Document:
    line: Document = {
        "entity_id": entity_id,
        "type": type_,
        "debit": debit,
        "credit": credit,
        "amount": of["amount"],
        "currency": of["currency"],
        "fee": 0,
        "tax": 0,
        "on_hold": False,
        "created_at": of["created_at"],
        "posted_at": None,
        "credit_type": "default",
        "description": of.get("description"),
        "notes": None,
    }
    return line | dict.fromkeys(
        ("payment_id", "order_id", "order_receipt", "method", "card_network", "card_issuer", "card_type", "dispute_id")
    )


def _origin(merchant: Merchant, payment: Document) -> Document:
    """Where a payment came from: fields of its line and of its refunds' lines."""
    card = payment.get("card") or {}
    return {
        "order_id": payment["order_id"],
        "order_receipt": merchant.get("order", payment["order_id"])["receipt"],
        "method": payment["method"],
        "card_network": card.get("network"),
        "card_type": card.get("type"),
    }


def _on(moment: int, year: int, month: int, day: int | None) -> bool:
    there = datetime.fromtimestamp(moment, _INDIA)
    return (there.year, there.month) == (year, month) and day in (None, there.day)
