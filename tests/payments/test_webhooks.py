"""Webhooks over real HTTP: what is not the provider's word is refused with a 4xx and leaves nothing behind."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from tests.payments.payment_system import PaymentSystem, payment_system
from tests.support.servers import api

PROVIDERS = ("stripe", "razorpay")
SIGNATURES = {"stripe": "Stripe-Signature", "razorpay": "X-Razorpay-Signature"}


@pytest.fixture(scope="module")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentSystem]:
    with payment_system(stack, tmp_path_factory.mktemp("system")) as running:
        for provider in PROVIDERS:
            running.webhooks(provider, on=False)
        yield running


def paid(system: PaymentSystem, provider: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """An account, its purchase, and the message that says that it is paid and was not delivered."""
    account = system.account()
    purchase = system.buy(account, provider)
    system.pay(purchase)
    sql = "SELECT reference FROM records.checkouts WHERE checkout_id = %s"
    reference = system.rows(sql, purchase["purchase_id"])[0]
    about = purchase["purchase_id"] if provider == "stripe" else reference
    kinds = ("payment_intent.succeeded", "payment.captured")
    (message,) = (one for one in system.messages(provider, about) if one["type"] in kinds)
    return account, purchase, message


def kept(system: PaymentSystem, message: dict[str, Any]) -> list[Any]:
    """What is kept of a message: outcome and deliveries."""
    sql = "SELECT outcome || ' ' || deliveries FROM records.provider_events WHERE event_id = %s OR event_id = %s"
    payment = json.loads(message["body"]).get("payload", {}).get("payment", {}).get("entity", {}).get("id")
    created = json.loads(message["body"]).get("created_at")
    return system.rows(sql, message["id"], f"{payment}:{message['type']}:{created}")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_event_is_kept_with_what_it_did(system: PaymentSystem, provider: str) -> None:
    account, _, message = paid(system, provider)
    answers = [system.deliver(provider, message["body"]) for _ in range(3)]
    assert [answer.json() for answer in answers] == 3 * [{"outcome": "credited"}]
    system.wait_until_settled()
    assert system.balance(account) == "10"
    assert kept(system, message) == ["credited 3"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "how", ["another secret", "another body", "no signature", "not ASCII", "of the other provider"]
)
def test_a_forged_one_is_refused_and_leaves_nothing(system: PaymentSystem, provider: str, how: str) -> None:
    account, purchase, message = paid(system, provider)
    system.wait_until_settled()
    before = system.on_the_log()
    raw = message["body"].encode()
    name = SIGNATURES[provider]
    match how:
        case "another secret":
            answer = system.deliver(provider, message["body"], secret="somebody else's")
        case "another body":
            signed = system.deliver(provider, message["body"], secret="x").request.headers[name]
            answer = system.http.post(f"/webhooks/{provider}", content=raw + b" ", headers={name: signed})
        case "no signature":
            answer = system.http.post(f"/webhooks/{provider}", content=raw)
        case "not ASCII":
            answer = system.http.post(f"/webhooks/{provider}", content=raw, headers={name: "t=1,v1=ü".encode()})
        case _:
            other = "razorpay" if provider == "stripe" else "stripe"
            answer = system.deliver(other, message["body"])
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] in ("webhook_forged", "webhook_unreadable")
    system.wait_until_settled()
    assert (system.on_the_log(), system.balance(account)) == (before, "0")
    assert system.state(account, purchase["purchase_id"]) == "pending"
    assert kept(system, message) == []


def test_one_that_is_too_old_is_refused(system: PaymentSystem) -> None:
    account, _, message = paid(system, "stripe")
    answer = system.deliver("stripe", message["body"], at=int(time.time()) - 301)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "webhook_forged")
    assert system.balance(account) == "0"


def test_one_of_live_mode_is_refused_here(system: PaymentSystem) -> None:
    account, _, message = paid(system, "stripe")
    body = json.loads(message["body"]) | {"livemode": True, "id": "evt_live"}
    answer = system.deliver("stripe", json.dumps(body))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "webhook_of_other_mode")
    system.wait_until_settled()
    assert system.balance(account) == "0"
    assert system.rows("SELECT outcome FROM records.provider_events WHERE event_id = 'evt_live'") == ["other_mode"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("body", ["", "null", "[]", '{"event": 1}', "\x00"])
def test_one_that_is_signed_and_makes_no_sense_is_refused(system: PaymentSystem, provider: str, body: str) -> None:
    answer = system.deliver(provider, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "webhook_unreadable")


def test_a_body_without_end_is_not_read(system: PaymentSystem) -> None:
    answer = system.deliver("stripe", "x" * (512 * 1024 + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("missing", ["kafka", "database"])
def test_while_we_cannot_credit_the_provider_is_told_to_come_again(
    system: PaymentSystem, tmp_path: Path, provider: str, missing: str
) -> None:
    account, _, message = paid(system, provider)
    unused = free_port()
    away = {"kafka": f"127.0.0.1:{unused}", "database": f"postgresql://127.0.0.1:{unused}/ledger"}[missing]
    with api(system.settings, tmp_path, **{missing: away}) as url:
        answer = system.deliver(provider, message["body"], to=url)
        assert answer.status_code == 503, answer.text
    system.wait_until_settled()
    assert system.balance(account) == "0"
    assert system.deliver(provider, message["body"]).json() == {"outcome": "credited"}
    system.wait_until_settled()
    assert system.balance(account) == "10"


def test_a_provider_that_is_slow_itself_gets_its_answer_in_time(system: PaymentSystem) -> None:
    """The message of a page leaves out the payment, which is asked for."""
    account, purchase, _ = paid(system, "stripe")
    (message,) = (
        one for one in system.messages("stripe", purchase["purchase_id"]) if one["type"] == "checkout.session.completed"
    )
    system.sandbox.fault("slow", "payment_intents.retrieve", times=1, seconds=6)
    began = time.monotonic()
    answer = system.deliver("stripe", message["body"])
    assert time.monotonic() - began < 5
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "webhook_undecided")
    assert system.deliver("stripe", message["body"]).json() == {"outcome": "credited"}
    system.wait_until_settled()
    assert system.balance(account) == "10"


def test_no_body_is_logged(system: PaymentSystem) -> None:
    _, _, message = paid(system, "stripe")
    system.deliver("stripe", message["body"])
    system.deliver("stripe", message["body"], secret="forged")
    logged = (system.folder / "api.log").read_text()
    assert "webhook" in logged
    assert "client_secret" not in logged
    assert "@example.com" not in logged
