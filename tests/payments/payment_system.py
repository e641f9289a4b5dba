"""A ledger that takes payments: its API and projector, the payment sandbox, and customers with browsers.

`payment_system(stack, folder)` starts all of it. Its methods are what customers, banks and networks do; each works for
both providers.
"""

import contextlib
import hmac
import html
import json
import re
import time
import uuid
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psycopg
import stripe

from ledger.dev.bootstrap import bootstrap
from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from ledger.guard.guard import Guard
from ledger.log.publisher import Publisher
from ledger.payments.gateway import Payment, Webhook
from ledger.payments.gateways import gateways_of
from ledger.payments.provider_updates import ProviderUpdates
from ledger.settings import Settings
from ledger.views.trial_balance import trial_balance
from schemas.topics import EVENTS
from tests.support import sandbox as doubles
from tests.support.guarding import Unguarded
from tests.support.ledgers import new_ledger
from tests.support.sandbox import RunningSandbox, running_sandbox
from tests.support.servers import api, client, key, projector
from tests.support.waiting import eventually

SECRETS = {"stripe": doubles.STRIPE_WEBHOOK_SECRET, "razorpay": doubles.RAZORPAY_WEBHOOK_SECRET}
CARD = {"expiry": "12 / 34", "cvc": "123", "name": "Ada", "line1": "Main St 1", "city": "Bonn", "country": "DE"}
GOOD, NO_FUNDS, ASKS = "4242 4242 4242 4242", "4000 0000 0000 9995", "4000 0025 0000 3155"
_AT_RAZORPAY = {GOOD: "4111 1111 1111 1111"}
QUIET_SECONDS = 0.3


