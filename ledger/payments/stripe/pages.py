"""The pages that Stripe hosts for us: to pay with a new method, and to add a card without buying.

Options of the account's dashboard that would change the agreed price are switched off here.
"""

from collections.abc import Mapping

from stripe.params.checkout import SessionCreateParams, SessionCreateParamsLineItemPriceData

from ledger.payments.payment_terms import PaymentTerms
from ledger.payments.stripe.translation import ON_PAGE


def purchase(
    terms: PaymentTerms, metadata: Mapping[str, str], customer_id: str, return_url: str, description: str
) -> SessionCreateParams:
    """One line at the agreed price, tax included; the method is saved for auto top-up.

    No parameter may depend on the time: with the same idempotency key Stripe takes only the same parameters. So the
    page has no expiry of ours, and is open for Stripe's default of a day.
    """
    kept = {**metadata, **ON_PAGE}
    price: SessionCreateParamsLineItemPriceData = {
        "currency": terms.currency.lower(),
        "unit_amount": terms.amount_minor,
        "product_data": {"name": description},
    }
    return {
        "mode": "payment",
        "customer": customer_id,
        "client_reference_id": terms.purchase_id,
        "metadata": kept,
        "payment_intent_data": {"setup_future_usage": "off_session", "metadata": kept, "description": description},
        "line_items": [{"quantity": 1, "price_data": price}],
        "billing_address_collection": "required",
        "customer_update": {"address": "auto", "name": "auto"},
        "adaptive_pricing": {"enabled": False},
        "automatic_tax": {"enabled": False},
        "success_url": _with_session(return_url),
        "cancel_url": return_url,
    }


def card(customer_id: str, return_url: str) -> SessionCreateParams:
    """Saves a card without a payment."""
    return {
        "mode": "setup",
        "customer": customer_id,
        "allowed_payment_method_types": ["card"],
        "billing_address_collection": "required",
        "success_url": _with_session(return_url),
        "cancel_url": return_url,
    }


def _with_session(url: str) -> str:
    """The address with a placeholder, which Stripe replaces by the page's id."""
    return f"{url}{'&' if '?' in url else '?'}session_id={{CHECKOUT_SESSION_ID}}"
