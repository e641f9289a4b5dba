"""Customers: unique by email and contact together."""

from ledger.sandbox.razorpay.errors import Refusal
from ledger.sandbox.razorpay.merchant import Call, Merchant, new_id
from ledger.sandbox.razorpay.reading import Given, integer_of, notes_of, refuse_unknown, text_of
from ledger.sandbox.store import Document


def create(merchant: Merchant, call: Call) -> Document:
    """A new customer; with `fail_existing` 0 the one that is there already."""
    given = call.given
    refuse_unknown(given, "name", "email", "contact", "gstin", "notes", "fail_existing")
    customer: Document = {
        "id": new_id("customer"),
        "entity": "customer",
        "name": _name(given),
        "email": text_of(given, "email", 64),
        "contact": _contact(given),
        "gstin": text_of(given, "gstin", 15),
        "notes": notes_of(given),
        "created_at": merchant.now(),
    }
    existing = merchant.find("customer", email=customer["email"], contact=customer["contact"])
    if not existing:
        return merchant.put("customer", customer)
    if integer_of(given, "fail_existing") == 0:
        return existing[0]
    raise Refusal("Customer already exists for the merchant")


def edit(merchant: Merchant, call: Call) -> Document:
    """Changes name, email, contact or notes."""
    given = call.given
    refuse_unknown(given, "name", "email", "contact", "notes")
    customer = merchant.get("customer", call.id)
    changed = {"name": _name, "email": lambda said: text_of(said, "email", 64), "contact": _contact, "notes": notes_of}
    customer |= {name: read(given) for name, read in changed.items() if name in given}
    others = merchant.find("customer", email=customer["email"], contact=customer["contact"])
    if any(other["id"] != call.id for other in others):
        raise Refusal("Customer already exists for the merchant")
    return merchant.put("customer", customer)


def fetch(merchant: Merchant, call: Call) -> Document:
    """One customer."""
    return merchant.get("customer", call.id)


def list_(merchant: Merchant, call: Call) -> Document:
    """All customers, newest first."""
    return merchant.listed("customer", call.given)


def _name(given: Given) -> str | None:
    name = text_of(given, "name", 50)
    if name is not None and len(name) < 3:
        raise Refusal("The name must be at least 3 characters.", "name")
    return name


def _contact(given: Given) -> str | None:
    contact = str(given["contact"]) if isinstance(given.get("contact"), int) else text_of(given, "contact", 15)
    if contact is not None and sum(map(str.isdigit, contact)) < 8:
        raise Refusal("Contact number should be at least 8 digits, including country code", "contact")
    return contact
