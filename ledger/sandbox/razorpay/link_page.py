"""The page of a payment link, at its `short_url`."""

from collections.abc import Mapping

from starlette.responses import RedirectResponse, Response

from ledger.sandbox.razorpay import page, payment_links, payments
from ledger.sandbox.razorpay.merchant import Merchant
from ledger.sandbox.store import Document


def open_(merchant: Merchant, link_id: str) -> Response:
    """The page to pay at. Raises Refusal when the link has ended."""
    link = merchant.get("payment_link", link_id)
    payment_links.refuse_ended(link)
    return _asked(link)


def pay(merchant: Merchant, link_id: str, fields: Mapping[str, str]) -> Response:
    """The customer has entered how to pay; after a failure the page asks again."""
    instrument = page.entered(fields)
    if instrument is None:
        return _asked(merchant.get("payment_link", link_id), "This sandbox has no such card or UPI id.")
    payment = payments.pay_link(merchant, link_id, instrument)
    link = merchant.get("payment_link", link_id)
    if payment["status"] == "failed":
        return _asked(link, payment["error_description"])
    back = payment_links.return_url(merchant, link)
    return RedirectResponse(back, 303) if back else page.say("Paid", payment["id"])


def _asked(link: Document, problem: str = "") -> Response:
    return page.pay(
        link["amount"], link["short_url"], name="Payment link", description=link["description"], problem=problem
    )
