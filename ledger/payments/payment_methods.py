"""Saved payment methods of an account, at every provider that keeps some, and what a change of them does."""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.core.errors import LedgerError
from ledger.core.top_up_attempts import MISMATCHED
from ledger.payments import payment_events
from ledger.payments.clock import utc_now
from ledger.payments.customers import customer_of, put_customer
from ledger.payments.event_recorder import Database, EventRecorder
from ledger.payments.gateway import Method
from ledger.payments.gateways import Gateways, gateway_of
from ledger.payments.outcomes import MethodsOutcome
from ledger.records import customers, top_up_triggers
from ledger.views import top_ups

# Why an auto top-up was resumed.
CARD_CHANGED = "card_changed"


class PaymentMethodUnknown(LedgerError):
    message = "The account has no such payment method"


class MethodInUse(LedgerError):
    message = "Auto top-up charges this payment method; choose another one there, or switch it off, first"


class TopUpMethod(NamedTuple):
    """What an account's auto top-up charges. `method_id` None: the provider's default method of the account."""

    enabled: bool
    provider: str | None
    method_id: str | None

    def needs(self, provider: str, method_id: str, saved: Sequence[tuple[str, Method]]) -> bool:
        """Whether auto top-up would fail without this method. `saved`: all methods of the account."""
        if not self.enabled or provider != self.provider:
            return False
        return method_id == self.method_id or [each for each, _ in saved].count(provider) == 1


class PaymentMethods:
    """Blocks while it asks the providers: they alone know the methods."""

    def __init__(self, gateways: Gateways, database: Database) -> None:
        self._gateways, self._database = gateways, database

    def of(self, account_id: str) -> list[tuple[str, Method]]:
        """All methods of an account, each with its provider."""
        found = []
        for provider, gateway in self._gateways.items():
            customer_id = customer_of(self._database, provider, account_id)
            if customer_id is not None:
                found += [(provider, method) for method in gateway.methods(customer_id)]
        return found

    def find(self, account_id: str, method_id: str) -> tuple[str, Method]:
        """One method and its provider. Raises PaymentMethodUnknown."""
        for provider, method in self.of(account_id):
            if method.method_id == method_id:
                return provider, method
        raise PaymentMethodUnknown(field="payment_method_id")

    def add(self, account_id: str, provider: str, return_url: str) -> str:
        """The address of the page where the customer adds a method. Raises ProviderNotConfigured."""
        gateway = gateway_of(self._gateways, provider)
        return gateway.add_method(put_customer(self._database, gateway, account_id), return_url)

    def make_default(self, account_id: str, method_id: str) -> tuple[str, Method]:
        """Makes it the method that is charged when none is named. Raises PaymentMethodUnknown."""
        provider, method = self.find(account_id, method_id)
        self._gateways[provider].set_default(self._customer(provider, account_id), method_id)
        return provider, method._replace(default=True)

    def remove(self, account_id: str, method_id: str, top_up: TopUpMethod) -> None:
        """Removes a method. Raises PaymentMethodUnknown, and MethodInUse while auto top-up needs it."""
        saved = self.of(account_id)
        provider = next((provider for provider, method in saved if method.method_id == method_id), None)
        if provider is None:
            raise PaymentMethodUnknown(field="payment_method_id")
        if top_up.needs(provider, method_id, saved):
            raise MethodInUse(field="payment_method_id")
        self._gateways[provider].detach(self._customer(provider, account_id), method_id)

    def _customer(self, provider: str, account_id: str) -> str:
        customer_id = customer_of(self._database, provider, account_id)
        assert customer_id, "its methods have just been listed"
        return customer_id


def resume_top_ups(recorder: EventRecorder, provider: str, customer_id: str) -> MethodsOutcome:
    """A customer's methods changed: resumes the auto top-ups that were suspended, once per suspension.

    A retry that waits is due now. Raises LogUnavailable.
    """
    with recorder.database() as connection:
        accounts = customers.accounts_of(connection, provider, customer_id)
        suspended = top_ups.suspended(connection, accounts)
        top_up_triggers.make_due(connection, accounts)
    resumed = [
        recorder.append_once(payment_events.top_up_resumed(account_id, since_seq, CARD_CHANGED, utc_now()))
        for account_id, since_seq, reason in suspended
        if reason != MISMATCHED  # people have to look at a payment that does not match first
    ]
    return "resumed" if any(resumed) else "ignored"