class PaymentSystem:
    """One ledger and one sandbox. `http`: an operator's client; `browser`: follows no redirects."""

    def __init__(self, settings: Settings, url: str, sandbox: RunningSandbox, folder: Path) -> None:
        self.settings, self.url, self.sandbox, self.folder = settings, url, sandbox, folder
        self.http, self.browser = client(url, key(settings)), httpx.Client(timeout=20)
        self.gateways = gateways_of(settings)
        self.stripe = stripe.StripeClient(doubles.STRIPE_KEY, base_addresses={"api": sandbox.stripe_url}).v1
        self.stack_of = contextlib.ExitStack()  # what is closed with the system

    def account(self, **profile: Any) -> str:
        """A new account, in Germany unless said otherwise."""
        name = f"acct_{uuid.uuid4().hex[:12]}"
        answer = self.http.post("/v1/accounts", json={"account_id": name})
        assert answer.status_code == 201, answer.text
        body = {"name": "Ada", "email": f"{name}@example.com", "address": {"country": "DE"}, **profile}
        assert self.http.put(f"/v1/accounts/{name}/profile", json=body).status_code == 200
        return name

    def buy(self, account: str, provider: str, amount: str = "10", **more: Any) -> dict[str, Any]:
        """A purchase that was begun."""
        answer = self.post(account, provider, amount, **more)
        assert answer.status_code == 201, answer.text
        begun: dict[str, Any] = answer.json()
        return begun

    def post(
        self, account: str, provider: str, amount: str = "10", *, request: str = "", **more: Any
    ) -> httpx.Response:
        headers = {"Idempotency-Key": request} if request else {}
        body = {"amount": amount, "provider": provider, **more}
        return self.http.post(f"/v1/accounts/{account}/purchases", json=body, headers=headers)

    def pay(self, purchase: dict[str, Any], card: str = GOOD) -> str:
        """The customer pays on our page or where it leads; the address that the browser is sent back to, unvisited."""
        page = self.browser.get(purchase["pay_url"])
        assert page.status_code == 200, page.text
        if purchase["provider"] == "stripe":
            return self.type_card(_link(page.text), card)
        return self._check_out(page.text, card)

    def type_card(self, url: str, card: str = GOOD) -> str:
        """The customer types a card at Stripe; where the browser is sent then."""
        answer = self.browser.post(url, data=CARD | {"number": card})
        return answer.headers["location"] if answer.is_redirect else url

    def visit(self, url: str) -> httpx.Response:
        """The browser goes there, and as far as it is sent on, with what it was given for the way."""
        return self.browser.get(url, follow_redirects=True) if "\n" not in url else self._post(url)

    def balance(self, account: str) -> str:
        balance: str = self.http.get(f"/v1/accounts/{account}/balance").json()["balance"]
        return balance

    def state(self, account: str, purchase_id: str) -> str:
        answer = self.http.get(f"/v1/accounts/{account}/purchases/{purchase_id}")
        state: str = answer.json()["state"]
        return state

    def wait_until_settled(self) -> None:
        """Waits until no webhook is under way and the views show what was appended."""
        eventually(lambda: self.sandbox.control.get("/sandbox").json()["webhooks_waiting"] == 0)
        ready = lambda: self.http.get("/readyz").json()["lag_records"] == 0  # noqa: E731
        eventually(ready)
        time.sleep(QUIET_SECONDS)
        eventually(ready)

    def webhooks(self, provider: str, *, on: bool) -> None:
        """Whether webhooks reach us. Those that don't are lost."""
        self.sandbox.control.delete("/sandbox/faults", params={"provider": provider})
        if not on:
            self.sandbox.fault("lost", provider=provider)

    def messages(self, provider: str, about: str) -> list[dict[str, Any]]:
        """The webhooks that name something, oldest first."""
        found = self.sandbox.control.get("/sandbox/webhooks", params={"provider": provider}).json()
        return [message for message in reversed(found) if about in message["body"]]

    def payments_in_webhooks(self, provider: str, *about: str) -> list[Payment]:
        """The payments in the webhooks that name one of these ids, as our gateway reads them."""
        messages = {one["id"]: one for each in about for one in self.messages(provider, each)}
        read = [self._read(provider, message["body"]).update for message in messages.values()]
        return [update for update in read if isinstance(update, Payment)]

    def _read(self, provider: str, body: str) -> Webhook:
        headers = self._signed(provider, body, SECRETS[provider], int(time.time()))
        return self.gateways[provider].webhook(body.encode(), {name.lower(): text for name, text in headers.items()})

    def _signed(self, provider: str, body: str, secret: str, moment: int) -> dict[str, str]:
        raw = body.encode()
        if provider == "razorpay":
            return {"X-Razorpay-Signature": hmac.digest(secret.encode(), raw, "sha256").hex()}
        digest = hmac.digest(secret.encode(), f"{moment}.".encode() + raw, "sha256").hex()
        return {"Stripe-Signature": f"t={moment},v1={digest}"}

    def deliver(
        self, provider: str, body: str, secret: str | None = None, at: int | None = None, to: str = ""
    ) -> httpx.Response:
        """Delivers a webhook, signed as the provider signs it, or with another `secret`. `to`: another API."""
        moment = int(time.time()) if at is None else at
        headers = self._signed(provider, body, SECRETS[provider] if secret is None else secret, moment)
        return self.http.post(f"{to}/webhooks/{provider}", content=body, headers=headers)

    def act(self, provider: str, path: str, **body: Any) -> dict[str, Any]:
        """Something that happens at the provider: a bank opens a dispute, a person refunds on the dashboard."""
        answer = self.sandbox.control.post(f"/sandbox/{provider}/{path}", json=body)
        assert answer.is_success, answer.text
        done: dict[str, Any] = answer.json() if answer.content else {}
        return done

    @cached_property
    def guard(self) -> Guard:
        """One for all rounds of the sweep: to open it takes as long as a round."""
        return self.stack_of.enter_context(Guard(self.settings))

    @cached_property
    def updates(self) -> ProviderUpdates:
        """What a sweep learns with: a process of its own, as far as the ledger can tell."""
        publisher = self.stack_of.enter_context(Publisher(self.settings))
        append = lambda event: publisher.append_event(EVENTS, event, self.settings.signing_key()).position()  # noqa: E731
        return ProviderUpdates(self.settings, self.gateways, self.database, Unguarded(append))

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.settings.database, autocommit=True) as connection:
            yield connection

    def entries(self, account: str, type_: str = "credits.purchased") -> list[dict[str, Any]]:
        """The data of an account's events of a type, as they are projected."""
        return self.rows("SELECT data FROM views.entries WHERE account_id = %s AND type = %s", account, type_)

    def rows(self, sql: str, *parameters: object) -> list[Any]:
        """The first column of what a statement finds."""
        with psycopg.connect(self.settings.database, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters)
            return [row[0] for row in cursor.fetchall()] if cursor.description else []

    def alerts(self, account: str, payment_id: str) -> list[str]:
        sql = "SELECT reason FROM records.payment_alerts WHERE account_id = %s OR payment_id = %s ORDER BY 1"
        return self.rows(sql, account, payment_id)

    def on_the_log(self) -> int:
        """How many records the log has."""
        return int(self.rows("SELECT sum(next_offset) FROM views.progress")[0])

    def balanced(self) -> bool:
        with psycopg.connect(self.settings.database) as connection:
            return trial_balance(connection).balanced

    def _check_out(self, page: str, card: str) -> str:
        fields = _form(page)
        action = fields.pop("")
        typed = {
            "method": "card",
            "card[number]": _AT_RAZORPAY.get(card, card),
            "card[expiry]": "12/34",
            "card[cvv]": "123",
        }
        pay = action.replace("embedded", "pay")
        assert self.browser.post(action, data=fields).status_code == 200
        answer = self.browser.post(pay, data=fields | typed)
        back = _form(answer.text)
        return f"{back.pop('')}\n{json.dumps(back)}"

    def _post(self, url: str) -> httpx.Response:
        address, _, fields = url.partition("\n")
        return self.browser.post(address, data=json.loads(fields), follow_redirects=True)


@contextlib.contextmanager
def payment_system(stack: Stack, folder: Path, **changes: Any) -> Iterator[PaymentSystem]:
    """Everything, as real processes, until the block ends."""
    with running_sandbox() as sandbox:
        settings = new_ledger(
            stack,
            **sandbox.stripe_settings,
            razorpay_key_id=doubles.RAZORPAY_KEY_ID,
            razorpay_key_secret=doubles.RAZORPAY_KEY_SECRET,
            razorpay_webhook_secrets=[doubles.RAZORPAY_WEBHOOK_SECRET],
            razorpay_url=sandbox.razorpay_url,
            razorpay_rates=[{"from": "2026-01-01", "rupees": "80.00"}, {"from": "2026-02-01", "rupees": "85.00"}],
            api_port=free_port(),
            **changes,
        )
        bootstrap(settings)
        with projector(settings, folder), api(settings, folder, api_port=settings.api_port) as url:
            for provider, secret in SECRETS.items():
                sandbox.aim(provider, f"{url}/webhooks/{provider}", secret)
            running = PaymentSystem(settings, url, sandbox, folder)
            with running.http, running.browser, running.stack_of:
                yield running


def _link(page: str) -> str:
    found = re.search(r'class="button" href="([^"]+)"', page)
    assert found, page
    return html.unescape(found[1])


def _form(page: str) -> dict[str, str]:
    """The hidden fields of the form on a page, and its action under ""."""
    action = re.search(r'<form[^>]* action="([^"]+)"', page)
    assert action, page
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return {"": html.unescape(action[1]), **{html.unescape(name): html.unescape(value) for name, value in fields}}
