"""Saved methods of an account, at every provider that keeps some."""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.core.errors import LedgerError
from ledger.payments.customers import customer_of, put_customer
from ledger.payments.event_recorder import Database
from ledger.payments.gateway import Method
from ledger.payments.gateways import Gateways, gateway_of


class PaymentMethodUnknown(LedgerError):
    message = "The account has no such payment method"


class MethodInUse(LedgerError):
    message = "Auto top-up charges this payment method; choose another one there, or switch it off, first"


class Charged(NamedTuple):
    """What an account's auto top-up charges. `method_id` None: the default one of the provider."""

    enabled: bool
    provider: str | None
    method_id: str | None

    def needs(self, provider: str, method_id: str, saved: Sequence[tuple[str, Method]]) -> bool:
        """Whether it could not go on without this one of the saved methods."""
        if not self.enabled or provider != self.provider:
            return False
        return method_id == self.method_id or [each for each, _ in saved].count(provider) == 1


class PaymentMethods:
    """Asks the providers, who alone know the methods; blocks meanwhile."""

    def __init__(self, gateways: Gateways, database: Database) -> None:
        self._gateways, self._database = gateways, database

    def of(self, account_id: str) -> list[tuple[str, Method]]:
        """All methods, each with its provider."""
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
        """Where the customer adds one. Raises ProviderNotConfigured."""
        gateway = gateway_of(self._gateways, provider)
        return gateway.add_method(put_customer(self._database, gateway, account_id), return_url)

    def make_default(self, account_id: str, method_id: str) -> tuple[str, Method]:
        """From now on it is charged when none is named. Raises PaymentMethodUnknown."""
        provider, method = self.find(account_id, method_id)
        self._gateways[provider].set_default(self._customer(provider, account_id), method_id)
        return provider, method._replace(default=True)

    def remove(self, account_id: str, method_id: str, charged: Charged) -> None:
        """Forgets one. Raises PaymentMethodUnknown, and MethodInUse while auto top-up needs it."""
        saved = self.of(account_id)
        provider = next((provider for provider, method in saved if method.method_id == method_id), None)
        if provider is None:
            raise PaymentMethodUnknown(field="payment_method_id")
        if charged.needs(provider, method_id, saved):
            raise MethodInUse(field="payment_method_id")
        self._gateways[provider].detach(self._customer(provider, account_id), method_id)

    def _customer(self, provider: str, account_id: str) -> str:
        customer_id = customer_of(self._database, provider, account_id)
        assert customer_id, "its methods have just been listed"
        return customer_id
