"""Stories about one purchase: the steps of the customer, the provider and the network, and what the ledger shows then.

    buys pays webhooks returns | 10 | 1000 | credited | 200 |

Columns: the steps; the account's balance; the customer's money that the provider has, less refunds, in minor units; the
purchase's state; the HTTP statuses with which we answered webhooks; the alerts about the payment. No webhook arrives
unless the story says `webhooks`. Each step is a method of `Story` with - for _; its argument follows a colon.

The customer:
    saves:CARD              saves one of the sandbox's test cards; then `buys` charges it at once
    buys                    begins a purchase of 10 credits; twice: repeats the same request
    pays, card-declined     pays on the provider's page, with a good card or with one that has no money
    confirms                answers the bank's question
    returns                 comes back from the provider's page to ours
    reloads                 opens our page again
    spends:CREDITS          uses that much
The provider, banks and the network:
    webhooks, webhooks:TEXT each webhook about the purchase (whose type contains TEXT) arrives three times, in any order
    sweep                   the payment sweep reads the provider's lists, as when webhooks are lost
    fault:KIND/CALL/N       the provider's next N calls of this kind fail
    refunds:AMOUNT          a person refunds AMOUNT minor units on the provider's dashboard
    disputes:AMOUNT         the customer's bank takes back AMOUNT minor units
    wins-dispute, loses-dispute     the bank decides, for us or against us
    a-day-passes            25 hours pass at the provider, which then forgets idempotency keys
The operator:
    operator-refunds:CREDITS        refunds through our API; "all": what is left
    refund-answer-lost:CREDITS      the same, and the provider's answer does not arrive
    repeats-refund:CREDITS          the same request again, with its key
What goes wrong:
    loses-row               our row of the checkout is lost
    changes-row:COLUMN/VALUE        our row says something else
    forges:FIELD/VALUE      another payment carries the signed terms of this one, with one field changed
    pays-elsewhere          a payment at the other provider carries the terms of this one
"""

import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from stripe.params import PaymentIntentCreateParams

from ledger.payments.gateway import Payment
from tests.payments.payment_system import NO_FUNDS, PaymentSystem
from tests.scenarios.tables import in_columns
from tests.support import events


