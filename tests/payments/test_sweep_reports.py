"""What the payment sweep reports, from charged and not credited to what does not fit; and which process sweeps."""

import json
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from ledger.log.publisher import Publisher
from ledger.payments import payment_events
from ledger.payments.gateway import Payment
from ledger.payments.payment_terms import PaymentTerms
from schemas.topics import EVENTS
from tests.integration.test_consume_command import Consume, consume
from tests.payments.payment_system import PaymentSystem, payment_system
from tests.payments.swept_stories import SETTINGS, sweep
from tests.support.programs import ledger
from tests.support.waiting import eventually
from tests.support.workers import wait_until_projected

PROVIDERS = ("stripe", "razorpay")
AT_ONCE = {"credited_seconds": 0.0}
STRAY = {"signing_key_id": "stray"}  # a key that the book does not know: what it signs becomes a dead letter


@pytest.fixture(scope="module")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentSystem]:
    keys = {"test-1": "a secret of the tests only", "stray": "a secret whose key the book does not have"}
    with payment_system(stack, tmp_path_factory.mktemp("system"), signing_keys=keys, **SETTINGS) as running:
        for provider in PROVIDERS:
            running.webhooks(provider, on=False)
        yield running


def paid(system: PaymentSystem, provider: str) -> tuple[str, str]:
    """An account that has paid for 10 credits, and its purchase; no webhook arrived."""
    account = system.account()
    purchase = system.buy(account, provider)
    system.pay(purchase)
    return account, purchase["purchase_id"]


def payments_command(system: PaymentSystem, *options: str) -> list[dict[str, Any]]:
    ran = ledger(system.settings, "payments", "--json", *options)
    assert ran.returncode == 0, ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)["data"]
    return found


def counted(system: PaymentSystem, provider: str, kind: str) -> float:
    """What the API's metrics say."""
    text: str = system.http.get("/metrics").text
    return value_of(text, f'ledger_payments_unreconciled{{kind="{kind}",provider="{provider}"}}')


def value_of(text: str, name: str) -> float:
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def reasons(system: PaymentSystem, account: str) -> list[Any]:
    return system.rows("SELECT reason FROM records.payment_alerts WHERE account_id = %s ORDER BY 1", account)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_charged_and_not_credited_is_reported_until_it_is_credited(system: PaymentSystem, provider: str) -> None:
    account, purchase_id = paid(system, provider)
    sweep(system, provider, **STRAY)
    sweep(system, provider)
    assert (system.balance(account), reasons(system, account)) == ("0", []), "it is given its time"
    sweep(system, provider, **AT_ONCE)
    assert reasons(system, account) == ["charged_not_credited"]
    assert counted(system, provider, "charged_not_credited") == 1
    system.rows("DELETE FROM records.checkouts WHERE checkout_id = %s", purchase_id)  # what the provider kept is enough
    sweep(system, provider)
    sweep(system, provider)
    assert (system.balance(account), reasons(system, account)) == ("10", [])
    assert counted(system, provider, "charged_not_credited") == 0


