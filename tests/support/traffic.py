"""The traffic of a ledger in production, and a sum of our own of all that the ledger has accepted.

Routers send usage over HTTP, as the docs say: the same event until it is accepted. They ask at the gate and settle what
it holds. One uses Kafka directly. Customers buy credits, and others let their cards be charged. A request is a sample.
"""

import asyncio
import contextlib
import random
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from typing import Any

import httpx
from confluent_kafka import KafkaError, Message, Producer

from ledger.payments.customers import put_customer
from schemas.topics import EVENTS
from tests.support.events import Event, Ids, json_bytes, usage
from tests.support.expected import charge, home_of, nanos
from tests.support.lanes import Asked, Lane
from tests.support.production import API_PROCESSES, PARTITIONS, Production
from tests.support.sampling import Sample
from tests.support.servers import key

ROUTERS = 10
ACCOUNTS_EACH = 2  # per partition
TOPPED_UP = 6
CREDITS, BEGINS_WITH, THRESHOLD, TOP_UP, PURCHASE = "100000", "30", "20", "50", "10"
# Pauses of a lane between two requests, and before the same one is sent again.
PACE_SECONDS, RETRY_SECONDS = 0.25, 0.3
GATE_PACE_SECONDS, READY_PACE_SECONDS, KAFKA_PACE_SECONDS, PURCHASE_PACE_SECONDS = 0.7, 0.5, 0.1, 4.0
# Requests that were authorized and whose usage waits; beyond it, holds are released.
UNSETTLED_MAX = 50
IDLE_SECONDS = 60.0


class Accepted:
    """All that the ledger has taken: with 201 or 202, with Kafka's acknowledgement, or as a payment."""

    def __init__(self) -> None:
        self.given: dict[str, int] = {}  # nanos by account
        self.usage: dict[str, tuple[str, int]] = {}  # account and charge by event
        self.settled: dict[str, str] = {}  # event by hold
        self.paid: dict[str, tuple[str, float]] = {}  # account and when, by purchase
        self.refused: list[str] = []  # what no router may be refused

    def take(self, event: Event) -> None:
        """This usage will be charged."""
        data = event["data"]
        self.usage[event["id"]] = event["subject"], charge(data["provider_cost"], data["mode"])
        if "authorization_id" in data:
            self.settled[data["authorization_id"]] = event["id"]


