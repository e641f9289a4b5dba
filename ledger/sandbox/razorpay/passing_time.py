"""What happens at Razorpay because time passes. Noticed before each operation, and when the clock is put forward."""

from ledger.sandbox.razorpay import payment_links, payments
from ledger.sandbox.razorpay.merchant import Merchant


def pass_time(merchant: Merchant) -> None:
    """Expires links and gives back what was never captured."""
    payment_links.expire(merchant)
    payments.give_back_uncaptured(merchant)