class Story:
    """One purchase by one customer."""

    def __init__(self, system: PaymentSystem, provider: str, dice: random.Random) -> None:
        self.system, self.provider, self.dice = system, provider, dice
        self.account, self.request = system.account(), uuid.uuid4().hex
        self.began = datetime.now(UTC) - timedelta(seconds=2)
        self.purchase: dict[str, Any] = {}
        self.reference, self.way_back, self.dispute, self.method = "", "", "", ""
        self.statuses: set[int] = set()

    def play(self, steps: str) -> list[str]:
        """Does the steps; the cells of the line as they came out."""
        for step in steps.split():
            word, _, argument = step.partition(":")
            act: Callable[..., None] = getattr(self, word.replace("-", "_"))
            act(*([argument] if argument else []))
        self.system.wait_until_settled()
        answered = " ".join(map(str, sorted(self.statuses)))
        state = self.system.state(self.account, self.purchase["purchase_id"])
        alerts = " ".join(self.system.alerts(self.account, self._payment_id()))
        return [steps, self.system.balance(self.account), str(self.taken()), state, answered, alerts]

    # What the customer does.

    def buys(self) -> None:
        more = {"payment_method_id": self.method} if self.method else {}
        answer = self.system.post(self.account, self.provider, request=self.request, **more)
        if answer.status_code == 503:
            return
        assert answer.status_code == 201, answer.text
        self.purchase = answer.json()
        self.reference = self._row("reference")

    def saves(self, card: str) -> None:
        """A card, on Stripe's page; the sandbox's test ids stand for their numbers."""
        self.system.buy(self.account, self.provider)  # makes the customer
        customer = self.system.rows("SELECT customer_id FROM records.customers WHERE account_id = %s", self.account)[0]
        self.method = self.system.stripe.payment_methods.attach(card, {"customer": customer}).id

    def pays(self) -> None:
        self.way_back = self.system.pay(self.purchase)

    def card_declined(self) -> None:
        """Pays with a card that has no money."""
        self.way_back = self.system.pay(self.purchase, NO_FUNDS)

    def confirms(self) -> None:
        """Answers the bank, where our page leads."""
        page = self.system.browser.get(self.purchase["pay_url"])
        url = page.text.split('class="button" href="')[1].split('"')[0]
        self.way_back = self.system.browser.post(url, data={"answer": "complete"}).headers["location"]

    def returns(self) -> None:
        """Comes back from the provider; our page answers 503 while the provider does not answer."""
        assert self.system.visit(self.way_back).status_code in (200, 503)

    def reloads(self) -> None:
        """Opens the page again, as a reload does."""
        assert self.system.visit(self.purchase["pay_url"]).status_code == 200

    def spends(self, credits: str) -> None:
        body = events.usage(self.account, uuid.uuid4().hex, None, provider_cost=credits, mode="auto")
        assert self.system.http.post("/v1/usage", json=body).status_code == 202

    # What the provider and the network do.

    def webhooks(self, about: str = "") -> None:
        """Every webhook about the purchase so far arrives three times, in any order."""
        messages = 3 * [message for message in self._messages() if about in message["type"]]
        assert messages, about
        self.dice.shuffle(messages)
        for message in messages:
            self.statuses.add(self.system.deliver(self.provider, message["body"]).status_code)

    def sweep(self) -> None:
        """A sweep finds what no webhook told. A purchase that stays unpaid is asked for by its id."""
        gateway, handle = self.system.gateways[self.provider], self.system.updates.handle
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
        self.system.sandbox.fault(kind, operation, provider=self.provider, times=int(times), seconds=0.1)

    def refunds(self, amount: str) -> None:
        """A person refunds `amount` minor units on the provider's dashboard."""
        name = "payment_intent" if self.provider == "stripe" else "payment_id"
        self.system.act(self.provider, "refunds", **{name: self._payment().payment_id, "amount": int(amount)})

    def operator_refunds(self, credits: str) -> None:
        """An operator refunds `credits` through our API."""
        answer = self._give(credits)
        assert answer.status_code == 201, answer.text

    def refund_answer_lost(self, credits: str) -> None:
        """The same under a key; but the provider's answer does not arrive."""
        times = {"stripe": 3, "razorpay": 1}[self.provider]
        self.fault(f"timeout_after/refunds.create/{times}")
        answer = self._give(credits, self.request)
        assert answer.status_code == 503, answer.text

    def repeats_refund(self, credits: str) -> None:
        """The same request again, with its key."""
        answer = self._give(credits, self.request)
        assert answer.status_code == 201, answer.text

    def a_day_passes(self) -> None:
        """For the provider, and an hour more; it forgets the keys of requests."""
        self.system.sandbox.control.post("/sandbox/clock", json={"seconds": 25 * 3600}).raise_for_status()

    def disputes(self, amount: str) -> None:
        """The customer's bank disputes `amount` minor units."""
        name = "payment_intent" if self.provider == "stripe" else "payment_id"
        body = {name: self._payment().payment_id, "amount": int(amount)}
        self.dispute = self.system.act(self.provider, "disputes", **body)["id"]

    def wins_dispute(self) -> None:
        self._decide("won")

    def loses_dispute(self) -> None:
        self._decide("lost")

    # What goes wrong on our side.

    def loses_row(self) -> None:
        """The row is lost."""
        self._set("DELETE FROM records.checkouts")

    def changes_row(self, what: str) -> None:
        """`mistakes:account_id/other`: our row says something else from now on."""
        column, value = what.split("/")
        self._set(f"UPDATE records.checkouts SET {column} = '{value}'")

    def forges(self, what: str) -> None:
        """`forges:amount/500`: a payment that carries the signed terms of this one, but for something."""
        name, value = what.split("/")
        terms = dict(self.system.gateways[self.provider].payment(self.reference).metadata)
        amount = int(value) if name == "amount" else {"stripe": 1000, "razorpay": 85000}[self.provider]
        terms |= {f"ledger_{name}": value} if name not in ("amount", "currency") else {}
        self._pay_elsewhere(self.provider, terms, amount, value if name == "currency" else "usd")

    def pays_elsewhere(self) -> None:
        """The terms of this purchase on a payment at the other provider."""
        terms = dict(self.system.gateways[self.provider].payment(self.reference).metadata)
        self.provider = {"stripe": "razorpay", "razorpay": "stripe"}[self.provider]
        amount = {"stripe": 1000, "razorpay": 85000}[self.provider]
        self._pay_elsewhere(self.provider, terms, amount, "usd")

    def taken(self) -> int:
        """What the provider has of this customer's money."""
        gateway = self.system.gateways[self.provider]
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
            self.reference = self.system.stripe.payment_intents.create(params).id
        else:
            order = httpx.post(
                f"{self.system.sandbox.razorpay_url}/v1/orders",
                auth=(
                    self.system.settings.razorpay_key_id,
                    self.system.settings.razorpay_key_secret.get_secret_value(),
                ),
                json={"amount": amount, "currency": "INR", "notes": terms},
            ).json()
            self.reference = order["id"]
            self.system.act("razorpay", "payments", order_id=order["id"])

    def _messages(self) -> list[dict[str, Any]]:
        about = {self.purchase["purchase_id"], self.reference, self._payment().payment_id}
        everything = (message for one in about for message in self.system.messages(self.provider, one))
        return list({message["id"]: message for message in everything}.values())

    def _payment(self) -> Payment:
        return self.system.gateways[self.provider].payment(self.reference)

    def _payment_id(self) -> str:
        return self._payment().payment_id

    def _is_about(self, payment: Payment) -> bool:
        return self.purchase.get("purchase_id") in payment.metadata.values() or payment.reference == self.reference

    def _give(self, credits: str, key: str | None = None) -> httpx.Response:
        url = f"/v1/accounts/{self.account}/purchases/{self.purchase['purchase_id']}/refunds"
        body = {} if credits == "all" else {"amount": credits}
        return self.system.http.post(url, json=body, headers={"Idempotency-Key": f"{key}-back"} if key else {})

    def _decide(self, outcome: str) -> None:
        if self.provider == "stripe":
            self.system.act("stripe", f"disputes/{self.dispute}/decide", outcome=outcome)
        else:
            self.system.act("razorpay", f"disputes/{self.dispute}", status=outcome)

    def _row(self, column: str) -> Any:
        sql = f"SELECT {column} FROM records.checkouts WHERE checkout_id = %s"
        return self.system.rows(sql, self.purchase["purchase_id"])[0]

    def _set(self, sql: str) -> None:
        self.system.rows(f"{sql} WHERE checkout_id = %s", self.purchase["purchase_id"])


def lines_of(table: str) -> list[str]:
    """The lines of a table; empty ones and those that begin with # are for people."""
    return [line for line in map(str.strip, table.splitlines()) if line and not line.startswith("#")]


def played(system: PaymentSystem, provider: str, line: str, seed: int) -> str:
    """The line as it came out."""
    return in_columns([Story(system, provider, random.Random(seed)).play(cells(line)[0])])


def cells(line: str) -> list[str]:
    """The cells of a line."""
    return [cell.strip() for cell in line.split("|")]


def expected(line: str) -> str:
    """The line as the story states it, in the same columns as `played`."""
    return in_columns([cells(line)])
