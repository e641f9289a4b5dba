"""Finds the order or payment link of a purchase at Razorpay, by the purchase's id.

**Lost answers.** Razorpay has no idempotency key for an order. So before an order is created, it is looked for by its
receipt: a repeated call finds the order of an earlier call whose answer was lost. Two orders of one purchase are still
possible, when two calls run at the same time or when Razorpay's list is late. Both then have the same signed terms. The
paid one, else the older one, is used, and the purchase is credited once, whichever is paid. Two payment links of one
purchase are not possible: Razorpay accepts each reference only once.
"""

from typing import TypeVar

from ledger.payments.gateway import ProviderRefuses
from ledger.payments.payment_terms import PaymentTerms, has_terms
from ledger.payments.razorpay.api import Api
from ledger.payments.razorpay.entities import Link, Order

_RECEIPT_LENGTH = 40

_Found = TypeVar("_Found", Order, Link)


def receipt_of(terms: PaymentTerms) -> str:
    """The receipt of a purchase at Razorpay: its id without hyphens."""
    receipt = terms.purchase_id.replace("-", "")
    if len(receipt) > _RECEIPT_LENGTH:
        raise ProviderRefuses(f"longer than {_RECEIPT_LENGTH} characters", field="purchase_id")
    return receipt


def order_of(api: Api, terms: PaymentTerms) -> Order | None:
    """The order of a purchase: a paid one, else the oldest. Raises ProviderRefuses if it has other terms."""
    found = [order for order in api.orders_with(receipt_of(terms)) if has_terms(order.notes)]
    if not found:
        return None
    return _with_same_terms(terms, min(found, key=lambda order: (order.status != "paid", order.created_at, order.id)))


def link_of(api: Api, terms: PaymentTerms) -> Link | None:
    """The payment link of a purchase. Raises ProviderRefuses if it has other terms."""
    found = api.links_with(receipt_of(terms))
    return _with_same_terms(terms, found[0]) if found else None


def _with_same_terms(terms: PaymentTerms, found: _Found) -> _Found:
    if (found.amount, found.currency) != (terms.amount_minor, terms.currency):
        raise ProviderRefuses(f"{found.id} was begun for it with other terms", field="purchase_id")
    return found
