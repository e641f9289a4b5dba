"""Checks that an auto-top-up policy can be paid, when it is set and not only when it first triggers."""

from ledger.core.errors import LedgerError
from ledger.payments.buyers import load_buyer
from ledger.payments.event_recorder import Database
from ledger.payments.gateway import Charger
from ledger.payments.gateways import Gateways, gateway_of
from ledger.payments.taxes import tax_country
from ledger.payments.top_up_collectors import NoPaymentMethod
from ledger.records import customers
from ledger.settings import Settings


class NoAddressForLinks(LedgerError):
    message = "This provider collects top-ups by a payment link, and the profile has no e-mail address to send it to"


def provider_for(gateways: Gateways, named: str | None) -> str | None:
    """The provider that charges: the named one, else the first of this ledger; None if this ledger does not charge."""
    return named or next(iter(gateways), None)


def check_policy(
    settings: Settings, gateways: Gateways, database: Database, account_id: str, provider: str, method_id: str | None
) -> None:
    """Asks the provider whether it could charge.

    Raises ProviderNotConfigured, BillingCountryMissing, NoPaymentMethod, NoAddressForLinks.
    """
    gateway = gateway_of(gateways, provider)
    with database() as connection:
        who = load_buyer(connection, account_id)
        customer_id = customers.find(connection, account_id, provider)
    tax_country(settings, provider, who)
    if not isinstance(gateway, Charger):
        if not who.email:
            raise NoAddressForLinks(field="provider")
        return
    methods = gateway.methods(customer_id) if customer_id else []
    if not methods:
        raise NoPaymentMethod("add one first", field="payment_method_id")
    if method_id is not None and all(method.method_id != method_id for method in methods):
        raise NoPaymentMethod("this one is not the account's", field="payment_method_id")
