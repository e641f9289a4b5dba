"""Purchases: begun with a row, then at the provider; then the provider is asked until the purchase is over.

Every step can be repeated: the same request finds the same row, and the same row is the same payment.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ledger.core.errors import LedgerError
from ledger.core.pricing import Price
from ledger.core.purchasing import PurchaseLimits, check_purchase
from ledger.payments.buyers import load_buyer
from ledger.payments.customers import put_customer
from ledger.payments.event_recorder import Database
from ledger.payments.gateway import Gateway, Payment, ProviderRefuses
from ledger.payments.gateways import Gateways, gateway_of
from ledger.payments.incoming_payments import description_of, terms_of_row
from ledger.payments.payment_methods import PaymentMethods, PaymentMethodUnknown
from ledger.payments.payment_terms import claims_purchase, signed_metadata
from ledger.payments.prices import price
from ledger.payments.provider_updates import ProviderUpdates
from ledger.payments.public_urls import return_url
from ledger.payments.taxes import tax_country
from ledger.postgres.types import Connection
from ledger.records import checkouts
from ledger.records.checkouts import BEGINNING, Checkout, NewCheckout
from ledger.settings import Settings
from ledger.views.purchases import PurchaseUnknown
from schemas.money import parse_nanos

# Providers keep an idempotency key for a day. Later, beginning the purchase again could make a second payment.
_KEY_LASTS = timedelta(hours=23)
_PAUSE = timedelta(seconds=1)
_CLOCKS_DIFFER = timedelta(minutes=5)
# Options of the provider's script that are not stored: personal data, and what the provider has anyway.
_NOT_STORED = {"prefill", "notes"}


class PriceChanged(LedgerError):
    message = "The price is not the one that was confirmed"


class ConfirmedPrice(NamedTuple):
    """The price that the customer saw and agreed to."""

    currency: str
    amount_minor: int


class PurchaseRequest(NamedTuple):
    """What a customer wants to buy. `credits` in nanos; `request`: the same one again is the same purchase.

    `method_id`: a saved method; None: a new one. `return_url`: where our page leads in the end. `confirmed`: the only
    price at which the purchase may begin; None: the price of the day.
    """

    account_id: str
    credits: int
    provider: str
    method_id: str | None = None
    return_url: str | None = None
    request: str | None = None
    confirmed: ConfirmedPrice | None = None


class Purchases:
    """Blocks while it asks providers, Postgres and the log; threads may share it."""

    def __init__(self, settings: Settings, gateways: Gateways, database: Database, updates: ProviderUpdates) -> None:
        self._settings, self._gateways = settings, gateways
        self._database, self._updates = database, updates
        self._methods = PaymentMethods(gateways, database)

    def buy(self, wanted: PurchaseRequest, limits: PurchaseLimits) -> Checkout:
        """Begins a purchase. With a saved method it is paid at once, unless the bank wants the customer to confirm.

        Raises ProviderNotConfigured, what `check_purchase` raises, PaymentMethodUnknown, BillingCountryMissing,
        NoRateInEffect, PriceChanged, a ProviderError, LogUnavailable, LogRefused. After ProviderUnknown make the same
        request again.
        """
        self._updates.check()
        gateway = gateway_of(self._gateways, wanted.provider)
        check_purchase(wanted.credits, limits)
        if wanted.method_id is not None:
            provider, _ = self._methods.find(wanted.account_id, wanted.method_id)
            if provider != wanted.provider:
                raise PaymentMethodUnknown(field="payment_method_id")
        with self._database() as connection:
            who = load_buyer(connection, wanted.account_id)
        country = tax_country(self._settings, wanted.provider, who)
        priced = price(self._settings, wanted.provider, wanted.credits, country, datetime.now(UTC).date())
        with self._database() as connection:
            row = _found_by_request(connection, wanted) or checkouts.open_(connection, _new_row(wanted, priced))
        if row.state == "created" and _age(row) < _time_to_begin(row):
            self._begin(gateway, row)
        elif row.state == "created":
            return self.refresh(row.checkout_id)
        return self.get(row.checkout_id)

    def get(self, checkout_id: str) -> Checkout:
        """A purchase as its row has it. Raises PurchaseUnknown."""
        with self._database() as connection:
            found = checkouts.find(connection, checkout_id)
        if found is None:
            raise PurchaseUnknown(field="purchase_id")
        return found

    def refresh(self, checkout_id: str) -> Checkout:
        """A purchase after its provider was asked about it, at most once a second.

        Never charges a saved method: the customer may have seen that the purchase failed, and bought again.
        Raises PurchaseUnknown, ProviderNotConfigured, a ProviderError, LogUnavailable.
        """
        row = self.get(checkout_id)
        if not row.open:
            return row
        gateway = gateway_of(self._gateways, row.provider)
        with self._database() as connection:
            if not checkouts.claim_refresh(connection, checkout_id, _PAUSE):
                return row
        if row.reference is not None:
            self._updates.handle(row.provider, gateway.payment(row.reference))
        elif row.method_id is None and _age(row) < _time_to_begin(row):
            self._begin(gateway, row)
        else:
            self._search_provider(gateway, row)
        return self.get(checkout_id)

    def _begin(self, gateway: Gateway, row: Checkout) -> None:
        self._updates.check()
        terms = terms_of_row(row)
        metadata = signed_metadata(terms, self._settings.signing_key(), self._settings.topic_prefix)
        return_to = return_url(self._settings, row.checkout_id)
        try:
            customer_id = row.customer_id or self._put_customer(gateway, row)
            begun = gateway.begin(terms, metadata, customer_id, row.method_id, return_to, row.description)
        except ProviderRefuses:
            with self._database() as connection:
                checkouts.mark_ended(connection, row.checkout_id, "failed", "refused")
            raise
        fields = {name: value for name, value in begun.fields.items() if name not in _NOT_STORED}
        with self._database() as connection:
            checkouts.mark_begun(connection, row.checkout_id, begun.reference, begun.url, fields)
        if begun.payment is not None:
            self._updates.handle(row.provider, begun.payment)

    def _put_customer(self, gateway: Gateway, row: Checkout) -> str:
        customer_id = put_customer(self._database, gateway, row.account_id)
        with self._database() as connection:
            return checkouts.name_customer(connection, row.checkout_id, customer_id)

    def _search_provider(self, gateway: Gateway, row: Checkout) -> None:
        """The answer to `begin` was lost: finds its payment in the provider's list, or ends the purchase."""
        for payment in gateway.payments(row.created_at - _CLOCKS_DIFFER):
            if claims_purchase(payment.metadata, row.checkout_id):
                self._resume(row, payment)
                return
        if _age(row) < _time_to_begin(row) + BEGINNING:  # another process may be calling the provider now
            return
        with self._database() as connection:
            checkouts.mark_ended(connection, row.checkout_id, "failed" if row.method_id else "expired", "never_begun")

    def _resume(self, row: Checkout, payment: Payment) -> None:
        if row.method_id is not None and payment.reference is not None:  # the bank may want the customer to confirm
            with self._database() as connection:
                checkouts.mark_begun(connection, row.checkout_id, payment.reference, payment.action_url, {})
        self._updates.handle(row.provider, payment)

    def find_by_request(self, request: str) -> Checkout | None:
        """The purchase that a request began; None if it began none."""
        with self._database() as connection:
            return checkouts.find_request(connection, request)


