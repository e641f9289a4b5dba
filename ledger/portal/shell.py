"""What every billing page has around its content: brand, balance, banner, navigation, and the protecting headers."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from starlette.responses import HTMLResponse

from ledger.core.spending import may_spend
from ledger.portal.display import USUAL_LOCALE, Display
from ledger.portal.rendering import page
from ledger.settings import Settings
from ledger.views.accounts import AccountRow

PAGES = {
    "overview": "Overview",
    "history": "History",
    "usage": "Usage",
    "auto-top-up": "Auto top-up",
    "payment-methods": "Payment methods",
    "prices": "Prices",
    "details": "Billing details",
}


class Shell(NamedTuple):
    """A customer's visit as templates see it."""

    settings: Settings
    display: Display
    account: AccountRow
    csrf: str
    return_url: str | None

    @property
    def available(self) -> int:
        """The balance less what is held, in nanos."""
        return self.account.balance - self.account.held

    @property
    def mood(self) -> str:
        """The banner: "empty" if the gate refuses requests, "low" if the level is low, or ""."""
        if not may_spend(self.available):
            return "empty"
        return "low" if self.account.level != "ok" else ""

    @property
    def as_of(self) -> datetime:
        """Up to when every event is counted."""
        return self.account.through or datetime.now(UTC)

    @property
    def seen(self) -> str:
        """A text that changes whenever the shown balance changes."""
        return f"{self.available}.{self.account.held}.{self.account.level}.{self.account.state}"


def shown(shell: Shell, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page or a part of one."""
    return page(
        f"{name}.html",
        status,
        policy_of(shell.settings),
        shell=shell,
        show=shell.display,
        pages=PAGES,
        brand=shell.settings,
        **values,
    )


def closed(settings: Settings, status: int, title: str, said: str) -> HTMLResponse:
    """A page without a visit: it has ended, or something went wrong."""
    return page(
        "closed.html", status, policy_of(settings), brand=settings, title=title, said=said,
        show=Display(USUAL_LOCALE, "UTC"),
    )  # fmt: skip


def policy_of(settings: Settings) -> dict[str, str]:
    """The Content-Security-Policy: only our own files, in frames of the sites that the settings name."""
    return {
        "script-src": "'self'",
        "connect-src": "'self'",
        "frame-ancestors": " ".join(settings.embed_origins) or "'none'",
    }
