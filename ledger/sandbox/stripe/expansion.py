"""`expand`: replaces ids in a response by whole objects, by paths such as `data.latest_charge`."""

from typing import Any

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.errors import invalid
from ledger.sandbox.stripe.stripe_account import PREFIXES, StripeAccount

_BY_PREFIX = {prefix: object_ for object_, prefix in PREFIXES.items()}


def expanded(account: StripeAccount, answer: Document, paths: list[str]) -> Document:
    """The response with the expanded objects. Raises ApiError if a path does not lead to an id."""
    for path in paths:
        names = path.split(".")
        if len(names) > 4:
            raise invalid("You cannot expand more than 4 levels of a property", "expand")
        _expand(account, answer, names, path)
    return answer


def _expand(account: StripeAccount, place: Any, names: list[str], path: str) -> None:
    if isinstance(place, list):
        for each in place:
            _expand(account, each, names, path)
        return
    if place is None:
        return
    name, rest = names[0], names[1:]
    if not isinstance(place, dict) or name not in place:
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    if isinstance(place[name], str):
        object_ = _BY_PREFIX.get(place[name].rpartition("_")[0])
        if object_ is None:
            raise invalid(f"This property cannot be expanded ({path}).", "expand")
        place[name] = account.get(object_, place[name])
    if rest:
        _expand(account, place[name], rest, path)
