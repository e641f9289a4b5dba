"""Payment links: an address that the customer pays at, until it expires or is cancelled."""

import re
from urllib.parse import urlencode

from ledger.sandbox.razorpay import orders
from ledger.sandbox.razorpay.errors import Refusal
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id
from ledger.sandbox.razorpay.reading import (
    Given,
    amount_of,
    integer_of,
    notes_of,
    refuse_foreign,
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
    """A new link. A `reference_id` is taken only once."""
    given = call.given
    refuse_unknown(given, *_KNOWN)
    if given.get("accept_partial"):
        raise Refusal("Partial payments are not part of this sandbox", "accept_partial")
    if "currency" in given:
        refuse_foreign(given)
    link = _new(given, merchant.now(), new_id("payment_link"))
    if link["reference_id"] and merchant.find("payment_link", reference_id=link["reference_id"]):
        raise Refusal("payment link creation with reference ID already attempted", "reference_id")
    if link["expire_by"]:
        merchant.remind(link["id"], link["expire_by"])
    return merchant.put("payment_link", {**link, "short_url": f"{merchant.address}/l/{link['id']}"})


def fetch(merchant: Merchant, call: Call) -> Document:
    """One link."""
    return merchant.get("payment_link", call.id)


def list_(merchant: Merchant, call: Call) -> Document:
    """Links, newest first; `reference_id`, `payment_id`: the one that has it."""
    refuse_unknown(call.given, "reference_id", "payment_id")
    links = merchant.find("payment_link")
    if "reference_id" in call.given:
        links = [link for link in links if link["reference_id"] == call.given["reference_id"]]
    if "payment_id" in call.given:
        links = [link for link in links if call.given["payment_id"] in _payment_ids(link)]
    return {"payment_links": links}


def cancel(merchant: Merchant, call: Call) -> Document:
    """Ends an unpaid link."""
    refuse_unknown(call.given)
    link = merchant.get("payment_link", call.id)
    if link["status"] == "paid":
        raise Refusal("cannot cancel or expire an already paid/partially paid link")
    if link["status"] != "created":
        raise Refusal("cannot cancel or expire an expired link")
    merchant.forget(link["id"])
    now = merchant.now()
    link = merchant.put("payment_link", {**link, "status": "cancelled", "cancelled_at": now, "updated_at": now})
    merchant.tell("payment_link.cancelled", payment_link=link)
    return link


def refuse_ended(link: Document) -> None:
    """Raises Refusal for a link that nobody can pay any more."""
    if link["status"] != "created":
        raise Refusal(f"This payment link is {link['status']}")


def order_of(merchant: Merchant, link: Document) -> Document:
    """The order that the link's payments are made for; it is made with the first of them."""
    if link["order_id"]:
        return merchant.get("order", link["order_id"])
    order = orders.new(merchant, link["amount"], link["reference_id"] or None, link["notes"] or [])
    merchant.put("payment_link", {**link, "order_id": order["id"]})
    return merchant.put("order", {**order, "_payment_link": link["id"]})


def settle(merchant: Merchant, order: Document, payment: Document) -> None:
    """The link's order was paid. Money that was authorized before the link's end and captured after it counts too."""
    link = merchant.get("payment_link", order["_payment_link"])
    merchant.forget(link["id"])
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
    merchant.tell("payment_link.paid", payment=payment, order=order, payment_link=link)


def expire(merchant: Merchant, link_id: str) -> None:
    """Ends a link whose time is over."""
    link, now = merchant.get("payment_link", link_id), merchant.now()
    link = merchant.put("payment_link", {**link, "status": "expired", "expired_at": now, "updated_at": now})
    merchant.tell("payment_link.expired", payment_link=link)


def return_url(merchant: Merchant, link: Document) -> str | None:
    """Where the customer goes on after paying, with the proof that it was paid; None: nowhere."""
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


def _new(given: Given, now: int, link_id: str) -> Document:
    customer, notify = given.get("customer") or {}, given.get("notify") or {}
    refuse_unknown(customer, "name", "email", "contact")
    refuse_unknown(notify, "sms", "email")
    callback_url, callback_method = _callback(given)
    return {
        "id": link_id,
        "accept_partial": False,
        "amount": amount_of(given),
        "amount_paid": 0,
        "callback_method": callback_method,
        "callback_url": callback_url,
        "cancelled_at": 0,
        "created_at": now,
        "currency": "INR",
        "customer": dict(customer),
        "description": text_of(given, "description", 2048) or "",
        "expire_by": _expiry(given, now),
        "expired_at": 0,
        "first_min_partial_amount": 0,
        "notes": notes_of(given) or None,
        "notify": {"email": bool(notify.get("email")), "sms": bool(notify.get("sms"))},
        "order_id": None,
        "payments": None,
        "reference_id": text_of(given, "reference_id", 40) or "",
        "reminder_enable": bool(given.get("reminder_enable")),
        "reminders": [],
        "status": "created",
        "updated_at": now,
        "upi_link": False,
        "user_id": "",
    }


def _callback(given: Given) -> tuple[str, str]:
    url, method = text_of(given, "callback_url", 2048) or "", given.get("callback_method") or ""
    if url and not re.match(r"https?://[^/]", url):
        raise Refusal("The callback_url format is invalid.", "callback_url")
    if bool(url) != (method == "get"):
        raise Refusal("callback_method must be get, with a callback_url", "callback_method")
    return url, method


def _expiry(given: Given, now: int) -> int:
    expire_by = integer_of(given, "expire_by") or 0
    if expire_by and expire_by < now + _EXPIRE_SECONDS_MIN:
        raise Refusal("timestamp must be atleast 15 minutes in future", "expire_by")
    if expire_by > now + _EXPIRE_SECONDS_MAX:
        raise Refusal("expire_by cannot be more than six months in future", "expire_by")
    return expire_by


def _payment_ids(link: Document) -> list[str]:
    return [payment["payment_id"] for payment in link["payments"] or []]
