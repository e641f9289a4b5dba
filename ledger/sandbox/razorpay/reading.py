"""Reads the parameters of requests as strictly as Razorpay does: an unknown one is refused, not ignored."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ledger.sandbox.razorpay.errors import Refusal
from ledger.sandbox.store import Document

Given = Mapping[str, Any]

AMOUNT_MIN = 100  # paise: INR 1.00
_NOTES_MAX = 15
_NOTE_CHARACTERS = 256
_LIST = ("from", "to", "count", "skip")


class Page(NamedTuple):
    """Which part of a list is wanted; `since` and `until` in seconds since 1970, both included."""

    since: int
    until: int | None
    size: int
    skip: int


def refuse_unknown(given: Given, *known: str) -> None:
    """Raises Refusal for a parameter that is none of these."""
    extra = [name for name in given if name not in known]
    if extra:
        raise Refusal(f"{', '.join(extra)} is/are not required and should not be sent")


def amount_of(given: Given, field: str = "amount") -> int:
    """A mandatory amount in paise."""
    amount = integer_of(given, field)
    if amount is None:
        raise Refusal(f"The {field} field is required.", field)
    if amount < AMOUNT_MIN:
        raise Refusal(f"The {field} must be at least INR 1.00", field)
    return amount


def refuse_foreign(given: Given) -> None:
    """Raises Refusal unless the currency is INR."""
    if "currency" not in given:
        raise Refusal("The currency field is required.", "currency")
    if given["currency"] != "INR":
        raise Refusal("Currency is not supported", "currency")


def integer_of(given: Given, field: str) -> int | None:
    """A whole number, also written as text as in a query; None when it isn't given."""
    value = given.get(field)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise Refusal(f"The {field} must be an integer.", field)


def text_of(given: Given, field: str, longest: int) -> str | None:
    """Text; None when it isn't given."""
    value = given.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refusal(f"The {field} must be a string.", field)
    if len(value) > longest:
        raise Refusal(f"The {field} may not be greater than {longest} characters.", field)
    return value


def notes_of(given: Given) -> dict[str, str] | list[str]:
    """Notes as entities show them: an object, and an empty list when there are none."""
    notes = given.get("notes") or {}
    if not isinstance(notes, dict):
        raise Refusal("The notes must be an array.", "notes")
    if len(notes) > _NOTES_MAX:
        raise Refusal(f"Number of fields in notes should be less than or equal to {_NOTES_MAX}", "notes")
    for name, value in notes.items():
        if not isinstance(value, str | int) or len(str(value)) > _NOTE_CHARACTERS:
            raise Refusal(f"The notes.{name} may not be greater than {_NOTE_CHARACTERS} characters.", "notes")
    return {name: str(value) for name, value in notes.items()} or []


def page_of(given: Given, *, count_max: int = 100) -> Page:
    """The part of a list that a query asks for."""
    since, until, count, skip = (integer_of(given, name) for name in _LIST)
    if count is not None and count < 1:
        raise Refusal("The count must be at least 1.", "count")
    if count is not None and count > count_max:
        raise Refusal(f"The count may not be greater than {count_max}.", "count")
    return Page(since or 0, until, 10 if count is None else count, skip or 0)


def shown(document: Document) -> Document:
    """A document as the API shows it: without what the sandbox notes for itself."""
    return {name: value for name, value in document.items() if not name.startswith("_")}


def collection(items: list[Document]) -> Document:
    """A list as the API shows it."""
    return {"entity": "collection", "count": len(items), "items": [shown(item) for item in items]}
