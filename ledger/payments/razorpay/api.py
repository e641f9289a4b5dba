"""The part of Razorpay's API that we use: typed calls of the SDK, and lists read to their end."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

from pydantic import ValidationError

from ledger.payments.gateway import ProviderRefuses, ProviderUnknown
from ledger.payments.razorpay.entities import (
    Customer,
    Dispute,
    Entity,
    Link,
    Order,
    Payment,
    Refund,
    Settlement,
)

_PER_PAGE = 100  # the most that Razorpay gives at once
_ID = re.compile(r"[a-z]+_[A-Za-z0-9]{1,40}")

_E = TypeVar("_E", bound=Entity)
_Ask = Callable[[dict[str, Any]], Any]


def is_id(text: str, kind: str) -> bool:
    """Whether this can be an id of that kind (pay, order, …). Ids become part of URLs, and some come from browsers."""
    return text.startswith(kind + "_") and _ID.fullmatch(text) is not None


def checked(text: str, kind: str, field: str) -> str:
    """The id. Raises ProviderRefuses, naming the field."""
    if not is_id(text, kind):
        raise ProviderRefuses(f"{text!a} is no id of Razorpay such as {kind}_…", field=field)
    return text


class Api:
    """Each call may raise a ProviderError. The SDK changes its arguments, so each call makes a new dictionary."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def create_customer(self, body: Mapping[str, Any]) -> Customer:
        return _read(Customer, self._client.customer.create(dict(body)))

    def edit_customer(self, customer_id: str, body: Mapping[str, Any]) -> Customer:
        return _read(Customer, self._client.customer.edit(checked(customer_id, "cust", "customer_id"), dict(body)))

    def customer(self, customer_id: str) -> Customer:
        return _read(Customer, self._client.customer.fetch(checked(customer_id, "cust", "customer_id"), {}))

    def create_order(self, body: Mapping[str, Any]) -> Order:
        return _read(Order, self._client.order.create(dict(body)))

    def order(self, order_id: str) -> Order:
        return _read(Order, self._client.order.fetch(checked(order_id, "order", "order_id"), {}))

    def orders_with(self, receipt: str) -> list[Order]:
        """The orders with this receipt; Razorpay's own filter finds those that contain it."""
        found = _pages(Order, self._client.order.all, {"receipt": receipt})
        return [order for order in found if order.receipt == receipt]

    def payments_of(self, order_id: str) -> list[Payment]:
        """All attempts to pay an order, the oldest first."""
        answer = self._client.order.payments(checked(order_id, "order", "order_id"), {})
        return sorted(_items(Payment, answer), key=lambda payment: (payment.created_at, payment.id))

    def payment(self, payment_id: str) -> Payment:
        return _read(Payment, self._client.payment.fetch(checked(payment_id, "pay", "payment_id"), {}))

    def payments(self, since: datetime) -> Iterator[Payment]:
        return _pages(Payment, self._client.payment.all, _from(since))

    def capture(self, payment_id: str, amount_minor: int, currency: str) -> Payment:
        body = {"currency": currency}  # never the SDK's default, which is shared and keeps the last amount
        return _read(
            Payment, self._client.payment.capture(checked(payment_id, "pay", "payment_id"), amount_minor, body)
        )

    def create_refund(self, payment_id: str, amount_minor: int, key: str, notes: Mapping[str, str]) -> Refund:
        """Idempotent by `key`: at least ten letters, digits, hyphens and underscores."""
        body = {"amount": amount_minor, "speed": "normal", "notes": dict(notes)}
        headers = {"X-Refund-Idempotency": key}
        ident = checked(payment_id, "pay", "payment_id")
        return _read(Refund, self._client.payment.refund(ident, body, headers=headers))

    def refunds(self, since: datetime) -> Iterator[Refund]:
        return _pages(Refund, self._client.refund.all, _from(since))

    def refunds_of(self, payment_id: str) -> list[Refund]:
        ident = checked(payment_id, "pay", "payment_id")
        return list(_pages(Refund, lambda query: self._client.payment.fetch_multiple_refund(ident, query), {}))

    def disputes(self, since: datetime) -> Iterator[Dispute]:
        return _pages(Dispute, self._client.dispute.all, _from(since))

    def settlements(self, since: datetime) -> Iterator[Settlement]:
        return _pages(Settlement, self._client.settlement.all, _from(since))

    def create_link(self, body: Mapping[str, Any]) -> Link:
        return _read(Link, self._client.payment_link.create(dict(body)))

    def link(self, link_id: str) -> Link:
        return _read(Link, self._client.payment_link.fetch(checked(link_id, "plink", "reference"), {}))

    def links_with(self, reference_id: str) -> list[Link]:
        """The links with this reference of ours; Razorpay accepts each reference only once."""
        answer = self._client.payment_link.all({"reference_id": reference_id})
        found = _items(Link, answer, "payment_links")
        return [link for link in found if link.reference_id == reference_id]

    def cancel_link(self, link_id: str) -> Link:
        return _read(Link, self._client.payment_link.cancel(checked(link_id, "plink", "reference")))


def _from(since: datetime) -> dict[str, Any]:
    return {"from": int(since.timestamp())}


def _pages(kind: type[_E], ask: _Ask, query: Mapping[str, Any]) -> Iterator[_E]:
    """A whole list, newest first. An entity that is made meanwhile shifts the others, so some are read twice."""
    seen: set[str] = set()
    for page in count():
        found = _items(kind, ask({**query, "count": _PER_PAGE, "skip": page * _PER_PAGE}))
        yield from (entity for entity in found if entity.id not in seen)
        seen.update(entity.id for entity in found)
        if len(found) < _PER_PAGE:
            return


def _items(kind: type[_E], answer: Any, name: str = "items") -> list[_E]:
    items = answer.get(name)
    if not isinstance(items, list):
        raise ProviderUnknown(f"Razorpay's answer has no list {name}")
    return [_read(kind, item) for item in items]


def _read(kind: type[_E], answer: Any) -> _E:
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        raise ProviderUnknown(f"Razorpay's answer is no {kind.__name__.lower()}: {invalid_fields(error)}") from None


def invalid_fields(error: ValidationError) -> str:
    """Which fields are not as documented, without their values."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
