"""The parameters with which a customer's browser returns from a provider. They are never proof of a payment.

They only say that it is time to ask the provider.
"""

from collections.abc import Mapping

from ledger.payments.gateways import Gateways
from ledger.records.checkouts import Checkout

# Parameters of a browser that returns from a payment, and not from one that the customer left.
_PAID_PARAMETERS = {"session_id", "payment_intent", "razorpay_payment_id"}


def may_be_paid(parameters: Mapping[str, str]) -> bool:
    """Whether the customer returns from a payment that may be paid."""
    return not _PAID_PARAMETERS.isdisjoint(parameters)


def is_genuine(gateways: Gateways, row: Checkout, form: Mapping[str, str]) -> bool:
    """Whether Razorpay signed the form of this purchase. A decline has no signature, and no payment id."""
    from ledger.payments.razorpay import RazorpayGateway

    gateway = gateways.get(row.provider)
    if not isinstance(gateway, RazorpayGateway):
        return False
    if "razorpay_signature" not in form:
        return "razorpay_payment_id" not in form
    order_id, payment_id = form.get("razorpay_order_id", ""), form.get("razorpay_payment_id", "")
    return order_id == row.reference and gateway.verify_return(order_id, payment_id, form["razorpay_signature"])
