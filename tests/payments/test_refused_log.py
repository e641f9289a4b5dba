"""A log that workers refuse: until it is right, no process appends to it and no card is charged."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from consumers.charge_top_ups import ChargeLater, Charging
from consumers.payment_sweep import PaymentSweep
from consumers.top_up_maintenance import TopUpMaintenance
from ledger.cli.buy import begin_purchase
from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from ledger.guard.guard import Guard
from ledger.log.connecting import LogRefused
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.payments.payment_system import PaymentSystem, payment_system
from tests.payments.swept_stories import on_the_log
from tests.payments.top_up_charger import TopUpCharger, top_up_charger
from tests.support import topics
from tests.support.events import priced_usage
from tests.support.servers import process, projector
from tests.support.waiting import eventually
from tests.support.workers import wait_until_projected

# Without the sweep, which would credit what the test wants to be credited by a webhook.
CONSUME = "from consumers import process; run = lambda settings: process.run(settings, ['dead-letters'])"
SAYS = "retention.ms is 3600000, must be -1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("refused")


@pytest.fixture(scope="module")
def system(stack: Stack, folder: Path) -> Iterator[PaymentSystem]:
    with payment_system(stack, folder, sweep_seconds=0.2) as running:
        yield running


@pytest.fixture(scope="module")
def charger(system: PaymentSystem) -> Iterator[TopUpCharger]:
    with top_up_charger(system) as found:
        yield found


@contextmanager
def refused(system: PaymentSystem) -> Iterator[None]:
    """The log keeps its records for an hour only, until the block ends; then a worker is started again."""
    with topics.otherwise(system.settings, EVENTS, retention_ms="3600000"):
        eventually(lambda: "log" in missing(system))
        yield
    with folding(system):
        wait_until_projected(system.settings)


@contextmanager
def folding(system: PaymentSystem) -> Iterator[None]:
    """Another worker: the one before has ended, as it must."""
    began = datetime.now(UTC)
    with projector(system.settings, system.folder):
        eventually(lambda: system.rows("SELECT min(through) FROM views.progress")[0] > began)
        eventually(lambda: missing(system) == [])
        yield


def missing(system: PaymentSystem) -> list[str]:
    found: list[str] = system.http.get("/readyz").json()["missing"]
    return found


def figures(settings: Settings) -> str:
    """What `consume` tells Prometheus; nothing before it has begun."""
    try:
        return httpx.get(f"http://127.0.0.1:{settings.consumer_metrics_port}/metrics").text
    except httpx.TransportError:
        return ""


def is_refused(answer: httpx.Response) -> bool:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (503, "log_refused", "unavailable_error"), answer.text
    assert SAYS in error["message"]
    return True


def test_over_http_nothing_is_accepted_and_it_opens_again_by_itself(system: PaymentSystem, folder: Path) -> None:
    http, account = system.http, system.account()
    begun = system.buy(account, "stripe")
    unpaid = system.buy(account, "razorpay")
    system.webhooks("stripe", on=False)
    system.pay(begun)
    (message,) = [
        one for one in system.messages("stripe", begun["purchase_id"]) if "payment_intent.succ" in one["type"]
    ]
    consuming = system.settings.model_copy(update={"consumer_metrics_port": free_port()})
    with process(consuming, CONSUME, folder / "consume.log") as consume:
        eventually(lambda: "ledger_log_refused 0.0" in figures(consuming))  # it has begun: at a start it would refuse
        with refused(system):
            end, sessions = on_the_log(system.settings), system.sandbox.calls("stripe", "checkout.sessions.create")
            is_refused(http.post("/v1/usage", json=priced_usage(account)))
            is_refused(http.post(f"/v1/accounts/{account}/adjustments", json={"amount": "5", "reason_code": "gift"}))
            is_refused(system.post(account, "stripe", request="asked-while-closed"))
            is_refused(http.post(f"/v1/accounts/{account}/purchases/{begun['purchase_id']}/refunds", json={}))
            is_refused(system.deliver("stripe", message["body"]))
            assert system.browser.get(unpaid["pay_url"]).status_code == 503
            with pytest.raises(LogRefused, match="must be -1"):
                asyncio.run(begin_purchase(system.settings, account, {"amount": "10", "provider": "stripe"}))
            assert "ledger_log_refused 1.0" in http.get("/metrics").text
            assert SAYS in http.get("/readyz").json()["parts"]["log"]["reason"]
            eventually(lambda: "ledger_log_refused 1.0" in figures(consuming))
            assert SAYS in (folder / "consume.log").read_text()
            assert on_the_log(system.settings) == end
            assert system.sandbox.calls("stripe", "checkout.sessions.create") == sessions
            assert system.balance(account) == "0"
            assert consume.poll() is None  # it waits: nothing that it has would be better after a restart
        assert http.post("/v1/usage", json=priced_usage(account)).status_code == 202
        assert system.deliver("stripe", message["body"]).status_code == 200
        assert system.post(account, "stripe", request="asked-while-closed").status_code == 201
        eventually(lambda: "ledger_log_refused 0.0" in figures(consuming))
    assert "ledger_log_refused 0.0" in http.get("/metrics").text
    assert system.state(account, begun["purchase_id"]) in ("paid", "credited")
    system.webhooks("stripe", on=True)


def test_no_card_is_charged_and_no_provider_is_asked(system: PaymentSystem, charger: TopUpCharger) -> None:
    with folding(system):
        account = charger.account(credits="30")
        account.spend("20")
    settings, gateways = system.settings, system.gateways
    with Guard(settings) as guard, closing(Charging(settings, gateways, guard)) as charging:
        trigger = account.trigger()
        sweep = PaymentSweep(settings, gateways["stripe"], guard, threading.Event())
        with refused(system), system.database() as connection, closing(sweep):
            eventually(lambda: guard.closed == "refused")
            calls = system.sandbox.control.get("/sandbox").json()["calls"]
            with pytest.raises(LogRefused):
                charging.charges.start(trigger)
            for task in (ChargeLater(charging), TopUpMaintenance(charging), sweep):
                with pytest.raises(LogRefused):
                    task.do_round(connection)
            assert system.sandbox.control.get("/sandbox").json()["calls"] == calls
            assert account.charges() == []
        eventually(lambda: not guard.closed)
        charging.charges.start(trigger)
    assert account.paid == 1