class Traffic:
    """All of it, in threads of its own, from `start` to `stop`."""

    def __init__(self, production: Production, seed: int) -> None:
        self.production, self.accepted, self.samples = production, Accepted(), list[Sample]()
        self.ids, self._chance, self._name = Ids(seed), random.Random(seed), f"{seed:x}"
        self._token = key(production.settings)
        self._serving = production.api.children()
        self._ended, self._running, self._busy = threading.Event(), threading.Event(), set[str]()
        self._failures, self._unsettled = list[str](), deque[Event]()
        self._accounts = [self._plain(partition) for partition in range(PARTITIONS)]
        self.topped_up = [self._topped_up() for _ in range(TOPPED_UP)]
        self._buyers = [production.system.account() for _ in range(2)]
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=work.__name__, daemon=True)
            for work in (self._http, self._kafka, self._customers)
        ]

    def __enter__(self) -> "Traffic":
        self._running.set()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._running.set()
        for thread in self._threads:
            thread.join(IDLE_SECONDS)

    def pause(self) -> list[str]:
        """Lets each finish what it has in hand; those that could not, with what it is."""
        self._running.clear()
        deadline = time.monotonic() + IDLE_SECONDS
        while self._busy and time.monotonic() < deadline:
            time.sleep(0.1)
        self.check()
        return sorted(self._busy)

    def check(self) -> None:
        """Fails when the traffic itself has failed, and so says nothing of the ledger."""
        assert not self._failures, "\n".join(self._failures)

    def resume(self) -> None:
        self._running.set()

    # Accounts.

    def _plain(self, partition: int) -> list[str]:
        """Accounts of a partition that can pay all that they use."""
        names = (f"acct_{self._name}_{number}" for number in range(10_000))
        own = [name for name in names if home_of(name, PARTITIONS) == partition][:ACCOUNTS_EACH]
        for name in own:
            self._until(201, "POST", "/v1/accounts", {"account_id": name})
            self._give(name, CREDITS)
        return own

    def _topped_up(self) -> str:
        """An account with a card that is charged below a threshold."""
        system = self.production.system
        name = system.account()
        customer = put_customer(system.database, system.gateways["stripe"], name)
        method = system.stripe.payment_methods.attach("pm_card_visa", {"customer": customer}).id
        system.stripe.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
        self._give(name, BEGINS_WITH)
        policy = {"enabled": True, "threshold": THRESHOLD, "amount": TOP_UP, "provider": "stripe"}
        self._until(200, "PUT", f"/v1/accounts/{name}/auto-top-up", policy)
        return name

    def _give(self, account: str, credits: str) -> None:
        body = {"amount": credits, "reason_code": "gift"}
        self._until(201, "POST", f"/v1/accounts/{account}/adjustments", body)
        self.accepted.given[account] = nanos(credits)

    def _until(self, status: int, method: str, path: str, body: Any) -> Any:
        """Asks until this status comes, under one key, so that it is done once."""
        headers = {"Idempotency-Key": self.ids()}
        while not self._ended.is_set():
            with contextlib.suppress(httpx.HTTPError):
                answer = self.production.system.http.request(method, path, json=body, headers=headers)
                if answer.status_code == status:
                    return answer.json()
                assert answer.status_code in (202, 409) or answer.status_code >= 500, f"{path}: {answer.text}"
            time.sleep(RETRY_SECONDS)
        return None

    # What they use.

    def _usage(self, account: str, cost: str, **more: Any) -> Event:
        mode = self._chance.choice(("auto", "tier"))
        return usage(account, self.ids(), cost, mode=mode, **more)

    def _some_usage(self) -> Event:
        """Of one who can pay, or of one who is about to top up."""
        if self._chance.random() < 0.25:
            return self._usage(self._chance.choice(self.topped_up), f"2.{self._chance.randrange(10**6):06}")
        account = self._chance.choice(self._chance.choice(self._accounts))
        return self._usage(account, f"0.0{self._chance.randrange(10**12):012}1")

    @contextlib.contextmanager
    def _in_hand(self, what: str) -> Iterator[None]:
        self._busy.add(what)
        try:
            yield
        finally:
            self._busy.discard(what)

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException:
            self._failures.append(traceback.format_exc())

    # Over HTTP.

    def _http(self) -> None:
        asyncio.run(self._all_lanes())

    async def _all_lanes(self) -> None:
        routers = [(self._lane(f"router-{number}", number), self._route) for number in range(ROUTERS)]
        gates = [
            (self._lane(f"gate-{partition}-{number}", number), self._authorizing(partition))
            for partition in range(PARTITIONS)
            for number in range(API_PROCESSES)
        ]
        probes = [(self._lane(f"ready-{number}", number), self._ready) for number in range(API_PROCESSES)]
        await asyncio.gather(self._look(), *(self._loop(lane, work) for lane, work in [*routers, *gates, *probes]))

    def _lane(self, name: str, number: int) -> Lane:
        return Lane(name, number, self.production.url, self._token, lambda: self._serving)

    async def _look(self) -> None:
        """Which processes serve."""
        while not self._ended.is_set():
            self._serving = await asyncio.to_thread(self.production.api.children)
            await asyncio.sleep(0.3)

    async def _loop(self, lane: Lane, work: Any) -> None:
        while not self._ended.is_set():
            if self._running.is_set() or work == self._ready or (work == self._route and self._unsettled):
                await work(lane)
            else:
                await asyncio.sleep(0.1)
        await lane.close()

    async def _route(self, lane: Lane) -> None:
        """What authorizations wait to be settled by comes first."""
        event = self._unsettled.popleft() if self._unsettled else self._some_usage()
        await self._deliver(lane, event)
        await asyncio.sleep(PACE_SECONDS)

    async def _deliver(self, lane: Lane, event: Event) -> None:
        """The same event until it is accepted."""
        with self._in_hand(_named(event)):
            while not self._ended.is_set():
                asked = await lane.ask("POST", "/v1/usage", json=event)
                self.samples.append(lane.sample("usage", asked, ok=asked.status == 202))
                if asked.status == 202:
                    return self.accepted.take(event)
                if 400 <= asked.status < 500:
                    return self._note_refusal("usage", event["subject"], asked)
                await asyncio.sleep(RETRY_SECONDS)

    def _authorizing(self, partition: int) -> Any:
        async def work(lane: Lane) -> None:
            account = self._chance.choice(self._accounts[partition])
            with self._in_hand(f"an authorization of {account} by {lane.name}"):
                hold = await self._authorize(lane, account)
                if hold and len(self._unsettled) < UNSETTLED_MAX:
                    self._settle(self._usage(account, "0.01", authorization_id=hold))
                elif hold:
                    await lane.ask("DELETE", f"/v1/authorizations/{hold}")
            await asyncio.sleep(GATE_PACE_SECONDS)

        return work

    def _settle(self, event: Event) -> None:
        """A router will send it."""
        self._busy.add(_named(event))
        self._unsettled.append(event)

    async def _authorize(self, lane: Lane, account: str) -> str | None:
        """The hold, asked for under one key until it is granted."""
        headers, body = {"Idempotency-Key": self.ids()}, {"account_id": account, "amount": "0.5", "ttl": 3600}
        while not self._ended.is_set():
            asked = await lane.ask("POST", "/v1/authorizations", json=body, headers=headers)
            self.samples.append(lane.sample("gate", asked, ok=asked.status == 201))
            if asked.status == 201:
                return str(asked.json["id"])
            if 400 <= asked.status < 500:
                self._note_refusal("authorization", account, asked)
                return None
            await asyncio.sleep(RETRY_SECONDS)
        return None

    def _note_refusal(self, what: str, account: str, asked: Asked) -> None:
        self.accepted.refused.append(f"{what} of {account}: {asked.status} {asked.said}")

    async def _ready(self, lane: Lane) -> None:
        asked = await lane.ask("GET", "/readyz")
        self.samples.append(lane.sample("ready", asked, ok=asked.status == 200))
        await asyncio.sleep(READY_PACE_SECONDS)

    # By Kafka.

    def _kafka(self) -> None:
        settings = self.production.settings
        producer = Producer(
            {
                "bootstrap.servers": settings.kafka,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "log_level": 0,
            }
        )
        while not self._ended.is_set():
            if self._running.is_set():
                self._produce(producer, self._some_usage())
            producer.poll(KAFKA_PACE_SECONDS)
        producer.flush(IDLE_SECONDS)

    def _produce(self, producer: Producer, event: Event) -> None:
        at, what = time.time(), f"{_named(event)} by Kafka"
        self._busy.add(what)

        def delivered(error: KafkaError | None, _message: Message) -> None:
            took = time.time() - at
            self.samples.append(Sample("kafka", "kafka", at, took, error is None, said=str(error or "")))
            self._busy.discard(what)
            if error is None:
                self.accepted.take(event)
            else:
                self._produce(producer, event)

        producer.produce(
            self.production.settings.topic(EVENTS), json_bytes(event), event["subject"].encode(), on_delivery=delivered
        )

    # With money.

    def _customers(self) -> None:
        for number in range(10**9):
            if self._ended.wait(PURCHASE_PACE_SECONDS):
                return
            if self._running.is_set():
                with self._in_hand(f"purchase number {number}"):
                    self._buy(self._buyers[number % 2], ("stripe", "razorpay")[number // 2 % 2])

    def _buy(self, account: str, provider: str) -> None:
        path = f"/v1/accounts/{account}/purchases"
        began = time.time()
        purchase = self._until(201, "POST", path, {"amount": PURCHASE, "provider": provider})
        while purchase and not self._ended.is_set():
            try:
                self.production.system.pay(purchase)
                self.accepted.paid[purchase["purchase_id"]] = account, began
                return
            except (httpx.HTTPError, AssertionError):  # our page does not answer: the customer loads it again
                time.sleep(RETRY_SECONDS)


def _named(event: Event) -> str:
    return f"event {event['id']} of {event['subject']}"