@pytest.mark.parametrize(
    ("provider", "payment_id", "currency"),
    [("stripe", "pi_nobody", "USD"), ("razorpay", "pay_nobody", "INR")],
    ids=PROVIDERS,
)
def test_credited_and_not_charged_is_reported_until_somebody_has_looked(
    system: PaymentSystem, provider: str, payment_id: str, currency: str
) -> None:
    account = system.account()
    terms = PaymentTerms(str(uuid.uuid4()), account, "purchase", 10 * 10**9, currency, 1000, 0, "1")
    payment = Payment(payment_id, None, "paid", currency, 1000, datetime.now(UTC), {})
    with Publisher(system.settings) as publisher:
        event = payment_events.purchased(provider, payment, terms)
        publisher.append_event(EVENTS, event, system.settings.signing_key()).position()
    wait_until_projected(system.settings)
    sweep(system, provider)
    sweep(system, provider)
    (found,) = payments_command(system)
    assert (found["provider"], found["payment_id"], found["account_id"]) == (provider, payment_id, account)
    assert found["reason"] == found["kind"] == "credited_not_charged"
    assert found["age_seconds"] >= 0
    assert counted(system, provider, "credited_not_charged") == 1
    assert payments_command(system, "--resolve", payment_id, "--yes") == []
    sweep(system, provider)
    assert payments_command(system) == []
    assert counted(system, provider, "credited_not_charged") == 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_does_not_fit_alerts_once(system: PaymentSystem, provider: str) -> None:
    account, purchase_id = paid(system, provider)
    system.rows("UPDATE records.checkouts SET credits = 99000000000 WHERE checkout_id = %s", purchase_id)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            sweep(system, provider, **AT_ONCE)
    assert [line["reason"] for line in logs if line["event"] == "payment_alert"] == ["other_terms"]
    assert (system.balance(account), reasons(system, account)) == ("0", ["other_terms"])
    assert counted(system, provider, "charged_not_credited") == 1


def test_a_provider_that_is_away_keeps_the_other_one_not_waiting(system: PaymentSystem, tmp_path: Path) -> None:
    at_stripe, at_razorpay = paid(system, "stripe")[0], paid(system, "razorpay")[0]
    system.sandbox.fault("error_before", provider="stripe")
    changes = {"sweep_seconds": 0.2, "consumer_metrics_port": free_port()}
    settings = system.settings.model_copy(update=changes)
    with consume(settings, tmp_path, "payment_sweep") as running:
        eventually(lambda: system.balance(at_razorpay) == "10", why=running.lines)
        eventually(lambda: waits(running), why=running.lines)
        assert system.balance(at_stripe) == "0"
        system.webhooks("stripe", on=False)  # and no fault any more
        eventually(lambda: system.balance(at_stripe) == "10", why=running.lines)
        url = f"http://127.0.0.1:{settings.consumer_metrics_port}/metrics"
        text = urllib.request.urlopen(url).read().decode()
        for provider in PROVIDERS:
            assert value_of(text, f'ledger_payment_sweep_age_seconds{{provider="{provider}"}}') < 60
            healed = f'ledger_payment_sweep_healed_total{{outcome="credited",provider="{provider}"}}'
            assert value_of(text, healed) == 1
            found = f'ledger_payments_unreconciled{{kind="credited_not_charged",provider="{provider}"}}'
            assert value_of(text, found) == 0
        assert running.stop() == 0
    assert len(waits(running)) == 1


def waits(running: Consume) -> list[Any]:
    return [line for line in running.lines("waiting") if line["consumer"] == "payment-sweep:stripe"]


def test_one_process_sweeps_and_another_takes_over(system: PaymentSystem, tmp_path: Path) -> None:
    settings = system.settings.model_copy(update={"sweep_seconds": 0.2})
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with consume(settings, tmp_path / "first", "payment-sweep") as first:
        eventually(lambda: len(sweepers(system)) == 2, why=first.lines)
        before = sweepers(system)
        with consume(settings, tmp_path / "second", "payment-sweep") as second:
            eventually(lambda: len(sessions(system)) == 4, why=second.lines)
            assert sweepers(system) == before
            first.process.kill()
            account, _ = paid(system, "stripe")
            eventually(lambda: system.balance(account) == "10", why=second.lines)
            assert len(sweepers(system)) == 2
            assert not sweepers(system) & before
            assert second.stop() == 0


def sessions(system: PaymentSystem) -> list[Any]:
    return system.rows(
        "SELECT pid FROM pg_stat_activity "
        "WHERE starts_with(application_name, 'ledger-payment-sweep:') AND datname = current_database()"
    )


def sweepers(system: PaymentSystem) -> set[int]:
    """The sessions that hold a sweep's lock."""
    held = system.rows(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = ANY (%s)", sessions(system)
    )
    return set(held)
