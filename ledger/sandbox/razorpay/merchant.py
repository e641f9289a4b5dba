"""The one account that the sandbox has at Razorpay: its key, its entities, and the events that its webhook is told."""

import hmac
import json
import secrets
import string
from typing import NamedTuple

from ledger.sandbox.clock import Clock
from ledger.sandbox.parts import Sandbox
from ledger.sandbox.razorpay.errors import Refusal
from ledger.sandbox.razorpay.reading import Given, Page, collection, page_of, refuse_unknown, shown
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
    """One call of the API: its parameters, and the id that its path names."""

    given: Given
    id: str = ""
    idempotency_key: str | None = None


class Merchant(NamedTuple):
    """What every operation works on; each runs within one transaction of the store."""

    store: Store
    clock: Clock
    webhooks: Webhooks
    key_id: str
    key_secret: str
    address: str  # of this half of the sandbox

    def now(self) -> int:
        """Seconds since 1970, by the sandbox's clock."""
        return self.clock.now()

    def get(self, entity: str, id_: str) -> Document:
        """One entity, to change and put again. Raises Refusal."""
        document = self.store.get(f"{NAME}.{entity}", id_)
        if document is None:
            raise Refusal("The id provided does not exist")
        return document

    def put(self, entity: str, document: Document) -> Document:
        """Keeps an entity."""
        return self.store.put(f"{NAME}.{entity}", document)

    def find(self, entity: str, **equal: str | int | bool | None) -> list[Document]:
        """Those whose fields equal these, newest first."""
        return list(self.store.find(f"{NAME}.{entity}", **equal))

    def listed(self, entity: str, given: Given, **equal: str | int | bool | None) -> Document:
        """The part of a list that a query asks for, newest first."""
        refuse_unknown(given, "from", "to", "count", "skip")
        return collection(part_of(self.find(entity, **equal), page_of(given)))

    def remind(self, id_: str, at: int) -> None:
        """Something happens to this entity then, by itself: `passing_time` sees to it."""
        self.put("reminder", {"id": id_, "at": at})

    def forget(self, id_: str) -> None:
        """Nothing happens to it by itself any more."""
        self.store.remove(f"{NAME}.reminder", id_)

    def tell(self, event: str, **entities: Document) -> None:
        """Sends a webhook: a snapshot of the entities as they are now."""
        body = {
            "entity": "event",
            "account_id": ACCOUNT,
            "event": event,
            "contains": list(entities),
            "payload": {name: {"entity": shown(entity)} for name, entity in entities.items()},
            "created_at": self.now(),
        }
        self.webhooks.tell(NAME, f"evt_{_random()}", event, json.dumps(body, separators=(",", ":")))

    def sign(self, *parts: str) -> str:
        """What checkout gives a browser to prove a payment: HMAC-SHA256 with the key's secret."""
        return hmac.digest(self.key_secret.encode(), "|".join(parts).encode(), "sha256").hex()


def merchant_of(sandbox: Sandbox) -> Merchant:
    """The account of a running sandbox."""
    options = sandbox.options
    key = (options.razorpay_key_id, options.razorpay_key_secret)
    return Merchant(sandbox.store, sandbox.clock, sandbox.webhooks, *key, f"{options.address}/{NAME}")


def new_id(entity: str) -> str:
    """An id in Razorpay's form, such as pay_29QQoUBi66xm2f."""
    return f"{_PREFIX[entity]}_{_random()}"


def part_of(documents: list[Document], page: Page, by: str = "created_at") -> list[Document]:
    """The documents of a page."""
    meant = [each for each in documents if page.since <= each[by] and (page.until is None or each[by] <= page.until)]
    return meant[page.skip : page.skip + page.size]


def sign_webhook(body: bytes, secret: str, event_id: str) -> dict[str, str]:
    """The headers of a webhook: the signature covers the body alone; the event's id is not signed."""
    signature = hmac.digest(secret.encode(), body, "sha256").hex()
    return {"X-Razorpay-Signature": signature, "X-Razorpay-Event-Id": event_id}


def _random() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(14))
