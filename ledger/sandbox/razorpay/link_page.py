"""The page of a payment link, at its `short_url`."""

from collections.abc import Mapping

from starlette.responses import RedirectResponse, Response

from ledger.sandbox.razorpay import pages, payment_links, payments
from ledger.sandbox.razorpay.merchant import Merchant
from ledger.sandbox.store import Document


def open_(merchant: Merchant, link_id: str) -> Response:
    """The page with the payment form. Raises ApiError if the link has ended."""
    link = merchant.get("payment_link", link_id)
    payment_links.refuse_ended(link)
    return _payment_form(link)


def pay(merchant: Merchant, link_id: str, fields: Mapping[str, str]) -> Response:
    """Pays with what the customer has entered. After a failure the form is shown again."""
    instrument = pages.instrument_of(fields)
    if instrument is None:
        return _payment_form(merchant.get("payment_link", link_id), "This sandbox has no such card or UPI id.")
    payment = payments.pay_link(merchant, link_id, instrument)
    link = merchant.get("payment_link", link_id)
    if payment["status"] == "failed":
        return _payment_form(link, payment["error_description"])
    back = payment_links.return_url(merchant, link)
    return RedirectResponse(back, 303) if back else pages.message_page("Paid", payment["id"])


def _payment_form(link: Document, problem: str = "") -> Response:
    return pages.pay(
        link["amount"], link["short_url"], name="Payment link", description=link["description"], problem=problem
    )
