"""Payments: created → authorized → captured, or failed. One captured payment pays an order."""

from ledger.sandbox.razorpay import payment_links, refunds
from ledger.sandbox.razorpay.errors import ApiError
from ledger.sandbox.razorpay.instruments import Decline, Instrument
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id
from ledger.sandbox.razorpay.params import amount_of, refuse_other_currency, refuse_unknown
from ledger.sandbox.store import Document

ALREADY_PAID = (
    "Your payment has been declined as the order is already paid. Please initiate the payment with a new order."
)
FEE_PERCENT = 2
TAX_PERCENT = 18  # GST, on the fee


def fetch(merchant: Merchant, call: Call) -> Document:
    """One payment."""
    return merchant.get("payment", call.id)


def list_(merchant: Merchant, call: Call) -> Document:
    """Payments, newest first."""
    return merchant.list_page("payment", call.params)


def capture(merchant: Merchant, call: Call) -> Document:
    """Captures an authorized payment; the amount must be the payment's own."""
    refuse_unknown(call.params, "amount", "currency")
    payment = merchant.get("payment", call.id)
    amount = amount_of(call.params)
    refuse_other_currency(call.params)
    if payment["captured"]:
        raise ApiError("This payment has already been captured")
    if payment["status"] != "authorized":
        raise ApiError("Only payments which have been authorized and not yet captured can be captured")
    if amount != payment["amount"]:
        raise ApiError("Capture amount must be equal to the amount authorized.", "amount")
    if merchant.get("order", payment["order_id"])["status"] == "paid":
        raise ApiError(ALREADY_PAID)
    return capture_payment(merchant, payment)


def pay(
    merchant: Merchant, order: Document, instrument: Instrument, details: Document, *, late: bool = False
) -> Document:
    """Pays an order.

    `details`: the payment's fields from checkout, such as email and notes. `late`: the bank authorizes after the time
    of automatic capture.
    """
    payment = merchant.put("payment", _new(merchant, order, instrument, details))
    status = "paid" if order["status"] == "paid" else "attempted"
    order = merchant.put("order", {**order, "status": status, "attempts": order["attempts"] + 1})
    if instrument.decline is not None:
        return _fail(merchant, payment, instrument.decline)
    payment = merchant.put("payment", {**payment, "status": "authorized"})
    merchant.emit("payment.authorized", payment=payment)
    if late or order["status"] == "paid" or order["_capture"] == "manual":
        merchant.set_timer(payment["id"], payment["created_at"] + order["_manual_expiry_seconds"])
        return payment
    return capture_payment(merchant, payment)


def pay_link(merchant: Merchant, link_id: str, instrument: Instrument, *, late: bool = False) -> Document:
    """Pays a payment link. Raises ApiError if the link has ended."""
    link = merchant.get("payment_link", link_id)
    payment_links.refuse_ended(link)
    details = {"description": f"#{link_id.removeprefix('plink_')}"}
    details |= {name: link["customer"].get(name) for name in ("email", "contact")}
    return pay(merchant, payment_links.order_of(merchant, link), instrument, details, late=late)


def capture_payment(merchant: Merchant, payment: Document) -> Document:
    """Captures a payment, and marks its order and its payment link as paid."""
    merchant.cancel_timer(payment["id"])
    fee, tax = fee_of(payment["amount"])
    payment = merchant.put("payment", {**payment, "status": "captured", "captured": True, "fee": fee, "tax": tax})
    order = merchant.get("order", payment["order_id"])
    order = merchant.put("order", {**order, "status": "paid", "amount_paid": order["amount"], "amount_due": 0})
    merchant.emit("payment.captured", payment=payment)
    merchant.emit("order.paid", payment=payment, order=order)
    if order["_payment_link"]:
        payment_links.settle(merchant, order, payment)
    return payment


def refund_uncaptured(merchant: Merchant, payment_id: str) -> None:
    """Refunds an authorized payment that was not captured in time, as Razorpay does."""
    payment = merchant.get("payment", payment_id)
    refunds.refund_payment(merchant, payment, payment["amount"])


def fee_of(amount: int) -> tuple[int, int]:
    """Razorpay's fee for a payment in paise, tax included, and the tax."""
    base = (amount * FEE_PERCENT + 50) // 100
    tax = (base * TAX_PERCENT + 50) // 100
    return base + tax, tax


def _new(merchant: Merchant, order: Document, instrument: Instrument, details: Document) -> Document:
    return {
        "id": new_id("payment"),
        "entity": "payment",
        "amount": order["amount"],
        "currency": order["currency"],
        "status": "created",
        "order_id": order["id"],
        "invoice_id": None,
        "international": False,
        "method": instrument.method,
        "amount_refunded": 0,
        "refund_status": None,
        "captured": False,
        "description": None,
        "card_id": None,
        "bank": None,
        "wallet": None,
        "vpa": None,
        "email": None,
        "contact": None,
        "notes": [],
        "fee": None,
        "tax": None,
        **dict.fromkeys(("error_code", "error_description", "error_source", "error_step", "error_reason")),
        "acquirer_data": {},
        "created_at": merchant.now(),
        "_settlement": None,
        **instrument.shown,
        **details,
    }


def _fail(merchant: Merchant, payment: Document, decline: Decline) -> Document:
    source, step, reason = decline.where
    error = {"error_code": decline.code, "error_description": decline.description}
    error |= {"error_source": source, "error_step": step, "error_reason": reason}
    payment = merchant.put("payment", {**payment, **error, "status": "failed"})
    merchant.emit("payment.failed", payment=payment)
    return payment
