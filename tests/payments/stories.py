"""The format of a story about money: what people, banks and networks do, and what the ledger and the provider then say.

    buys quiet pays told back | 10 | 1000 | credited | 200 |

Columns: the steps; the account's balance; what the provider took from the customer less what went back, in minor units;
the state of the purchase; the statuses that webhooks were answered with; alerts. Each step is a method of `Story`.
"""

import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from stripe.params import PaymentIntentCreateParams

from ledger.payments.gateway import Payment
from tests.payments.market import NO_FUNDS, Market
from tests.scenarios.tables import in_columns
from tests.support import events


class Story:
    """One purchase by one customer. Webhooks are kept back, and come when the story says so."""

    def __init__(self, market: Market, provider: str, dice: random.Random) -> None:
        self.market, self.provider, self.dice = market, provider, dice
        self.account, self.request = market.account(), uuid.uuid4().hex
        self.began = datetime.now(UTC) - timedelta(seconds=2)
        self.purchase: dict[str, Any] = {}
        self.reference, self.way_back, self.dispute, self.method = "", "", "", ""
        self.statuses: set[int] = set()

    def tell(self, steps: str) -> list[str]:
        """The line, as it came true."""
        for step in steps.split():
            word, _, argument = step.partition(":")
            act: Callable[..., None] = getattr(self, word)
            act(*([argument] if argument else []))
        self.market.settled()
        answered = " ".join(map(str, sorted(self.statuses)))
        state = self.market.state(self.account, self.purchase["purchase_id"])
        alerts = " ".join(self.market.alerts(self.account, self._payment_id()))
        return [steps, self.market.balance(self.account), str(self.taken()), state, answered, alerts]

    # What the customer does.

    def buys(self) -> None:
        more = {"payment_method_id": self.method} if self.method else {}
        answer = self.market.post(self.account, self.provider, request=self.request, **more)
        if answer.status_code == 503:
            return
        assert answer.status_code == 201, answer.text
        self.purchase = answer.json()
        self.reference = self._row("reference")

    def saves(self, card: str) -> None:
        """A card, on Stripe's page; the sandbox's test ids stand for their numbers."""
        self.market.buy(self.account, self.provider)  # makes the customer
        customer = self.market.rows("SELECT customer_id FROM records.customers WHERE account_id = %s", self.account)[0]
        self.method = self.market.stripe.payment_methods.attach(card, {"customer": customer}).id

    def pays(self) -> None:
        self.way_back = self.market.pay(self.purchase)

    def declined(self) -> None:
        """Pays with a card that has no money."""
        self.way_back = self.market.pay(self.purchase, NO_FUNDS)

    def confirms(self) -> None:
        """Answers the bank, where our page leads."""
        page = self.market.browser.get(self.purchase["pay_url"])
        url = page.text.split('class="button" href="')[1].split('"')[0]
        self.way_back = self.market.browser.post(url, data={"answer": "complete"}).headers["location"]

    def back(self) -> None:
        """Comes back from the provider; the page asks for patience when the provider does not answer."""
        assert self.market.visit(self.way_back).status_code in (200, 503)

    def looks(self) -> None:
        """Opens the page again, as a reload does."""
        assert self.market.visit(self.purchase["pay_url"]).status_code == 200

    def spends(self, credits: str) -> None:
        body = events.usage(self.account, uuid.uuid4().hex, None, provider_cost=credits, mode="auto")
        assert self.market.http.post("/v1/usage", json=body).status_code == 202

    # What the provider and the network do.

    def told(self, about: str = "") -> None:
        """Every message about the purchase so far comes three times, in any order."""
        messages = 3 * [message for message in self._messages() if about in message["type"]]
        assert messages, about
        self.dice.shuffle(messages)
        for message in messages:
            self.statuses.add(self.market.deliver(self.provider, message["body"]).status_code)

    def swept(self) -> None:
        """A sweep finds what no webhook told. A purchase that stays unpaid is asked for by its id."""
        gateway, handle = self.market.gateways[self.provider], self.market.updates.handle
        for payment in gateway.payments(self.began):
            if self._is_about(payment):
                handle(self.provider, payment)
        for listed in (gateway.refunds, gateway.disputes):
            for update in listed(self.began):
                if update.payment_id == self._payment().payment_id:
                    handle(self.provider, update)

    def fault(self, what: str) -> None:
        """`fault:timeout_after/payment_intents.create/3`: the next three calls."""
        kind, operation, times = what.split("/")
        self.market.sandbox.fault(kind, operation, provider=self.provider, times=int(times), seconds=0.1)

    def refunds(self, amount: str) -> None:
        """Somebody gives back so many minor units on the dashboard."""
        name = "payment_intent" if self.provider == "stripe" else "payment_id"
        self.market.act(self.provider, "refunds", **{name: self._payment().payment_id, "amount": int(amount)})

    def gives(self, credits: str) -> None:
        """An operator gives back so many credits through our API."""
        answer = self._give(credits)
        assert answer.status_code == 201, answer.text

    def lost(self, credits: str) -> None:
        """The same under a key; but the provider's answer does not arrive."""
        times = {"stripe": 3, "razorpay": 1}[self.provider]
        self.fault(f"timeout_after/refunds.create/{times}")
        answer = self._give(credits, self.request)
        assert answer.status_code == 503, answer.text

    def again(self, credits: str) -> None:
        """The same request again, with its key."""
        answer = self._give(credits, self.request)
        assert answer.status_code == 201, answer.text

    def a_day(self) -> None:
        """For the provider, and an hour more; it forgets the keys of requests."""
        self.market.sandbox.control.post("/sandbox/clock", json={"seconds": 25 * 3600}).raise_for_status()

    def disputes(self, amount: str) -> None:
        """The customer's bank takes so many minor units."""
        name = "payment_intent" if self.provider == "stripe" else "payment_id"
        body = {name: self._payment().payment_id, "amount": int(amount)}
        self.dispute = self.market.act(self.provider, "disputes", **body)["id"]

    def wins(self) -> None:
        self._decide("won")

    def loses(self) -> None:
        self._decide("lost")

    # What goes wrong on our side.

    def forgets(self) -> None:
        """The row is lost."""
        self._set("DELETE FROM records.checkouts")

    def mistakes(self, what: str) -> None:
        """`mistakes:account_id/other`: our row says something else from now on."""
        column, value = what.split("/")
        self._set(f"UPDATE records.checkouts SET {column} = '{value}'")

    def forges(self, what: str) -> None:
        """`forges:amount/500`: a payment that carries the signed terms of this one, but for something."""
        name, value = what.split("/")
        terms = dict(self.market.gateways[self.provider].payment(self.reference).metadata)
        amount = int(value) if name == "amount" else {"stripe": 1000, "razorpay": 85000}[self.provider]
        terms |= {f"ledger_{name}": value} if name not in ("amount", "currency") else {}
        self._pay_elsewhere(self.provider, terms, amount, value if name == "currency" else "usd")

    def elsewhere(self) -> None:
        """The terms of this purchase on a payment at the other provider."""
        terms = dict(self.market.gateways[self.provider].payment(self.reference).metadata)
        self.provider = {"stripe": "razorpay", "razorpay": "stripe"}[self.provider]
        amount = {"stripe": 1000, "razorpay": 85000}[self.provider]
        self._pay_elsewhere(self.provider, terms, amount, "usd")

    def taken(self) -> int:
        """What the provider has of this customer's money."""
        gateway = self.market.gateways[self.provider]
        paid = [p for p in gateway.payments(self.began) if p.status == "paid" and self.account in p.metadata.values()]
        ids = {payment.payment_id for payment in paid}
        back = [r for r in gateway.refunds(self.began) if r.status == "succeeded" and r.payment_id in ids]
        return sum(one.amount_minor for one in paid) - sum(one.amount_minor for one in back)

    def _pay_elsewhere(self, provider: str, terms: dict[str, str], amount: int, currency: str) -> None:
        if provider == "stripe":
            params: PaymentIntentCreateParams = {
                "amount": amount,
                "currency": currency,
                "metadata": terms,
                "payment_method": "pm_card_visa",
                "confirm": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
            self.reference = self.market.stripe.payment_intents.create(params).id
        else:
            order = httpx.post(
                f"{self.market.sandbox.razorpay_url}/v1/orders",
                auth=(
                    self.market.settings.razorpay_key_id,
                    self.market.settings.razorpay_key_secret.get_secret_value(),
                ),
                json={"amount": amount, "currency": "INR", "notes": terms},
            ).json()
            self.reference = order["id"]
            self.market.act("razorpay", "payments", order_id=order["id"])

    def _messages(self) -> list[dict[str, Any]]:
        about = {self.purchase["purchase_id"], self.reference, self._payment().payment_id}
        everything = (message for one in about for message in self.market.messages(self.provider, one))
        return list({message["id"]: message for message in everything}.values())

    def _payment(self) -> Payment:
        return self.market.gateways[self.provider].payment(self.reference)

    def _payment_id(self) -> str:
        return self._payment().payment_id

    def _is_about(self, payment: Payment) -> bool:
        return self.purchase.get("purchase_id") in payment.metadata.values() or payment.reference == self.reference

    def _give(self, credits: str, key: str | None = None) -> httpx.Response:
        url = f"/v1/accounts/{self.account}/purchases/{self.purchase['purchase_id']}/refunds"
        body = {} if credits == "all" else {"amount": credits}
        return self.market.http.post(url, json=body, headers={"Idempotency-Key": f"{key}-back"} if key else {})

    def _decide(self, outcome: str) -> None:
        if self.provider == "stripe":
            self.market.act("stripe", f"disputes/{self.dispute}/decide", outcome=outcome)
        else:
            self.market.act("razorpay", f"disputes/{self.dispute}", status=outcome)

    def _row(self, column: str) -> Any:
        sql = f"SELECT {column} FROM records.checkouts WHERE checkout_id = %s"
        return self.market.rows(sql, self.purchase["purchase_id"])[0]

    def _set(self, sql: str) -> None:
        self.market.rows(f"{sql} WHERE checkout_id = %s", self.purchase["purchase_id"])


def lines_of(table: str) -> list[str]:
    """The lines of a table; empty ones and those that begin with # are for people."""
    return [line for line in map(str.strip, table.splitlines()) if line and not line.startswith("#")]


def told(market: Market, provider: str, line: str, seed: int) -> str:
    """The line as it came true."""
    return in_columns([Story(market, provider, random.Random(seed)).tell(cells(line)[0])])


def cells(line: str) -> list[str]:
    """The cells of a line."""
    return [cell.strip() for cell in line.split("|")]


def expected(line: str) -> str:
    """The line as it stands, in the same columns as what came true."""
    return in_columns([cells(line)])
