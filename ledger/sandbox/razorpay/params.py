"""Request parameters, read as strictly as Razorpay reads them: an unknown parameter is refused."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ledger.sandbox.razorpay.errors import ApiError
from ledger.sandbox.store import Document

Params = Mapping[str, Any]

AMOUNT_MIN = 100  # paise: INR 1.00
_NOTES_MAX = 15
_NOTE_CHARACTERS = 256
_LIST = ("from", "to", "count", "skip")


class Page(NamedTuple):
    """A page of a list. `since` and `until`: Unix time in seconds, both inclusive."""

    since: int
    until: int | None
    size: int
    skip: int


def refuse_unknown(params: Params, *known: str) -> None:
    """Raises ApiError for a parameter that is not in `known`."""
    extra = [name for name in params if name not in known]
    if extra:
        raise ApiError(f"{', '.join(extra)} is/are not required and should not be sent")


def amount_of(params: Params, field: str = "amount") -> int:
    """A required amount in paise."""
    amount = integer_of(params, field)
    if amount is None:
        raise ApiError(f"The {field} field is required.", field)
    if amount < AMOUNT_MIN:
        raise ApiError(f"The {field} must be at least INR 1.00", field)
    return amount


def refuse_other_currency(params: Params) -> None:
    """Raises ApiError unless the currency is INR."""
    if "currency" not in params:
        raise ApiError("The currency field is required.", "currency")
    if params["currency"] != "INR":
        raise ApiError("Currency is not supported", "currency")


def integer_of(params: Params, field: str) -> int | None:
    """An integer, which a query writes as text; None if it is absent."""
    value = params.get(field)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ApiError(f"The {field} must be an integer.", field)


def text_of(params: Params, field: str, longest: int) -> str | None:
    """A text; None if it is absent."""
    value = params.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ApiError(f"The {field} must be a string.", field)
    if len(value) > longest:
        raise ApiError(f"The {field} may not be greater than {longest} characters.", field)
    return value


def notes_of(params: Params) -> dict[str, str] | list[str]:
    """Notes in the form of entities: an object, or an empty list if there are none."""
    notes = params.get("notes") or {}
    if not isinstance(notes, dict):
        raise ApiError("The notes must be an array.", "notes")
    if len(notes) > _NOTES_MAX:
        raise ApiError(f"Number of fields in notes should be less than or equal to {_NOTES_MAX}", "notes")
    for name, value in notes.items():
        if not isinstance(value, str | int) or len(str(value)) > _NOTE_CHARACTERS:
            raise ApiError(f"The notes.{name} may not be greater than {_NOTE_CHARACTERS} characters.", "notes")
    return {name: str(value) for name, value in notes.items()} or []


def page_of(params: Params, *, count_max: int = 100) -> Page:
    """The page of a list that a query asks for."""
    since, until, count, skip = (integer_of(params, name) for name in _LIST)
    if count is not None and count < 1:
        raise ApiError("The count must be at least 1.", "count")
    if count is not None and count > count_max:
        raise ApiError(f"The count may not be greater than {count_max}.", "count")
    return Page(since or 0, until, 10 if count is None else count, skip or 0)


def shown(document: Document) -> Document:
    """A document as the API shows it: without the sandbox's private fields."""
    return {name: value for name, value in document.items() if not name.startswith("_")}


def collection(items: list[Document]) -> Document:
    """A list as the API shows it."""
    return {"entity": "collection", "count": len(items), "items": [shown(item) for item in items]}
