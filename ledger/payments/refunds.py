"""Refunds that we ask for: so many credits of a purchase, or all that is left, in the money they were paid with."""

from typing import NamedTuple

from ledger.core.account import Purchase
from ledger.core.errors import AmountIsZero, ExceedsPurchase
from ledger.core.pricing import refund_minor
from ledger.payments.event_recorder import Database
from ledger.payments.gateway import Refund
from ledger.payments.gateways import Gateways, gateway_of
from ledger.payments.provider_updates import ProviderUpdates
from ledger.views.purchases import paid
from schemas.money import format_nanos


class Refunded(NamedTuple):
    """A refund that the provider took, and what the ledger made of it: refunded, or pending while the bank works."""

    provider: str
    refund: Refund
    outcome: str


class Refunds:
    """Blocks while it asks providers, Postgres and the log; several threads may use it at once."""

    def __init__(self, gateways: Gateways, database: Database, updates: ProviderUpdates) -> None:
        self._gateways, self._database, self._updates = gateways, database, updates

    def request(self, account_id: str, purchase_id: str, credits: int | None, request: str) -> Refunded:
        """Gives back so many nanos of a purchase; None: all that is left. The same request again is the same refund.

        Raises PurchaseUnknown, ExceedsPurchase, AmountIsZero, ProviderNotConfigured, a ProviderError, LogUnavailable,
        LogRefused.
        """
        self._updates.check()
        with self._database() as connection:
            purchase, payment_id = paid(connection, account_id, purchase_id)
        gateway = gateway_of(self._gateways, purchase.provider)
        key = f"refund:{purchase_id}:{request}"
        # First: what this request gave back before is no longer left of the purchase.
        refund = gateway.refund_under(payment_id, key)
        if refund is None:
            refund = gateway.refund(payment_id, _minor(purchase, credits), key)
        return Refunded(purchase.provider, refund, self._updates.handle(purchase.provider, refund))


def _minor(purchase: Purchase, credits: int | None) -> int:
    """What so many nanos of a purchase are in its money. Raises ExceedsPurchase or AmountIsZero."""
    given_back = purchase.left if credits is None else credits
    if given_back > purchase.left:
        raise ExceedsPurchase(f"{format_nanos(purchase.left)} credits are left", field="amount")
    minor = refund_minor(purchase.credits, purchase.amount_minor, purchase.left_minor, given_back)
    if given_back == purchase.left:
        minor = purchase.left_minor
    if minor == 0:
        raise AmountIsZero(field="amount")
    return minor
