"""Test cards and UPI ids, and how the bank responds to each."""

from typing import NamedTuple

from ledger.sandbox.razorpay.merchant import new_id
from ledger.sandbox.store import Document


class Decline(NamedTuple):
    """Why the bank declines. `where`: source, step, reason."""

    code: str
    description: str
    where: tuple[str, str, str]


class Instrument(NamedTuple):
    """A way to pay. `shown`: its part of the payment entity. `decline`: None when the bank accepts."""

    method: str
    shown: Document
    decline: Decline | None


DECLINED = Decline(
    "BAD_REQUEST_ERROR",
    "Your payment didn't go through as it was declined by the bank. Try another payment method or contact your bank.",
    ("issuer_bank", "payment_authorization", "payment_declined"),
)
INSUFFICIENT_FUNDS = Decline(
    "BAD_REQUEST_ERROR",
    "Your payment could not be completed due to insufficient account balance. Try again with another card or account.",
    ("customer", "payment_authorization", "insufficient_funds"),
)
UPI_FAILED = Decline(
    "GATEWAY_ERROR",
    "Payment processing failed due to error at bank or wallet gateway",
    ("gateway", "payment_authorization", "payment_failed"),
)
CARDS = {
    "4111111111111111": None,
    "5267318187975449": None,
    "4000000000000002": DECLINED,
    "4000000000009995": INSUFFICIENT_FUNDS,
}
UPI_IDS = {"success@razorpay": None, "failure@razorpay": UPI_FAILED}


def card(number: str) -> Instrument | None:
    """A test card by its number, which may have spaces; None if there is no such card."""
    digits = number.replace(" ", "")
    if digits not in CARDS:
        return None
    made: Document = {
        "id": new_id("card"),
        "entity": "card",
        "name": "",
        "last4": digits[-4:],
        "network": "MasterCard" if digits.startswith("5") else "Visa",
        "type": "credit",
        "issuer": None,
        "international": False,
        "emi": False,
        "sub_type": "consumer",
    }
    return Instrument("card", {"card_id": made["id"], "card": made}, CARDS[digits])


def upi(upi_id: str) -> Instrument | None:
    """A test UPI id; None if there is no such id."""
    wanted = upi_id.strip()
    if wanted not in UPI_IDS:
        return None
    return Instrument("upi", {"vpa": wanted, "upi": {"vpa": wanted}}, UPI_IDS[wanted])
