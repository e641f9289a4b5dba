"""A customer at the billing page, without a browser: one cookie, forms as the page gave them, no redirects followed."""

import html
import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.payments.payment_system import PaymentSystem

COOKIE = "__Host-ledger_billing"


class Customer:
    """Comes in by a link; `cookie` may be changed to another customer's."""

    def __init__(self, url: str, cookie: str) -> None:
        self.url, self.cookie = url, cookie

    def get(self, path: str, **headers: str) -> httpx.Response:
        """A page below /billing."""
        return httpx.get(f"{self.url}/billing{path}", headers=self._headers(headers), timeout=20)

    def post(self, path: str, form: dict[str, str], *, origin: str | None = "", **headers: str) -> httpx.Response:
        """A form as it is. `origin` None: a browser that names none."""
        said = {} if origin is None else {"Origin": origin or self.url}
        return httpx.post(f"{self.url}/billing{path}", data=form, headers=self._headers(said | headers), timeout=20)

    def send(self, path: str, **fields: str) -> httpx.Response:
        """The form of a page with these fields: with its token, and from here."""
        return self.post(path, {"csrf": self.token(), **fields})

    def token(self) -> str:
        """What our pages put into forms."""
        return hidden(self.get("").text)["csrf"]

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.cookie}", **more}


def portal(system: PaymentSystem, account: str, at: str = "", **more: Any) -> str:
    """A link to the page. `at`: of another API."""
    answer = system.http.post(f"{at}/v1/portal-sessions", json={"account_id": account, **more})
    assert answer.status_code == 201, answer.text
    link: str = answer.json()["url"]
    return link


def come_in(system: PaymentSystem, account: str, at: str = "", **more: Any) -> Customer:
    """A customer who followed a link. `at`: to another API."""
    answer = httpx.get(portal(system, account, at, **more))
    assert answer.status_code == 303, answer.text
    found = re.match(rf"{COOKIE}=([^;]+);", answer.headers["set-cookie"])
    assert found, answer.headers["set-cookie"]
    return Customer(at or system.url, found[1])


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page."""
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in fields}


def errors(page: str) -> dict[str, str]:
    """The error at each field."""
    found = re.findall(r'<p class="error" id="([^"]*)-error">([^<]*)</p>', page)
    return {name: html.unescape(text) for name, text in found}


def path_of(answer: httpx.Response) -> str:
    """Where a redirect leads, below /billing."""
    assert answer.status_code == 303, answer.text
    where = urlsplit(answer.headers["location"])
    return where.path.removeprefix("/billing") + (f"?{where.query}" if where.query else "")
