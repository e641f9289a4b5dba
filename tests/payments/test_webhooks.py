"""Webhooks over real HTTP: what is not the provider's word is refused with a 4xx and leaves nothing behind."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from tests.payments.market import Market, market
from tests.support.servers import api

PROVIDERS = ("stripe", "razorpay")
SIGNATURES = {"stripe": "Stripe-Signature", "razorpay": "X-Razorpay-Signature"}


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market(stack, tmp_path_factory.mktemp("market")) as running:
        for provider in PROVIDERS:
            running.webhooks(provider, on=False)
        yield running


def paid(shop: Market, provider: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """An account, its purchase, and the message that says that it is paid and was not delivered."""
    account = shop.account()
    purchase = shop.buy(account, provider)
    shop.pay(purchase)
    sql = "SELECT reference FROM records.checkouts WHERE checkout_id = %s"
    reference = shop.rows(sql, purchase["purchase_id"])[0]
    about = purchase["purchase_id"] if provider == "stripe" else reference
    kinds = ("payment_intent.succeeded", "payment.captured")
    (message,) = (one for one in shop.messages(provider, about) if one["type"] in kinds)
    return account, purchase, message


def kept(shop: Market, message: dict[str, Any]) -> list[Any]:
    """What is kept of a message: outcome and deliveries."""
    sql = "SELECT outcome || ' ' || deliveries FROM records.provider_events WHERE event_id = %s OR event_id = %s"
    payment = json.loads(message["body"]).get("payload", {}).get("payment", {}).get("entity", {}).get("id")
    created = json.loads(message["body"]).get("created_at")
    return shop.rows(sql, message["id"], f"{payment}:{message['type']}:{created}")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_event_is_kept_with_what_it_did(shop: Market, provider: str) -> None:
    account, _, message = paid(shop, provider)
    answers = [shop.deliver(provider, message["body"]) for _ in range(3)]
    assert [answer.json() for answer in answers] == 3 * [{"outcome": "credited"}]
    shop.settled()
    assert shop.balance(account) == "10"
    assert kept(shop, message) == ["credited 3"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "how", ["another secret", "another body", "no signature", "not ASCII", "of the other provider"]
)
def test_a_forged_one_is_refused_and_leaves_nothing(shop: Market, provider: str, how: str) -> None:
    account, purchase, message = paid(shop, provider)
    shop.settled()
    before = shop.on_the_log()
    raw = message["body"].encode()
    name = SIGNATURES[provider]
    match how:
        case "another secret":
            answer = shop.deliver(provider, message["body"], secret="somebody else's")
        case "another body":
            signed = shop.deliver(provider, message["body"], secret="x").request.headers[name]
            answer = shop.http.post(f"/webhooks/{provider}", content=raw + b" ", headers={name: signed})
        case "no signature":
            answer = shop.http.post(f"/webhooks/{provider}", content=raw)
        case "not ASCII":
            answer = shop.http.post(f"/webhooks/{provider}", content=raw, headers={name: "t=1,v1=ü".encode()})
        case _:
            other = "razorpay" if provider == "stripe" else "stripe"
            answer = shop.deliver(other, message["body"])
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] in ("webhook_forged", "webhook_unreadable")
    shop.settled()
    assert (shop.on_the_log(), shop.balance(account)) == (before, "0")
    assert shop.state(account, purchase["purchase_id"]) == "pending"
    assert kept(shop, message) == []


def test_one_that_is_too_old_is_refused(shop: Market) -> None:
    account, _, message = paid(shop, "stripe")
    answer = shop.deliver("stripe", message["body"], at=int(time.time()) - 301)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "webhook_forged")
    assert shop.balance(account) == "0"


def test_one_of_live_mode_is_refused_here(shop: Market) -> None:
    account, _, message = paid(shop, "stripe")
    body = json.loads(message["body"]) | {"livemode": True, "id": "evt_live"}
    answer = shop.deliver("stripe", json.dumps(body))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "webhook_of_other_mode")
    shop.settled()
    assert shop.balance(account) == "0"
    assert shop.rows("SELECT outcome FROM records.provider_events WHERE event_id = 'evt_live'") == ["other_mode"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("body", ["", "null", "[]", '{"event": 1}', "\x00"])
def test_one_that_is_signed_and_makes_no_sense_is_refused(shop: Market, provider: str, body: str) -> None:
    answer = shop.deliver(provider, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "webhook_unreadable")


def test_a_body_without_end_is_not_read(shop: Market) -> None:
    answer = shop.deliver("stripe", "x" * (512 * 1024 + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("missing", ["kafka", "database"])
def test_while_we_cannot_credit_the_provider_is_told_to_come_again(
    shop: Market, tmp_path: Path, provider: str, missing: str
) -> None:
    account, _, message = paid(shop, provider)
    nobody = free_port()
    away = {"kafka": f"127.0.0.1:{nobody}", "database": f"postgresql://127.0.0.1:{nobody}/ledger"}[missing]
    with api(shop.settings, tmp_path, **{missing: away}) as url:
        answer = shop.deliver(provider, message["body"], to=url)
        assert answer.status_code == 503, answer.text
    shop.settled()
    assert shop.balance(account) == "0"
    assert shop.deliver(provider, message["body"]).json() == {"outcome": "credited"}
    shop.settled()
    assert shop.balance(account) == "10"


def test_a_provider_that_is_slow_itself_gets_its_answer_in_time(shop: Market) -> None:
    """The message of a page leaves out the payment, which is asked for."""
    account, purchase, _ = paid(shop, "stripe")
    (message,) = (
        one for one in shop.messages("stripe", purchase["purchase_id"]) if one["type"] == "checkout.session.completed"
    )
    shop.sandbox.fault("slow", "payment_intents.retrieve", times=1, seconds=6)
    began = time.monotonic()
    answer = shop.deliver("stripe", message["body"])
    assert time.monotonic() - began < 5
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "webhook_undecided")
    assert shop.deliver("stripe", message["body"]).json() == {"outcome": "credited"}
    shop.settled()
    assert shop.balance(account) == "10"


def test_no_body_is_logged(shop: Market) -> None:
    _, _, message = paid(shop, "stripe")
    shop.deliver("stripe", message["body"])
    shop.deliver("stripe", message["body"], secret="forged")
    logged = (shop.folder / "api.log").read_text()
    assert "webhook" in logged
    assert "client_secret" not in logged
    assert "@example.com" not in logged
