"""The HTML pages for customers, where they pay an order or a payment link. Plain forms without JavaScript."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.responses import HTMLResponse

from ledger.sandbox.razorpay import instruments
from ledger.sandbox.razorpay.instruments import Instrument
from ledger.sandbox.store import Document

_PAGES = Environment(loader=PackageLoader("ledger.sandbox.razorpay", "templates"), autoescape=True)
_ENTERED = ("method", "card[number]", "card[expiry]", "card[cvv]", "vpa")


def pay(
    amount: int,
    action: str,
    *,
    name: str,
    description: str = "",
    fields: Mapping[str, str] | None = None,
    problem: str = "",
    message: Document | None = None,
) -> HTMLResponse:
    """The payment form.

    `fields`: the options that checkout was opened with; the form returns them with what is entered.
    """
    known = {field: value for field, value in (fields or {}).items() if field not in _ENTERED}
    return _html(
        "pay.html",
        amount=f"₹{amount // 100:,}.{amount % 100:02}",
        action=action,
        name=name,
        description=description,
        hidden=known,
        problem=problem,
        message=message,
        frame=known.get("frame"),
        cancel_url=known.get("cancel_url"),
    )


def post_to_merchant(url: str, fields: Mapping[str, str], heading: str) -> HTMLResponse:
    """A page that sends the browser to the merchant with a POST of these fields."""
    return _html("return.html", url=url, fields=fields, heading=heading)


def message_page(
    heading: str, text: str = "", *, status: int = 200, message: Document | None = None, frame: str | None = None
) -> HTMLResponse:
    """A page with a message for the customer. `message`: for the script around the frame."""
    return _html("message.html", status, heading=heading, text=text, message=message, frame=frame)


def instrument_of(fields: Mapping[str, str]) -> Instrument | None:
    """The instrument that the customer entered; None if the sandbox does not know it."""
    if fields.get("method") == "upi":
        return instruments.upi(fields.get("vpa", ""))
    return instruments.card(fields.get("card[number]", ""))


def _html(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(_PAGES.get_template(template).render(values), status)
