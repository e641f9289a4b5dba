"""What happens at Razorpay because time passes. Noticed before each operation, and when the clock is put forward."""

from ledger.sandbox.razorpay import payment_links, payments
from ledger.sandbox.razorpay.merchant import Merchant


def pass_time(merchant: Merchant) -> None:
    """Expires payment links, and gives back payments that were never captured."""
    for reminder in merchant.find("reminder"):
        if reminder["at"] <= merchant.now():
            merchant.forget(reminder["id"])
            is_link = reminder["id"].startswith("plink_")
            (payment_links.expire if is_link else payments.give_back)(merchant, reminder["id"])
