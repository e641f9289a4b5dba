"""The sandbox's one merchant account at Razorpay: its key, its entities, and its webhooks."""

import hmac
import json
import secrets
import string
from typing import NamedTuple

from ledger.sandbox.clock import Clock
from ledger.sandbox.razorpay.errors import ApiError
from ledger.sandbox.razorpay.params import Page, Params, collection, page_of, refuse_unknown, shown
from ledger.sandbox.sandbox import Sandbox
from ledger.sandbox.store import Document, Store
from ledger.sandbox.webhooks import Webhooks

NAME = "razorpay"
ACCOUNT = "acc_SandboxLedger0"
_PREFIX = {
    "customer": "cust",
    "order": "order",
    "payment": "pay",
    "refund": "rfnd",
    "dispute": "disp",
    "settlement": "setl",
    "payment_link": "plink",
    "adjustment": "adj",
    "card": "card",
}
_LETTERS = string.ascii_letters + string.digits


class Call(NamedTuple):
    """One call of the API: its parameters, and the id in its path."""

    params: Params
    id: str = ""
    idempotency_key: str | None = None


class Merchant(NamedTuple):
    """The account that each operation uses, within one transaction of the store."""

    store: Store
    clock: Clock
    webhooks: Webhooks
    key_id: str
    key_secret: str
    address: str  # of Razorpay's API in the sandbox

    def now(self) -> int:
        """Unix time in seconds, by the sandbox's clock."""
        return self.clock.now()

    def get(self, entity: str, id_: str) -> Document:
        """One entity, to change and `put` again. Raises ApiError if there is none."""
        document = self.store.get(f"{NAME}.{entity}", id_)
        if document is None:
            raise ApiError("The id provided does not exist")
        return document

    def put(self, entity: str, document: Document) -> Document:
        """Stores an entity."""
        return self.store.put(f"{NAME}.{entity}", document)

    def find(self, entity: str, **equal: str | int | bool | None) -> list[Document]:
        """The entities whose fields equal these, newest first."""
        return list(self.store.find(f"{NAME}.{entity}", **equal))

    def list_page(self, entity: str, params: Params, **equal: str | int | bool | None) -> Document:
        """One page of a list, as the query asks for it, newest first."""
        refuse_unknown(params, "from", "to", "count", "skip")
        return collection(page_slice(self.find(entity, **equal), page_of(params)))

    def set_timer(self, id_: str, at: int) -> None:
        """At this time the entity expires or is refunded by itself; see `timers`."""
        self.put("timer", {"id": id_, "at": at})

    def cancel_timer(self, id_: str) -> None:
        """Removes the entity's timer."""
        self.store.remove(f"{NAME}.timer", id_)

    def emit(self, event: str, **entities: Document) -> None:
        """Sends a webhook with the entities as they are now."""
        body = {
            "entity": "event",
            "account_id": ACCOUNT,
            "event": event,
            "contains": list(entities),
            "payload": {name: {"entity": shown(entity)} for name, entity in entities.items()},
            "created_at": self.now(),
        }
        self.webhooks.emit(NAME, f"evt_{_random()}", event, json.dumps(body, separators=(",", ":")))

    def sign(self, *parts: str) -> str:
        """The signature with which checkout proves a payment: HMAC-SHA256 with the key secret."""
        return hmac.digest(self.key_secret.encode(), "|".join(parts).encode(), "sha256").hex()


def merchant_of(sandbox: Sandbox) -> Merchant:
    """The account of a running sandbox."""
    options = sandbox.options
    key = (options.razorpay_key_id, options.razorpay_key_secret)
    return Merchant(sandbox.store, sandbox.clock, sandbox.webhooks, *key, f"{options.address}/{NAME}")


def new_id(entity: str) -> str:
    """An id in Razorpay's form, such as pay_29QQoUBi66xm2f."""
    return f"{_PREFIX[entity]}_{_random()}"


def page_slice(documents: list[Document], page: Page, by: str = "created_at") -> list[Document]:
    """The documents on a page."""
    meant = [each for each in documents if page.since <= each[by] and (page.until is None or each[by] <= page.until)]
    return meant[page.skip : page.skip + page.size]


def sign_webhook(body: bytes, secret: str, event_id: str) -> dict[str, str]:
    """The headers of a webhook. The signature covers the body only, not the event's id."""
    signature = hmac.digest(secret.encode(), body, "sha256").hex()
    return {"X-Razorpay-Signature": signature, "X-Razorpay-Event-Id": event_id}


def _random() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(14))
