"""The page of one purchase: what is bought at which price, the step at the provider, and the outcome.

It shows nothing about the customer, because everybody who has the address can see it.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

from ledger.payments.public_urls import pay_url
from ledger.portal.declines import decline_text
from ledger.portal.rendering import page
from ledger.records.checkouts import Checkout
from ledger.reports.amounts import balance_text, full_money_text
from ledger.settings import Settings
from schemas.money import format_nanos

_RAZORPAY_SCRIPT = "https://checkout.razorpay.com/v1/checkout.js"
_RAZORPAY_HOSTS = "https://*.razorpay.com"


def to_pay(settings: Settings, row: Checkout) -> HTMLResponse:
    """The customer can pay, at the provider's page or here through its script."""
    if row.fields:
        return _with_script(settings, row)
    return _shown("link", row, url=row.url)


def waiting(row: Checkout) -> HTMLResponse:
    """The provider has not reported the outcome yet, or the credits are not in the views yet. The page asks again."""
    return _shown("waiting", row)


def credited(row: Checkout, balance: int) -> HTMLResponse:
    """The account has the credits. `balance` in nanos."""
    return _shown("credited", row, balance=balance_text(balance))


def over(row: Checkout) -> HTMLResponse:
    """It failed, expired, or does not match."""
    return _shown(row.state, row)


def unknown() -> HTMLResponse:
    """There is no such page."""
    return page("said.html", 404, title="There is no such purchase", said="Go back to where you came from.")


def not_genuine() -> HTMLResponse:
    """The browser returned with a form that the provider did not sign."""
    said = "The answer did not come from the payment provider. If you have paid, the credits come by themselves."
    return page("said.html", 400, title="This can't be confirmed", said=said)


def unavailable() -> HTMLResponse:
    """The provider, the database or the log is away."""
    said = "Nothing is lost: what you have paid is credited. Please load this page again in a moment."
    return page("said.html", 503, title="This takes a moment", said=said)


def _with_script(settings: Settings, row: Checkout) -> HTMLResponse:
    """The form works without the script: it leads to the provider's own page."""
    sandbox = settings.payments == "sandbox"
    api = settings.razorpay_url.rstrip("/")
    hosts = "{0.scheme}://{0.netloc}".format(urlsplit(api)) if sandbox else _RAZORPAY_HOSTS
    ours = f"'self' {hosts}"
    policy = {
        "script-src": ours,
        "style-src": "'self' 'unsafe-inline'",  # the provider's script styles its own frame
        "img-src": ours,
        "frame-src": hosts,
        "connect-src": hosts,
        "form-action": ours,
    }
    options = {name: value for name, value in row.fields.items() if name != "key"}
    return _shown(
        "form",
        row,
        policy,
        script=f"{api}/v1/checkout.js" if sandbox else _RAZORPAY_SCRIPT,
        action=f"{api}/v1/checkout/embedded",
        hidden={"key_id": row.fields["key"], **options, "cancel_url": pay_url(settings, row.checkout_id)},
        options=json.dumps(row.fields),
    )


def _shown(step: str, row: Checkout, policy: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    return page(
        "pay.html",
        policy=policy,
        step=step,
        credits=format_nanos(row.credits),
        amount=full_money_text(row.currency, row.amount_minor),
        tax=full_money_text(row.currency, row.tax_minor) if row.tax_minor else None,
        provider=row.provider.title(),
        declined=decline_text(row.failure) if row.failure else None,
        return_url=row.return_url,
        reference=row.checkout_id,
        **values,
    )
