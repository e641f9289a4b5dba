"""The interface to a payment provider: what we ask of it and what it answers, the same for every provider.

Calls block, and are made outside any database transaction. Each has a timeout and a bounded number of retries with the
same idempotency key. The error that is raised in the end says whether money may have moved.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from ledger.core.errors import LedgerError
from ledger.payments.payment_terms import PaymentTerms

PaymentStatus = Literal["pending", "paid", "failed"]
RefundStatus = Literal["pending", "succeeded", "failed"]
DisputeStatus = Literal["open", "won", "lost"]
# What to do after a decline. soft: try again later. hard: never with this method again. authentication_required: the
# customer has to confirm the payment.
Decline = Literal["soft", "hard", "authentication_required"]


class ProviderError(LedgerError):
    message = "The payment provider did not do what it was asked"

    def __init__(self, detail: str = "", *, field: str | None = None, request_id: str | None = None) -> None:
        self.request_id = request_id
        super().__init__(f"{detail} (request {request_id})" if request_id else detail, field=field)


class ProviderRefuses(ProviderError):
    message = "The payment provider refuses the request; nothing has happened"


class ProviderUnknown(ProviderError):
    message = "The payment provider did not answer; whether anything happened has to be looked up"


class ProviderUnavailable(ProviderError):
    message = "The payment provider can't work now; nothing has happened"


class WebhookForged(LedgerError):
    message = "The webhook does not carry a valid signature of its provider"


class WebhookUnreadable(LedgerError):
    message = "The webhook is signed, but it is not what its provider documents"


class Address(NamedTuple):
    """Where bills go. `country`: ISO 3166-1 alpha-2."""

    line1: str
    line2: str
    city: str
    state: str
    postal_code: str
    country: str


class Buyer(NamedTuple):
    """An account as a provider may know it. `tax_ids`: (type, number) as Stripe names the types."""

    account_id: str
    name: str | None = None
    email: str | None = None
    address: Address | None = None
    tax_ids: tuple[tuple[str, str], ...] = ()


class Method(NamedTuple):
    """A saved payment method. `kind`: "card", "upi", …; the other fields are None where the provider does not tell."""

    method_id: str
    kind: str
    brand: str | None
    last4: str | None
    expires_month: int | None
    expires_year: int | None
    default: bool


class Payment(NamedTuple):
    """What the provider reports of one payment. `created`: the provider's time of it, the same in every answer.

    `payment_id`: before the customer tries to pay, the provider may have none; then it is the reference.
    `reference`: what `begin` returned for it, where the provider tells. `amount_minor`: what was paid, or is to be.
    `metadata`: what we wrote. `action_url`: where the customer can continue a payment that is pending.
    `failure`: the provider's code of the last decline; `decline`: what to do after it.
    """

    payment_id: str
    reference: str | None
    status: PaymentStatus
    currency: str
    amount_minor: int
    created: datetime
    metadata: Mapping[str, str]
    action_url: str | None = None
    failure: str | None = None
    decline: Decline | None = None


class Refund(NamedTuple):
    """A refund of a payment, in whole or in part. `before_minor`: the sum of its earlier refunds that did not fail."""

    refund_id: str
    payment_id: str
    status: RefundStatus
    currency: str
    amount_minor: int
    before_minor: int
    created: datetime


class Dispute(NamedTuple):
    """A customer's bank took a payment back; it keeps the money if the dispute is lost."""

    dispute_id: str
    payment_id: str
    status: DisputeStatus
    currency: str
    amount_minor: int
    created: datetime


class Payout(NamedTuple):
    """What the provider paid to our bank, and the fees that it had kept."""

    payout_id: str
    currency: str
    amount_minor: int
    fee_minor: int
    created: datetime


class MethodsChanged(NamedTuple):
    """A customer's saved payment methods have changed."""

    customer_id: str


ProviderUpdate = Payment | Refund | Dispute | Payout | MethodsChanged


