"""How a provider collects the money of a top-up: it charges a saved method at once, or sends the customer a link."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from ledger.core.errors import LedgerError
from ledger.payments.gateway import Buyer, Charger, Gateway, LinkSender, Payment
from ledger.payments.payment_terms import PaymentTerms, claims_purchase

# The metadata field, beside the signed terms, that says which attempt of a trigger a payment is.
ATTEMPT = "attempt"
PAYMENT_LINK_LASTS = timedelta(days=3)
_CLOCKS_DIFFER = timedelta(minutes=1)


class NoPaymentMethod(LedgerError):
    message = "The account has no saved payment method that could be charged"


class CannotCollect(LedgerError):
    message = "This payment provider takes no top-ups"


class AttemptRequest(NamedTuple):
    """One attempt to collect, the same in every repetition. `key`: the idempotency key."""

    terms: PaymentTerms
    metadata: dict[str, str]
    customer_id: str | None
    method_id: str | None
    buyer: Buyer
    key: str


class Collector(Protocol):
    """Every method asks the provider, and raises what a Gateway raises."""

    def source(self, customer_id: str | None, method_id: str | None) -> tuple[str | None, str | None]:
        """The customer and the method to charge. Raises NoPaymentMethod."""

    def collect(self, request: AttemptRequest, now: datetime) -> Payment:
        """Makes an attempt, or finds the one that was made with the same key."""

    def find(self, customer_id: str | None, purchase_id: str, since: datetime) -> Iterable[Payment]:
        """The payments of a purchase that were begun since then."""

    def payment(self, reference: str) -> Payment:
        """A payment as it is now."""

    def cancel(self, reference: str) -> Payment:
        """Cancels a payment that is not paid. Returns the payment as it is then."""


def collector_of(gateway: Gateway) -> Collector:
    """How this provider collects. Raises CannotCollect."""
    if isinstance(gateway, Charger):
        return SavedMethodCollector(gateway)
    if isinstance(gateway, LinkSender):
        return PaymentLinkCollector(gateway)
    raise CannotCollect(gateway.provider)


class SavedMethodCollector:
    """Charges a saved method: the one that is named, else the customer's default, else the first one."""

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

    def collect(self, request: AttemptRequest, now: datetime) -> Payment:
        assert request.customer_id is not None
        assert request.method_id is not None
        return self._gateway.charge_saved(
            request.terms, request.metadata, request.customer_id, request.method_id, request.key
        )

    def find(self, customer_id: str | None, purchase_id: str, since: datetime) -> Iterable[Payment]:
        if customer_id is None:  # without a customer no payment was made
            return ()
        payments = self._gateway.payments_of(customer_id, since - _CLOCKS_DIFFER)
        return [payment for payment in payments if claims_purchase(payment.metadata, purchase_id)]

    def payment(self, reference: str) -> Payment:
        return self._gateway.payment(reference)

    def cancel(self, reference: str) -> Payment:
        return self._gateway.cancel(reference)


class PaymentLinkCollector:
    """Sends a payment link, one per trigger: the provider accepts our reference once, and finds the link by it."""

    def __init__(self, gateway: LinkSender) -> None:
        self._gateway = gateway

    def source(self, customer_id: str | None, method_id: str | None) -> tuple[str | None, str | None]:
        return None, None

    def collect(self, request: AttemptRequest, now: datetime) -> Payment:
        begun = self._gateway.create_link(request.terms, request.metadata, request.buyer, now + PAYMENT_LINK_LASTS)
        return _with_link_failure(begun.payment) if begun.payment else self.payment(begun.reference)

    def find(self, customer_id: str | None, purchase_id: str, since: datetime) -> Iterable[Payment]:
        return ()

    def payment(self, reference: str) -> Payment:
        return _with_link_failure(self._gateway.link(reference))

    def cancel(self, reference: str) -> Payment:
        return _with_link_failure(self._gateway.cancel_link(reference))


def _with_link_failure(payment: Payment) -> Payment:
    """Prefixes the failure code of a link, so that it differs from a card's."""
    return payment._replace(failure=f"link_{payment.failure}") if payment.status == "failed" else payment
