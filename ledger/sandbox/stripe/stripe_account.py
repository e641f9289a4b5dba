"""One Stripe account: its objects, stored as the documents that the API returns, and its events."""

import json
import secrets
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ledger.sandbox.sandbox import Sandbox
from ledger.sandbox.store import Document
from ledger.sandbox.stripe.errors import invalid, missing
from ledger.sandbox.stripe.params import DatedListParams, ListParams

API_VERSION = "2026-10-28.endive"
PREFIXES = {
    "balance_transaction": "txn",
    "charge": "ch",
    "checkout.session": "cs_test",
    "customer": "cus",
    "dispute": "du",
    "event": "evt",
    "payment_intent": "pi",
    "payment_method": "pm",
    "payout": "po",
    "refund": "re",
    "setup_intent": "seti",
    "tax_id": "txi",
}


class StripeAccount(NamedTuple):
    """The account's objects, each of kind "stripe.<object>", for one request."""

    sandbox: Sandbox
    request_id: str | None = None
    idempotency_key: str | None = None

    @property
    def now(self) -> int:
        """The sandbox's time in Unix seconds."""
        return self.sandbox.clock.now()

    @property
    def pages(self) -> str:
        """The URL below which the hosted pages are."""
        return f"{self.sandbox.options.address}/stripe"

    def make(self, object_: str, **fields: Any) -> Document:
        """Makes and stores an object with an id, the time, and these fields."""
        id_ = f"{PREFIXES[object_]}_{secrets.token_hex(12)}"
        return self.put({"id": id_, "object": object_, "created": self.now, "livemode": False, **fields})

    def put(self, document: Document) -> Document:
        """Stores a changed object; returns it."""
        return self.sandbox.store.put(f"stripe.{document['object']}", document)

    def get(self, object_: str, id_: str, param: str | None = None) -> Document:
        """An object. Raises ApiError if there is none. `param`: the parameter that names it; None if the path does."""
        found = self.sandbox.store.get(f"stripe.{object_}", id_)
        if found is None:
            raise missing(object_, id_, param or "id", status=400 if param else 404)
        return found

    def find(self, object_: str, **equal: str | int | bool | None) -> Iterator[Document]:
        """The objects whose fields equal these, newest first."""
        return self.sandbox.store.find(f"stripe.{object_}", **equal)

    def page(self, url: str, found: Iterable[Document], params: ListParams) -> Document:
        """One page of a list. `found`: newest first."""
        if isinstance(params, DatedListParams):
            found = (each for each in found if params.covers(each["created"]))
        data, more = _cut(list(found), params)
        return {"object": "list", "url": url, "has_more": more, "data": data}

    def emit(self, type_: str, document: Document, previous: Document | None = None) -> None:
        """Makes an event with the object as it is now, and sends it as a webhook."""
        data = {"object": document} if previous is None else {"object": document, "previous_attributes": previous}
        event = self.make(
            "event",
            api_version=API_VERSION,
            data=data,
            pending_webhooks=1,
            request={"id": self.request_id, "idempotency_key": self.idempotency_key},
            type=type_,
        )
        self.sandbox.webhooks.emit("stripe", event["id"], type_, json.dumps(event))


def _cut(found: list[Document], params: ListParams) -> tuple[list[Document], bool]:
    ids = [each["id"] for each in found]
    cursor = params.starting_after or params.ending_before
    if cursor is not None and cursor not in ids:
        name = "starting_after" if params.starting_after else "ending_before"
        raise invalid(f"No such object: '{cursor}'", name, "resource_missing")
    if params.ending_before:
        before = found[: ids.index(params.ending_before)]
        return before[-params.limit :], len(before) > params.limit
    after = found[ids.index(params.starting_after) + 1 :] if params.starting_after else found
    return after[: params.limit], len(after) > params.limit