class Webhook(NamedTuple):
    """One verified webhook. `event_id`: from the signed body, the same when repeated. `update` None: nothing for us."""

    event_id: str
    type: str
    live: bool
    created: datetime
    update: ProviderUpdate | None


class StartedPayment(NamedTuple):
    """A payment that was begun. `reference`: the provider's id, by which we ask for it.

    The customer continues at `url` (hosted by the provider), or on our page with these `fields` for the provider's
    script (as it takes them, ready for JSON). Without both the customer is not needed, and `payment` has the result.
    """

    reference: str
    url: str | None = None
    fields: Mapping[str, object] = {}
    payment: Payment | None = None


class Gateway(Protocol):
    """One provider. Every method may raise ProviderRefuses, ProviderUnknown or ProviderUnavailable."""

    @property
    def provider(self) -> str: ...

    def put_customer(self, buyer: Buyer, customer_id: str | None) -> str:
        """Creates or updates the customer; returns its id."""

    def begin(
        self,
        terms: PaymentTerms,
        metadata: Mapping[str, str],
        customer_id: str,
        method_id: str | None,
        return_url: str,
        description: str,
    ) -> StartedPayment:
        """Begins a payment with the customer present, by a saved method or a new one that may be saved.

        Idempotent by the purchase's id: the same terms again are the same payment.
        """

    def payment(self, reference: str) -> Payment:
        """A payment as it is now, by the reference that `begin` returned or by the payment's own id."""

    def payments(self, since: datetime) -> Iterator[Payment]:
        """All payments that were made since then."""

    def refund(self, payment_id: str, amount_minor: int, key: str) -> Refund:
        """Refunds; idempotent by `key` for as long as the provider remembers it: see `refund_under`."""

    def refund_under(self, payment_id: str, key: str) -> Refund | None:
        """The refund that was made with this key, at any time; None: there is none."""

    def refunds(self, since: datetime) -> Iterator[Refund]:
        """All refunds since then."""

    def disputes(self, since: datetime) -> Iterator[Dispute]:
        """All disputes since then."""

    def payouts(self, since: datetime) -> Iterator[Payout]:
        """All payouts that arrived since then."""

    def methods(self, customer_id: str) -> list[Method]:
        """The saved methods of a customer."""

    def add_method(self, customer_id: str, return_url: str) -> str:
        """The address where the customer adds a method without buying."""

    def set_default(self, customer_id: str, method_id: str) -> None:
        """Makes it the method that is charged when none is named."""

    def detach(self, customer_id: str, method_id: str) -> None:
        """Removes a method. Raises ProviderRefuses when it is not this customer's."""

    def webhook(self, raw: bytes, headers: Mapping[str, str]) -> Webhook:
        """Verifies and reads a webhook. `headers` by lower-case name. Raises WebhookForged or WebhookUnreadable."""


@runtime_checkable
class Charger(Gateway, Protocol):
    """A provider that charges a saved method at once, without the customer."""

    def charge_saved(
        self, terms: PaymentTerms, metadata: Mapping[str, str], customer_id: str, method_id: str, key: str
    ) -> Payment:
        """Charges; a decline is a payment that failed. Idempotent by `key`: a new attempt needs a new key."""

    def cancel(self, payment_id: str) -> Payment:
        """Cancels a payment that is not paid, and returns it as it is now. A payment that was paid stays paid."""

    def payments_of(self, customer_id: str, since: datetime) -> Iterator[Payment]:
        """All payments of one customer that were made since then."""


@runtime_checkable
class LinkSender(Gateway, Protocol):
    """A provider that sends the customer a payment link: it may charge only days after it has announced the charge."""

    def create_link(
        self, terms: PaymentTerms, metadata: Mapping[str, str], buyer: Buyer, expires_at: datetime
    ) -> StartedPayment:
        """Creates a page to pay on until `expires_at`. Idempotent by the purchase's id."""

    def link(self, reference: str) -> Payment:
        """A link's payment as it is now. A link that expired or was cancelled has failed."""

    def cancel_link(self, reference: str) -> Payment:
        """Cancels a link. Returns its payment as it is then."""
