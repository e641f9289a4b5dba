"""A broker that is frozen for longer than any append waits, or is killed: each client works again without a restart.

All that writes does so through one outage at the same time: the API, a consumer, the relay, a router.
"""

import json
import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple

import httpx
import psycopg
import pytest

from consumers.consumer import Received
from consumers.runner import Runner
from ledger.client import Ledger
from ledger.dev.bootstrap import bootstrap
from ledger.dev.kafka import EmbeddedKafka
from ledger.dev.stack import Stack
from ledger.guard.guard import Guard
from ledger.log.book import BookFollower
from ledger.log.event_appender import EventAppender
from ledger.log.publisher import LogUnavailable, Publisher
from ledger.records import outbox
from ledger.settings import Settings
from projectors.relay import Relay
from schemas.effects import BalanceLevelChanged, LevelChange
from schemas.events import Trace, TraceRecorded
from schemas.fields import json_of
from schemas.topics import EVENTS, TOP_UPS
from tests.client.conftest import CALL
from tests.support.events import priced_usage
from tests.support.ledgers import new_ledger, temporary_stack
from tests.support.servers import api, client, key
from tests.support.waiting import eventually
from tests.support.workers import records_of

STILL_SECONDS = 8
LATE_SECONDS = 15  # this machine may be busy; without the mend it takes for ever
PACE_SECONDS = 0.1


@pytest.fixture(scope="module")
def mortal() -> Iterator[Stack]:
    """A stack of this module's own."""
    with temporary_stack() as running:
        yield running


@pytest.fixture(scope="module")
def own(mortal: Stack) -> Settings:
    """A ledger on it, without a projector."""
    settings = new_ledger(mortal, verdict_seconds=0.1)
    bootstrap(settings)
    return settings


class Try(NamedTuple):
    """One attempt, and the id of what was acknowledged, if anything was."""

    began: float
    ended: float
    id: str


class Tries:
    """Attempts one after the other, in a thread, until it is closed."""

    def __init__(self, attempt: Callable[[], str]) -> None:
        self.made: list[Try] = []
        self._attempt, self._over = attempt, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def ids(self) -> set[str]:
        return {each.id for each in self.made if each.id}

    def worked_after(self, moment: float) -> float | None:
        """How long after a moment the first one began that worked."""
        return next((round(each.began - moment, 1) for each in self.made if each.id and each.began > moment), None)

    def failed_between(self, begin: float, end: float) -> bool:
        return any(not each.id and begin < each.ended < end for each in self.made)

    def close(self) -> None:
        self._over.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._over.wait(PACE_SECONDS):
            began = time.monotonic()
            acknowledged = self._attempt()
            self.made.append(Try(began, time.monotonic(), acknowledged))


def posts(http: httpx.Client) -> str:
    """Usage, over the API."""
    event = priced_usage("acct_api")
    answer = http.post("/v1/usage", json=event)
    assert answer.status_code in (202, 503), answer.text
    return str(event["id"]) if answer.is_success else ""


def appends(appender: EventAppender) -> str:
    """A signed event, as consumers append it."""
    event = TraceRecorded(
        source="test", id=str(uuid.uuid4()), subject="acct_consumer", data=Trace(trace_id="t", count=1)
    )
    try:
        appender.append_event(event)
    except LogUnavailable:
        return ""
    return event.id


def leaves_a_message(settings: Settings) -> str:
    """In the outbox, as folds do."""
    change = LevelChange(previous="ok", level="low", balance="1")
    event = BalanceLevelChanged(source="test", id=str(uuid.uuid4()), subject="acct_relay", data=change)
    value = json_of(event)
    signature = settings.signing_key().header(value)[1].decode()
    with psycopg.connect(settings.database) as connection:
        outbox.put(connection, 0, [outbox.Message(event.id, TOP_UPS, b"acct_relay", value, signature)])
    return event.id


class Hears:
    """A consumer that notes whom it was given."""

    name, at_once, topics = "hears", 1, (TOP_UPS,)

    def __init__(self) -> None:
        self.ids: list[str] = []

    def handle(self, received: Received) -> None:
        self.ids.append(received.event.id)


class Running(NamedTuple):
    """All that writes, and what a probe of the API is answered."""

    api: Tries
    consumer: Tries
    relay: Tries
    ready: Tries
    idle: Tries
    hears: Hears
    reasons: Counter[str]
    router: Ledger

    def works(self, since: float) -> dict[str, float]:
        """How long after a moment each of them worked; empty until all do."""
        found = {name: getattr(self, name).worked_after(since) for name in ("api", "consumer", "ready", "idle")}
        return {} if None in found.values() else found