def _new_row(wanted: PurchaseRequest, priced: Price) -> NewCheckout:
    """Raises PriceChanged."""
    if wanted.confirmed not in (None, (priced.currency, priced.amount_minor)):
        raise PriceChanged(f"{priced.currency} {priced.amount_minor}")
    return NewCheckout(
        checkout_id=str(uuid.uuid4()),
        request=wanted.request,
        account_id=wanted.account_id,
        provider=wanted.provider,
        credits=wanted.credits,
        currency=priced.currency,
        amount_minor=priced.amount_minor,
        tax_minor=priced.tax_minor,
        fx_rate=priced.fx_rate,
        description=description_of(wanted.credits),
        method_id=wanted.method_id,
        return_url=wanted.return_url,
    )


def _found_by_request(connection: Connection, wanted: PurchaseRequest) -> Checkout | None:
    return checkouts.find_request(connection, wanted.request) if wanted.request else None


def _age(row: Checkout) -> timedelta:
    return datetime.now(UTC) - row.created_at


def _time_to_begin(row: Checkout) -> timedelta:
    """For how long `begin` may be repeated. With a saved method, which it charges, only while the caller waits."""
    return _KEY_LASTS if row.method_id is None else BEGINNING


def purchase_limits(settings: Settings, event_max: int) -> PurchaseLimits:
    """The bounds of a purchase by the settings. `event_max`: the most nanos that one event may credit."""
    smallest, largest = parse_nanos(settings.purchase_credits_min), parse_nanos(settings.purchase_credits_max)
    return PurchaseLimits(smallest, largest, event_max)
