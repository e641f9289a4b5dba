"""What an error of Stripe's means: nothing happened, nothing can happen now, or the outcome is unknown."""

import contextlib
import json
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from ledger.payments.gateway import ProviderError, ProviderRefuses, ProviderUnavailable, ProviderUnknown
from ledger.payments.stripe import StripeGateway
from ledger.payments.stripe.client import API_VERSION
from ledger.settings import SettingMissing, Settings
from tests.payments.stripe_shop import gateway_to

Step = tuple[int, str] | None  # status and body; None: the connection is lost after the request was read


def answer(status: int, type_: str = "api_error", **more: str) -> Step:
    return status, json.dumps({"error": {"type": type_, "message": "jo@example.com is wrong", **more}})


CONFLICT, BUSY, BROKEN = answer(409, code="lock_timeout"), answer(429, code="rate_limit"), answer(500)
LOST: Step = None


@contextlib.contextmanager
def saying(*steps: Step) -> Iterator[tuple[StripeGateway, list[str]]]:
    """A gateway to a server that answers so, one connection after the other, and then is gone; what it was asked."""
    listener, asked = socket.create_server(("127.0.0.1", 0)), []
    listener.settimeout(10)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def serve() -> None:
        with listener:
            for step in steps:
                connection, _ = listener.accept()
                with connection:
                    asked.append(_request(connection))
                    if step is not None:
                        connection.sendall(_response(*step))

    server = Thread(target=serve)
    server.start()
    try:
        yield gateway_to(url, "whsec_x"), asked
    finally:
        server.join(10)
    assert not server.is_alive()


def _request(connection: socket.socket) -> str:
    with connection.makefile("rb") as lines:
        head = b"".join(iter(lines.readline, b"\r\n")).decode()
        lengths = [int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length:")]
        return head + "\n" + lines.read(sum(lengths)).decode()


def _response(status: int, body: str) -> bytes:
    head = f"HTTP/1.1 {status} X\r\nRequest-Id: req_7\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


@pytest.mark.parametrize(
    ("steps", "means"),
    [
        ([], ProviderUnavailable),
        ([BUSY], ProviderUnavailable),
        ([LOST, LOST, LOST], ProviderUnknown),
        ([BROKEN, BROKEN, BROKEN], ProviderUnknown),
        ([CONFLICT, CONFLICT, CONFLICT], ProviderUnknown),
        # What came last says that nothing happened; what came before may have charged.
        ([LOST], ProviderUnknown),
        ([LOST, BUSY], ProviderUnknown),
        ([BROKEN, BUSY], ProviderUnknown),
        ([(404, "<h1>a proxy</h1>")], ProviderUnknown),
        ([(200, "<h1>a proxy</h1>")], ProviderUnknown),
        ([answer(400, "idempotency_error")], ProviderUnknown),
        ([answer(400, "invalid_request_error", code="resource_missing", param="payment_intent")], ProviderRefuses),
        ([LOST, answer(400, "invalid_request_error")], ProviderRefuses),
        ([answer(401, "invalid_request_error")], ProviderUnavailable),
        ([answer(403, "invalid_request_error")], ProviderUnavailable),
        ([LOST, answer(401, "invalid_request_error")], ProviderUnknown),
    ],
)
def test_an_error_means(steps: list[Step], means: type[ProviderError]) -> None:
    with saying(*steps) as (gateway, _), pytest.raises(ProviderError) as raised:
        gateway.refund("pi_1", 500, "refund:1")
    assert type(raised.value) is means


def test_a_refusal_names_the_code_and_the_request_and_nothing_that_a_customer_typed() -> None:
    refusal = answer(400, "invalid_request_error", code="email_invalid", param="email")
    with saying(refusal) as (gateway, _), pytest.raises(ProviderRefuses) as raised:
        gateway.payment("pi_1")
    assert raised.value.request_id == "req_7"
    assert str(raised.value) == (
        "The payment provider refuses the request; nothing has happened: email_invalid, email (request req_7)"
    )
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_an_attempt_is_repeated_with_the_same_key_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.payments.stripe.client.API_VERSION", "2020-01-01.ours")
    with saying(LOST, BROKEN, answer(400)) as (gateway, asked), pytest.raises(ProviderError):
        gateway.refund("pi_1", 500, "refund:1")
    assert len(asked) == 3
    assert all("Idempotency-Key: refund:1" in request for request in asked)
    assert all("Stripe-Version: 2020-01-01.ours" in request for request in asked)


def test_the_version_is_the_one_that_the_client_was_made_for() -> None:
    """Else what Stripe answers and what the client's types say differ: raise both together."""
    from stripe._api_version import _ApiVersion

    assert API_VERSION == _ApiVersion.CURRENT


def test_a_refund_that_can_t_be_read_back_is_unknown_and_not_undone() -> None:
    made = {"id": "re_1", "object": "refund", "amount": 500, "created": 1, "currency": "usd", "status": "succeeded"}
    refund = (200, json.dumps(made | {"payment_intent": "pi_1"}))
    with saying(refund, answer(400, "invalid_request_error")) as (gateway, _), pytest.raises(ProviderUnknown):
        gateway.refund("pi_1", 500, "refund:1")


def test_a_customer_that_somebody_deleted_at_stripe_has_no_methods() -> None:
    with saying((200, '{"id": "cus_1", "object": "customer", "deleted": true}')) as (gateway, _):
        assert gateway.methods("cus_1") == []


def test_without_a_key_there_is_no_gateway() -> None:
    with pytest.raises(SettingMissing, match="LEDGER_STRIPE_SECRET_KEY"):
        StripeGateway(Settings())
