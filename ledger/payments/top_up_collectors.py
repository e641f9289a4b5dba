"""How a provider collects a top-up: it charges a saved card at once, or sends a link and waits for the customer."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from ledger.core.errors import LedgerError
from ledger.payments.gateway import Buyer, Charger, Gateway, LinkSender, Payment
from ledger.payments.payment_terms import PaymentTerms, claims

# Beside the signed terms, which say for what a payment is made; this says which attempt it was.
ATTEMPT = "attempt"
LINK_LASTS = timedelta(days=3)
_BEFORE = timedelta(minutes=1)  # clocks differ


class NoPaymentMethod(LedgerError):
    message = "The account has no saved payment method that could be charged"


class CannotCollect(LedgerError):
    message = "This payment provider takes no top-ups"


class Order(NamedTuple):
    """One attempt to collect, as the provider is asked for it, now and again."""

    terms: PaymentTerms
    metadata: dict[str, str]
    customer_id: str | None
    method_id: str | None
    buyer: Buyer
    key: str


class Collector(Protocol):
    """Every method asks the provider, and raises what a Gateway raises."""

    def source(self, customer_id: str | None, method_id: str | None) -> tuple[str | None, str | None]:
        """Whom and what to charge. Raises NoPaymentMethod."""

    def collect(self, order: Order, now: datetime) -> Payment:
        """Makes one attempt, or finds the one that was made with the same key."""

    def find(self, customer_id: str | None, purchase_id: str, since: datetime) -> Iterable[Payment]:
        """The payments of a purchase that were begun since then."""

    def ask(self, reference: str) -> Payment:
        """What became of a payment."""

    def cancel(self, reference: str) -> Payment:
        """Takes a payment back that is not paid; what it is now."""


def collector_of(gateway: Gateway) -> Collector:
    """How this provider collects. Raises CannotCollect."""
    if isinstance(gateway, Charger):
        return Cards(gateway)
    if isinstance(gateway, LinkSender):
        return Links(gateway)
    raise CannotCollect(gateway.provider)


class Cards:
    """Charges a saved method: the one that is named, or the customer's default, or the only one."""

    def __init__(self, gateway: Charger) -> None:
        self._gateway = gateway

    def source(self, customer_id: str | None, method_id: str | None) -> tuple[str | None, str | None]:
        if customer_id is None:
            raise NoPaymentMethod()
        if method_id is None:
            methods = sorted(self._gateway.methods(customer_id), key=lambda method: not method.default)
            if not methods:
                raise NoPaymentMethod()
            method_id = methods[0].method_id
        return customer_id, method_id

    def collect(self, order: Order, now: datetime) -> Payment:
        assert order.customer_id is not None
        assert order.method_id is not None
        return self._gateway.charge_saved(order.terms, order.metadata, order.customer_id, order.method_id, order.key)

    def find(self, customer_id: str | None, purchase_id: str, since: datetime) -> Iterable[Payment]:
        if customer_id is None:  # nobody has been charged
            return ()
        payments = self._gateway.payments_of(customer_id, since - _BEFORE)
        return [payment for payment in payments if claims(payment.metadata, purchase_id)]

    def ask(self, reference: str) -> Payment:
        return self._gateway.payment(reference)

    def cancel(self, reference: str) -> Payment:
        return self._gateway.cancel(reference)


class Links:
    """Sends a payment link. There is one per trigger: the provider takes our reference once, and finds it again."""

    def __init__(self, gateway: LinkSender) -> None:
        self._gateway = gateway

    def source(self, customer_id: str | None, method_id: str | None) -> tuple[str | None, str | None]:
        return None, None

    def collect(self, order: Order, now: datetime) -> Payment:
        begun = self._gateway.create_link(order.terms, order.metadata, order.buyer, now + LINK_LASTS)
        return _of_link(begun.payment) if begun.payment else self.ask(begun.reference)

    def find(self, customer_id: str | None, purchase_id: str, since: datetime) -> Iterable[Payment]:
        return ()

    def ask(self, reference: str) -> Payment:
        return _of_link(self._gateway.link(reference))

    def cancel(self, reference: str) -> Payment:
        return _of_link(self._gateway.cancel_link(reference))


def _of_link(payment: Payment) -> Payment:
    """The failure of a link, told from that of a card."""
    return payment._replace(failure=f"link_{payment.failure}") if payment.status == "failed" else payment
