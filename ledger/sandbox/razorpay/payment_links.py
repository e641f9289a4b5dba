"""Payment links: a URL where the customer pays, until the link expires or is cancelled."""

import re
from urllib.parse import urlencode

from ledger.sandbox.razorpay import orders
from ledger.sandbox.razorpay.errors import ApiError
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id
from ledger.sandbox.razorpay.params import (
    Params,
    amount_of,
    integer_of,
    notes_of,
    refuse_other_currency,
    refuse_unknown,
    text_of,
)
from ledger.sandbox.store import Document

_EXPIRE_SECONDS_MIN = 15 * 60
_EXPIRE_SECONDS_MAX = 184 * 86400
_KNOWN = (
    "amount",
    "currency",
    "accept_partial",
    "description",
    "reference_id",
    "customer",
    "expire_by",
    "notify",
    "notes",
    "callback_url",
    "callback_method",
    "reminder_enable",
)


def create(merchant: Merchant, call: Call) -> Document:
    """Creates a link. A `reference_id` can be used only once."""
    params = call.params
    refuse_unknown(params, *_KNOWN)
    if params.get("accept_partial"):
        raise ApiError("Partial payments are not part of this sandbox", "accept_partial")
    if "currency" in params:
        refuse_other_currency(params)
    link = _new(params, merchant.now(), new_id("payment_link"))
    if link["reference_id"] and merchant.find("payment_link", reference_id=link["reference_id"]):
        raise ApiError("payment link creation with reference ID already attempted", "reference_id")
    if link["expire_by"]:
        merchant.set_timer(link["id"], link["expire_by"])
    return merchant.put("payment_link", {**link, "short_url": f"{merchant.address}/l/{link['id']}"})


def fetch(merchant: Merchant, call: Call) -> Document:
    """One link."""
    return merchant.get("payment_link", call.id)


def list_(merchant: Merchant, call: Call) -> Document:
    """Links, newest first. `reference_id`, `payment_id`: only the link that has it."""
    refuse_unknown(call.params, "reference_id", "payment_id")
    links = merchant.find("payment_link")
    if "reference_id" in call.params:
        links = [link for link in links if link["reference_id"] == call.params["reference_id"]]
    if "payment_id" in call.params:
        links = [link for link in links if call.params["payment_id"] in _payment_ids(link)]
    return {"payment_links": links}


def cancel(merchant: Merchant, call: Call) -> Document:
    """Cancels an unpaid link."""
    refuse_unknown(call.params)
    link = merchant.get("payment_link", call.id)
    if link["status"] == "paid":
        raise ApiError("cannot cancel or expire an already paid/partially paid link")
    if link["status"] != "created":
        raise ApiError("cannot cancel or expire an expired link")
    merchant.cancel_timer(link["id"])
    now = merchant.now()
    link = merchant.put("payment_link", {**link, "status": "cancelled", "cancelled_at": now, "updated_at": now})
    merchant.emit("payment_link.cancelled", payment_link=link)
    return link


def refuse_ended(link: Document) -> None:
    """Raises ApiError for a link that can't be paid any more."""
    if link["status"] != "created":
        raise ApiError(f"This payment link is {link['status']}")


def order_of(merchant: Merchant, link: Document) -> Document:
    """The order of the link's payments. It is made with the first payment."""
    if link["order_id"]:
        return merchant.get("order", link["order_id"])
    order = orders.new(merchant, link["amount"], link["reference_id"] or None, link["notes"] or [])
    merchant.put("payment_link", {**link, "order_id": order["id"]})
    return merchant.put("order", {**order, "_payment_link": link["id"]})


def settle(merchant: Merchant, order: Document, payment: Document) -> None:
    """Marks the link as paid when its order is.

    A payment authorized before the link ended and captured later counts too.
    """
    link = merchant.get("payment_link", order["_payment_link"])
    merchant.cancel_timer(link["id"])
    now = merchant.now()
    paid = {
        "amount": payment["amount"],
        "created_at": payment["created_at"],
        "method": payment["method"],
        "payment_id": payment["id"],
        "plink_id": link["id"],
        "status": "captured",
        "updated_at": now,
    }
    link |= {"status": "paid", "amount_paid": payment["amount"], "payments": [paid], "updated_at": now}
    merchant.put("payment_link", link)
    merchant.emit("payment_link.paid", payment=payment, order=order, payment_link=link)


def expire(merchant: Merchant, link_id: str) -> None:
    """Expires a link."""
    link, now = merchant.get("payment_link", link_id), merchant.now()
    link = merchant.put("payment_link", {**link, "status": "expired", "expired_at": now, "updated_at": now})
    merchant.emit("payment_link.expired", payment_link=link)


def return_url(merchant: Merchant, link: Document) -> str | None:
    """Where the customer goes after paying, with the signed proof of payment; None if the link has no callback."""
    if not link["callback_url"]:
        return None
    payment_id = link["payments"][0]["payment_id"]
    signature = merchant.sign(link["id"], link["reference_id"], link["status"], payment_id)
    proof = {
        "razorpay_payment_id": payment_id,
        "razorpay_payment_link_id": link["id"],
        "razorpay_payment_link_reference_id": link["reference_id"],
        "razorpay_payment_link_status": link["status"],
        "razorpay_signature": signature,
    }
    return f"{link['callback_url']}{'&' if '?' in link['callback_url'] else '?'}{urlencode(proof)}"


def _new(params: Params, now: int, link_id: str) -> Document:
    customer, notify = params.get("customer") or {}, params.get("notify") or {}
    refuse_unknown(customer, "name", "email", "contact")
    refuse_unknown(notify, "sms", "email")
    callback_url, callback_method = _callback(params)
    return {
        "id": link_id,
        "accept_partial": False,
        "amount": amount_of(params),
        "amount_paid": 0,
        "callback_method": callback_method,
        "callback_url": callback_url,
        "cancelled_at": 0,
        "created_at": now,
        "currency": "INR",
        "customer": dict(customer),
        "description": text_of(params, "description", 2048) or "",
        "expire_by": _expiry(params, now),
        "expired_at": 0,
        "first_min_partial_amount": 0,
        "notes": notes_of(params) or None,
        "notify": {"email": bool(notify.get("email")), "sms": bool(notify.get("sms"))},
        "order_id": None,
        "payments": None,
        "reference_id": text_of(params, "reference_id", 40) or "",
        "reminder_enable": bool(params.get("reminder_enable")),
        "reminders": [],
        "status": "created",
        "updated_at": now,
        "upi_link": False,
        "user_id": "",
    }


def _callback(params: Params) -> tuple[str, str]:
    url, method = text_of(params, "callback_url", 2048) or "", params.get("callback_method") or ""
    if url and not re.match(r"https?://[^/]", url):
        raise ApiError("The callback_url format is invalid.", "callback_url")
    if bool(url) != (method == "get"):
        raise ApiError("callback_method must be get, with a callback_url", "callback_method")
    return url, method


def _expiry(params: Params, now: int) -> int:
    expire_by = integer_of(params, "expire_by") or 0
    if expire_by and expire_by < now + _EXPIRE_SECONDS_MIN:
        raise ApiError("timestamp must be atleast 15 minutes in future", "expire_by")
    if expire_by > now + _EXPIRE_SECONDS_MAX:
        raise ApiError("expire_by cannot be more than six months in future", "expire_by")
    return expire_by


def _payment_ids(link: Document) -> list[str]:
    return [payment["payment_id"] for payment in link["payments"] or []]
