"""Customers. Each pair of email and contact is unique."""

from ledger.sandbox.razorpay.errors import ApiError
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id
from ledger.sandbox.razorpay.params import Params, integer_of, notes_of, refuse_unknown, text_of
from ledger.sandbox.store import Document


def create(merchant: Merchant, call: Call) -> Document:
    """Creates a customer; with `fail_existing` 0 it returns the existing one."""
    params = call.params
    refuse_unknown(params, "name", "email", "contact", "gstin", "notes", "fail_existing")
    customer: Document = {
        "id": new_id("customer"),
        "entity": "customer",
        "name": _name(params),
        "email": text_of(params, "email", 64),
        "contact": _contact(params),
        "gstin": text_of(params, "gstin", 15),
        "notes": notes_of(params),
        "created_at": merchant.now(),
    }
    existing = merchant.find("customer", email=customer["email"], contact=customer["contact"])
    if not existing:
        return merchant.put("customer", customer)
    if integer_of(params, "fail_existing") == 0:
        return existing[0]
    raise ApiError("Customer already exists for the merchant")


def edit(merchant: Merchant, call: Call) -> Document:
    """Changes name, email, contact or notes."""
    params = call.params
    refuse_unknown(params, "name", "email", "contact", "notes")
    customer = merchant.get("customer", call.id)
    changed = {
        "name": _name,
        "email": lambda params: text_of(params, "email", 64),
        "contact": _contact,
        "notes": notes_of,
    }
    customer |= {name: read(params) for name, read in changed.items() if name in params}
    others = merchant.find("customer", email=customer["email"], contact=customer["contact"])
    if any(other["id"] != call.id for other in others):
        raise ApiError("Customer already exists for the merchant")
    return merchant.put("customer", customer)


def fetch(merchant: Merchant, call: Call) -> Document:
    """One customer."""
    return merchant.get("customer", call.id)


def list_(merchant: Merchant, call: Call) -> Document:
    """All customers, newest first."""
    return merchant.list_page("customer", call.params)


def _name(params: Params) -> str | None:
    name = text_of(params, "name", 50)
    if name is not None and len(name) < 3:
        raise ApiError("The name must be at least 3 characters.", "name")
    return name


def _contact(params: Params) -> str | None:
    contact = str(params["contact"]) if isinstance(params.get("contact"), int) else text_of(params, "contact", 15)
    if contact is not None and sum(map(str.isdigit, contact)) < 8:
        raise ApiError("Contact number should be at least 8 digits, including country code", "contact")
    return contact
