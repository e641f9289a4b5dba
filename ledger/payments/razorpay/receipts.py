"""What Razorpay holds for a purchase of ours, found again by the purchase's id.

**Lost answers.** An order has no idempotency key. So before one is made, the purchase's order is looked for by its
receipt: a repetition finds what an earlier call made whose answer was lost. Two orders of one purchase remain possible,
when two calls run at the same time or when Razorpay's list is behind. Both then carry the same signed terms, the paid
or else the older one is gone on with, and the purchase is credited once, whichever is paid. A link needs no more than
that: Razorpay takes each reference only once.
"""

from typing import TypeVar

from ledger.payments.gateway import ProviderRefuses
from ledger.payments.payment_terms import PaymentTerms, is_ours
from ledger.payments.razorpay.api import Api
from ledger.payments.razorpay.entities import Link, Order

_RECEIPT_LENGTH = 40

_Found = TypeVar("_Found", Order, Link)


def receipt_of(terms: PaymentTerms) -> str:
    """Our name of a purchase at Razorpay: its id, without what makes a UUID longer than need be."""
    receipt = terms.purchase_id.replace("-", "")
    if len(receipt) > _RECEIPT_LENGTH:
        raise ProviderRefuses(f"longer than {_RECEIPT_LENGTH} characters", field="purchase_id")
    return receipt


def order_of(api: Api, terms: PaymentTerms) -> Order | None:
    """The order that there is: a paid one, else the oldest. Raises ProviderRefuses when it has other terms."""
    found = [order for order in api.orders_with(receipt_of(terms)) if is_ours(order.notes)]
    if not found:
        return None
    return _with_these(terms, min(found, key=lambda order: (order.status != "paid", order.created_at, order.id)))


def link_of(api: Api, terms: PaymentTerms) -> Link | None:
    """The payment link that there is. Raises ProviderRefuses when it has other terms."""
    found = api.links_with(receipt_of(terms))
    return _with_these(terms, found[0]) if found else None


def _with_these(terms: PaymentTerms, found: _Found) -> _Found:
    if (found.amount, found.currency) != (terms.amount_minor, terms.currency):
        raise ProviderRefuses(f"{found.id} was begun for it with other terms", field="purchase_id")
    return found
