"""What customers see: the page where an order or a payment link is paid. Plain forms that need no JavaScript."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.responses import HTMLResponse

from ledger.sandbox.razorpay import instruments
from ledger.sandbox.razorpay.instruments import Instrument
from ledger.sandbox.store import Document

_PAGES = Environment(loader=PackageLoader("ledger.sandbox.razorpay", "pages"), autoescape=True)
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
    """Asks how to pay. `fields`: what checkout was opened with, which comes back with what is entered."""
    known = {field: value for field, value in (fields or {}).items() if field not in _ENTERED}
    return _shown(
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


def go_back(url: str, fields: Mapping[str, str], heading: str) -> HTMLResponse:
    """Sends the browser to the merchant's page with a POST of these fields."""
    return _shown("return.html", url=url, fields=fields, heading=heading)


def say(
    heading: str, text: str = "", *, status: int = 200, message: Document | None = None, frame: str | None = None
) -> HTMLResponse:
    """Says what happened. `message`: for the script around the frame."""
    return _shown("said.html", status, heading=heading, text=text, message=message, frame=frame)


def entered(fields: Mapping[str, str]) -> Instrument | None:
    """What the customer wants to pay with; None: nothing that the sandbox knows."""
    if fields.get("method") == "upi":
        return instruments.upi(fields.get("vpa", ""))
    return instruments.card(fields.get("card[number]", ""))


def _shown(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(_PAGES.get_template(template).render(values), status)
