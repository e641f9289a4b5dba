"""How the sandbox starts and ends: never in production or on a taken port; a kill loses nothing that was answered."""

import os
import socket
from pathlib import Path

import pytest

from ledger.dev.kafka import free_port
from tests.sandbox.stripe_shop import shop_at
from tests.support.programs import run
from tests.support.sandbox import VARIABLES, running_sandbox
from tests.support.webhook_receiver import receiver


def refused(port: int, **variables: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    done = run("-m", "ledger.cli", "sandbox", "--port", str(port), environment=clean | variables, timeout=30)
    assert done.returncode == 1
    return done.stderr.decode()


@pytest.mark.parametrize("payments", ["off", "test", "live"])
def test_it_starts_only_where_payments_are_the_sandboxs(payments: str) -> None:
    said = refused(free_port(), LEDGER_PAYMENTS=payments)
    assert f"The sandbox starts only with LEDGER_PAYMENTS=sandbox: it is {payments}" in said


def test_a_live_key_keeps_it_from_starting() -> None:
    addresses = {"LEDGER_STRIPE_URL": "http://127.0.0.1:1", "LEDGER_RAZORPAY_URL": "http://127.0.0.1:1"}
    said = refused(free_port(), **{**VARIABLES, **addresses, "LEDGER_STRIPE_SECRET_KEY": "sk_live_1"})
    assert "LEDGER_STRIPE_SECRET_KEY must begin with sk_test_ or rk_test_" in said


def test_a_taken_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused(taken.getsockname()[1], LEDGER_PAYMENTS="sandbox")
    assert "Another process uses this port" in said


def test_a_kill_loses_no_card_no_payment_no_key_and_no_webhook(tmp_path: Path) -> None:
    file, port = tmp_path / "sandbox.sqlite", free_port()
    with running_sandbox(file=file, port=port) as sandbox, shop_at(sandbox) as shop, receiver() as hook:
        shop.listen(hook)
        shop.advance(3600)
        hook.statuses = [503] * 100
        params = shop.off_session()
        intent = shop.sdk.v1.payment_intents.create(params, {"idempotency_key": "topup:1"})
        hook.until(lambda each: len(each) > 0)
        sandbox.process.kill()
        sandbox.process.wait()
        hook.statuses = []
        with running_sandbox(file=file, port=port) as again, shop_at(again) as same:
            assert same.sdk.v1.payment_intents.create(params, {"idempotency_key": "topup:1"}).id == intent.id
            assert len(same.charges(params["customer"])) == 1
            assert len(same.sdk.v1.customers.payment_methods.list(params["customer"]).data) == 1
            assert abs(intent.created - again.control.get("/sandbox").json()["now"]) < 60
            assert "payment_intent.succeeded" in {
                event.type for event in same.webhooks(hook, "payment_intent.succeeded")
            }
            same.settled()