@contextmanager
def hearing(settings: Settings) -> Iterator[Hears]:
    """The consumer, in its group."""
    hears, stopping = Hears(), threading.Event()
    with closing(BookFollower(settings)) as book, Guard(settings) as guard:
        book.wait(20)
        thread = threading.Thread(target=Runner(hears, settings, book, guard, stopping).run)
        thread.start()
        try:
            yield hears
        finally:
            stopping.set()
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def running(own: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("clients")
    reasons: Counter[str] = Counter()
    with ExitStack() as stack:
        open_ = stack.enter_context
        # So the router's client gives up within the outage, and makes a producer after it.
        open_(pytest.MonkeyPatch.context()).setattr("ledger.client.kafka.ACKNOWLEDGED_SECONDS", 2.0)
        url, token = open_(api(own, folder)), key(own)
        http, probe = open_(client(url, token)), open_(client(url, token))
        guard = open_(Guard(own))
        appender, relay = open_(closing(EventAppender(own, guard, seconds=10))), open_(closing(Relay(own, guard)))
        relay.set_partitions([0])
        idle = open_(Publisher(own, topics=[EVENTS]))

        def is_ready() -> str:
            part = probe.get("/readyz").json()["parts"]["kafka"]
            reasons[part["reason"]] += 1
            return "ready" if part["ready"] else ""

        def again_and_again(attempt: Callable[[], str]) -> Tries:
            return open_(closing(Tries(attempt)))

        options = {"source": "router/test", "spool": folder / "spool", "topic_prefix": own.topic_prefix}
        yield Running(
            again_and_again(lambda: posts(http)),
            again_and_again(lambda: appends(appender)),
            again_and_again(lambda: leaves_a_message(own)),
            again_and_again(is_ready),
            again_and_again(lambda: "" if idle.trouble else "ready"),
            open_(hearing(own)),
            reasons,
            open_(closing(Ledger.over_kafka(own.kafka, **options))),
        )


def stopped(broker: EmbeddedKafka) -> Callable[[], None]:
    """Is frozen, and does not notice it when it continues."""
    assert broker.pid is not None
    process = broker.pid
    os.kill(process, signal.SIGSTOP)
    return lambda: os.kill(process, signal.SIGCONT)


def killed(broker: EmbeddedKafka) -> Callable[[], None]:
    broker.kill()
    return broker.start


@pytest.mark.parametrize("outage", [stopped, killed])
def test_each_client_works_again_by_itself_and_what_was_acknowledged_is_on_the_log(
    outage: Callable[[EmbeddedKafka], Callable[[], None]], mortal: Stack, own: Settings, running: Running
) -> None:
    eventually(lambda: running.works(0) and running.hears.ids, 30)
    began = time.monotonic()
    end = outage(mortal.kafka)
    running.router.record_usage("acct_router", **CALL | {"request_id": outage.__name__})
    time.sleep(STILL_SECONDS)
    end()
    over, heard = time.monotonic(), len(running.hears.ids)
    lateness = eventually(lambda: running.works(over), LATE_SECONDS)
    print(f"{outage.__name__}: seconds until each worked again: {lateness}")
    eventually(lambda: len(running.hears.ids) > heard, LATE_SECONDS)
    running.router.flush(LATE_SECONDS)
    # Meanwhile they were refused within their bounds, and /readyz said so, for as long as it was so.
    assert running.api.failed_between(began, over)
    for probe in (running.ready, running.idle):
        assert not any(each.id and began + 5 < each.began < over for each in probe.made), running.reasons
    promised, left = running.api.ids | running.consumer.ids, running.relay.ids
    eventually(lambda: left <= set(running.hears.ids), LATE_SECONDS)
    log = [json.loads(record.value) for record in records_of(own, EVENTS, own.event_partitions)]
    assert promised <= {event["id"] for event in log}
    assert outage.__name__ in {event["data"].get("request_id") for event in log}


def test_the_relay_has_kept_the_order_of_an_account(own: Settings, running: Running) -> None:
    said = [record for record in records_of(own, TOP_UPS, 4) if record.key == b"acct_relay"]
    first = list(dict.fromkeys(json.loads(record.value)["id"] for record in said))
    assert first == [each.id for each in running.relay.made][: len(first)]
    assert len(first) > 100


def test_what_was_handed_over_behind_an_append_that_failed_does_not_reach_the_log(mortal: Stack, own: Settings) -> None:
    with Publisher(own, delivery_seconds=1, topics=[EVENTS]) as publisher:
        in_order = publisher.in_order()
        end = stopped(mortal.kafka)
        try:
            first, second = (in_order.append(EVENTS, b"acct_order", value) for value in (b"first", b"second"))
            with pytest.raises(LogUnavailable):
                first.position()
            with pytest.raises(LogUnavailable):
                second.position()
        finally:
            end()
        eventually(lambda: works(publisher), LATE_SECONDS)
        with pytest.raises(LogUnavailable):
            in_order.append(EVENTS, b"acct_order", b"third")


def works(publisher: Publisher) -> bool:
    try:
        publisher.append(EVENTS, b"acct_order", b"fourth").position()
    except LogUnavailable:
        return False
    return True


def test_producers_that_ended_leave_no_thread(running: Running) -> None:
    def left() -> Counter[str]:
        names = Counter(thread.name for thread in threading.enumerate())
        return Counter({name: names[f"{name}-network-thread"] for name in ("ledger", "ledger-client")})

    eventually(lambda: left() <= Counter({"ledger": 3, "ledger-client": 1}), LATE_SECONDS)
