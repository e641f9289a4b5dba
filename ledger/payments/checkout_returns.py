"""What a customer's browser brings back from a provider: a sign to ask the provider, never believed by itself."""

from collections.abc import Mapping

from ledger.payments.gateways import Gateways
from ledger.records.checkouts import Checkout

# What a browser has that comes from a payment, and not from one that the customer left.
_DONE = {"session_id", "payment_intent", "razorpay_payment_id"}


def may_be_paid(said: Mapping[str, str]) -> bool:
    """Whether the customer comes from a payment that may be done."""
    return not _DONE.isdisjoint(said)


def is_genuine(gateways: Gateways, row: Checkout, form: Mapping[str, str]) -> bool:
    """Whether Razorpay signed what its checkout gave the browser, and for this purchase. A decline has no signature."""
    from ledger.payments.razorpay import RazorpayGateway

    gateway = gateways.get(row.provider)
    if not isinstance(gateway, RazorpayGateway):
        return False
    if "razorpay_signature" not in form:
        return "razorpay_payment_id" not in form
    order_id, payment_id = form.get("razorpay_order_id", ""), form.get("razorpay_payment_id", "")
    return order_id == row.reference and gateway.verify_return(order_id, payment_id, form["razorpay_signature"])
