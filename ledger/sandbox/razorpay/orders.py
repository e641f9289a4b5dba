"""Orders: an amount to pay once. The payments for an order have its results."""

from ledger.sandbox.razorpay.errors import ApiError
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id, page_slice
from ledger.sandbox.razorpay.params import (
    Params,
    amount_of,
    collection,
    integer_of,
    notes_of,
    page_of,
    refuse_other_currency,
    refuse_unknown,
    text_of,
)
from ledger.sandbox.store import Document

_RECEIPT_CHARACTERS = 40
_MINUTES_MAX = 7200
_MANUAL_EXPIRY_MINUTES = 3 * 1440


def create(merchant: Merchant, call: Call) -> Document:
    """Creates an order. Two orders may have the same receipt, as at Razorpay."""
    params = call.params
    refuse_unknown(params, "amount", "currency", "receipt", "notes", "partial_payment", "payment", "payment_capture")
    amount = amount_of(params)
    refuse_other_currency(params)
    if params.get("partial_payment"):
        raise ApiError("Partial payments are not part of this sandbox", "partial_payment")
    receipt = text_of(params, "receipt", _RECEIPT_CHARACTERS)
    return merchant.put("order", new(merchant, amount, receipt, notes_of(params)) | _capture(params))


def new(merchant: Merchant, amount: int, receipt: str | None, notes: dict[str, str] | list[str]) -> Document:
    """An order without payment attempts, with automatic capture."""
    return {
        "id": new_id("order"),
        "entity": "order",
        "amount": amount,
        "amount_paid": 0,
        "amount_due": amount,
        "currency": "INR",
        "receipt": receipt,
        "offer_id": None,
        "status": "created",
        "attempts": 0,
        "notes": notes,
        "created_at": merchant.now(),
        "_capture": "automatic",
        "_manual_expiry_seconds": _MANUAL_EXPIRY_MINUTES * 60,
        "_payment_link": None,
    }


def fetch(merchant: Merchant, call: Call) -> Document:
    """One order."""
    return merchant.get("order", call.id)


def list_(merchant: Merchant, call: Call) -> Document:
    """Orders, newest first. `receipt`: only those whose receipt contains it."""
    params = call.params
    refuse_unknown(params, "from", "to", "count", "skip", "receipt", "authorized")
    receipt, authorized = text_of(params, "receipt", _RECEIPT_CHARACTERS) or "", integer_of(params, "authorized")
    orders = [order for order in merchant.find("order") if receipt in (order["receipt"] or "")]
    if authorized is not None:
        waiting = {payment["order_id"] for payment in merchant.find("payment", status="authorized")}
        orders = [order for order in orders if (order["id"] in waiting) == bool(authorized)]
    return collection(page_slice(orders, page_of(params)))


def payments(merchant: Merchant, call: Call) -> Document:
    """All payments that were tried for an order, newest first."""
    refuse_unknown(call.params)
    return collection(merchant.find("payment", order_id=merchant.get("order", call.id)["id"]))


def _capture(params: Params) -> Document:
    """How authorized payments are captured, and after how many seconds they are refunded if they are not."""
    if "payment" not in params:
        captured = str(params.get("payment_capture", True)).lower() in ("1", "true")
        return {"_capture": "automatic" if captured else "manual"}
    settings = params["payment"] if isinstance(params["payment"], dict) else {}
    refuse_unknown(settings, "capture", "capture_options")
    if settings.get("capture") not in ("automatic", "manual"):
        raise ApiError("The selected capture is invalid.", "capture")
    options = settings.get("capture_options") or {}
    refuse_unknown(options, "automatic_expiry_period", "manual_expiry_period", "refund_speed")
    automatic, manual = (integer_of(options, f"{name}_expiry_period") for name in ("automatic", "manual"))
    if not 12 <= (automatic or 12) <= (manual or _MINUTES_MAX) <= _MINUTES_MAX:
        raise ApiError("The manual_expiry_period must be at least the automatic_expiry_period.", "manual_expiry_period")
    if options.get("refund_speed", "normal") not in ("normal", "optimum"):
        raise ApiError("The selected refund_speed is invalid.", "refund_speed")
    return {"_capture": settings["capture"], "_manual_expiry_seconds": (manual or _MANUAL_EXPIRY_MINUTES) * 60}
