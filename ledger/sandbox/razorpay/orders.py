"""Orders: what is to be paid, once. The payments made for one say what became of it."""

from ledger.sandbox.razorpay.errors import Refusal
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id, part_of
from ledger.sandbox.razorpay.reading import (
    Given,
    amount_of,
    collection,
    integer_of,
    notes_of,
    page_of,
    refuse_foreign,
    refuse_unknown,
    text_of,
)
from ledger.sandbox.store import Document

_RECEIPT_CHARACTERS = 40
_MINUTES_MAX = 7200
_MANUAL_EXPIRY_MINUTES = 3 * 1440


def create(merchant: Merchant, call: Call) -> Document:
    """A new order. Two with the same receipt are two orders, as at Razorpay."""
    given = call.given
    refuse_unknown(given, "amount", "currency", "receipt", "notes", "partial_payment", "payment", "payment_capture")
    amount = amount_of(given)
    refuse_foreign(given)
    if given.get("partial_payment"):
        raise Refusal("Partial payments are not part of this sandbox", "partial_payment")
    receipt = text_of(given, "receipt", _RECEIPT_CHARACTERS)
    return merchant.put("order", new(merchant, amount, receipt, notes_of(given)) | _capture(given))


def new(merchant: Merchant, amount: int, receipt: str | None, notes: dict[str, str] | list[str]) -> Document:
    """An order that nobody has tried to pay, captured automatically."""
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
    """Orders, newest first; `receipt`: those whose receipt contains it."""
    given = call.given
    refuse_unknown(given, "from", "to", "count", "skip", "receipt", "authorized")
    receipt, authorized = text_of(given, "receipt", _RECEIPT_CHARACTERS) or "", integer_of(given, "authorized")
    orders = [order for order in merchant.find("order") if receipt in (order["receipt"] or "")]
    if authorized is not None:
        waiting = {payment["order_id"] for payment in merchant.find("payment", status="authorized")}
        orders = [order for order in orders if (order["id"] in waiting) == bool(authorized)]
    return collection(part_of(orders, page_of(given)))


def payments(merchant: Merchant, call: Call) -> Document:
    """All payments that were tried for an order, newest first."""
    refuse_unknown(call.given)
    return collection(merchant.find("payment", order_id=merchant.get("order", call.id)["id"]))


def _capture(given: Given) -> Document:
    """Who captures authorized payments, and after how many seconds they are given back uncaptured."""
    if "payment" not in given:
        captured = str(given.get("payment_capture", True)).lower() in ("1", "true")
        return {"_capture": "automatic" if captured else "manual"}
    settings = given["payment"] if isinstance(given["payment"], dict) else {}
    refuse_unknown(settings, "capture", "capture_options")
    if settings.get("capture") not in ("automatic", "manual"):
        raise Refusal("The selected capture is invalid.", "capture")
    options = settings.get("capture_options") or {}
    refuse_unknown(options, "automatic_expiry_period", "manual_expiry_period", "refund_speed")
    automatic, manual = (integer_of(options, f"{name}_expiry_period") for name in ("automatic", "manual"))
    if not 12 <= (automatic or 12) <= (manual or _MINUTES_MAX) <= _MINUTES_MAX:
        raise Refusal("The manual_expiry_period must be at least the automatic_expiry_period.", "manual_expiry_period")
    if options.get("refund_speed", "normal") not in ("normal", "optimum"):
        raise Refusal("The selected refund_speed is invalid.", "refund_speed")
    return {"_capture": settings["capture"], "_manual_expiry_seconds": (manual or _MANUAL_EXPIRY_MINUTES) * 60}
