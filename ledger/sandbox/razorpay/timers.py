"""What Razorpay does when a time has come. Run before each operation, and when the clock is advanced."""

from ledger.sandbox.razorpay import payment_links, payments
from ledger.sandbox.razorpay.merchant import Merchant


def run_due_timers(merchant: Merchant) -> None:
    """Expires payment links, and refunds payments that were never captured."""
    for timer in merchant.find("timer"):
        if timer["at"] <= merchant.now():
            merchant.cancel_timer(timer["id"])
            is_link = timer["id"].startswith("plink_")
            (payment_links.expire if is_link else payments.refund_uncaptured)(merchant, timer["id"])
