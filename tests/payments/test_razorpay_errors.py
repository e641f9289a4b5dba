"""What goes wrong between Razorpay and us says whether anything may have happened, and prints nothing."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from ledger.payments.gateway import ProviderError, ProviderRefuses, ProviderUnavailable, ProviderUnknown
from ledger.payments.razorpay import client
from ledger.settings import SettingMissing
from tests.payments.razorpay_harness import gateway_at
from tests.support.answering import Answer, Answering, Asked, answering

PAYMENT = {
    "id": "pay_1",
    "amount": 85000,
    "currency": "INR",
    "status": "captured",
    "captured": True,
    "created_at": 1_700_000_000,
    "notes": [],
}


def answer_with(status: int, error: object = None, **headers: str) -> Answer:
    body = {"error": error} if error is not None else {}
    return Answer(status, json.dumps(body).encode(), headers)


BAD_REQUEST = {"code": "BAD_REQUEST_ERROR", "description": "The amount is wrong", "field": "amount"}

CASES = [
    # what Razorpay does                              reading                writing
    (answer_with(400, BAD_REQUEST), ProviderRefuses, ProviderRefuses),
    (answer_with(404, BAD_REQUEST), ProviderRefuses, ProviderRefuses),
    (answer_with(400, {"code": "GATEWAY_ERROR"}), ProviderUnavailable, ProviderUnknown),
    (answer_with(401, BAD_REQUEST), ProviderUnavailable, ProviderUnavailable),
    (answer_with(403), ProviderUnavailable, ProviderUnavailable),
    (answer_with(409, BAD_REQUEST), ProviderUnavailable, ProviderUnknown),
    (answer_with(429), ProviderUnavailable, ProviderUnavailable),
    (answer_with(500, {"code": "SERVER_ERROR"}), ProviderUnavailable, ProviderUnknown),
    (answer_with(302, Location="/elsewhere"), ProviderUnavailable, ProviderUnknown),
    (Answer(502, b"<html>a proxy</html>"), ProviderUnavailable, ProviderUnknown),
    (Answer(200, b"<html>a proxy</html>"), ProviderUnavailable, ProviderUnknown),
    (Answer(400, b'{"error": "a text"}'), ProviderRefuses, ProviderRefuses),
    (Answer(200, b'{"id": "pay_1"}'), ProviderUnknown, ProviderUnknown),
    (None, ProviderUnavailable, ProviderUnknown),
]


@pytest.fixture
def razorpay() -> Iterator[Answering]:
    with answering(lambda _: None) as server:
        yield server


@pytest.mark.parametrize(("answer", "reading", "writing"), CASES, ids=range(len(CASES)))
def test_an_error_says_whether_anything_may_have_happened(
    razorpay: Answering,
    capfd: pytest.CaptureFixture[str],
    answer: Answer | None,
    reading: type[ProviderError],
    writing: type[ProviderError],
) -> None:
    razorpay.answers = lambda _: answer
    gateway = gateway_at(razorpay.url)
    with pytest.raises(ProviderError) as read:
        gateway.payment("pay_1")
    with pytest.raises(ProviderError) as wrote:
        gateway.refund("pay_1", 100, "key-of-the-refund")
    assert (read.type, wrote.type) == (reading, writing)
    assert capfd.readouterr().out == ""


def test_a_refusal_has_the_field_the_words_and_the_request_id(razorpay: Answering) -> None:
    razorpay.answers = lambda _: answer_with(400, BAD_REQUEST, **{"X-Razorpay-Request-Id": "req_7"})
    with pytest.raises(ProviderRefuses, match=r"^amount: .*The amount is wrong \(request req_7\)$") as refused:
        gateway_at(razorpay.url).refund("pay_1", 100, "key-of-the-refund")
    assert (refused.value.field, refused.value.request_id) == ("amount", "req_7")


def test_nothing_was_sent_when_nobody_listens(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(ProviderUnavailable) as error:
        gateway_at(url).refund("pay_1", 100, "key-of-the-refund")
    assert url not in str(error.value)
    assert capfd.readouterr().out == ""


def test_an_answer_that_does_not_come_is_not_waited_for(
    razorpay: Answering, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "_SECONDS_TO_READ", 0.2)
    razorpay.answers = lambda _: time.sleep(2)
    began = time.monotonic()
    with pytest.raises(ProviderUnknown, match="ReadTimeout"):
        gateway_at(razorpay.url).refund("pay_1", 100, "key-of-the-refund")
    assert time.monotonic() - began < 1.5
    assert capfd.readouterr().out == ""


def test_what_only_reads_is_asked_again_and_what_writes_is_not(razorpay: Answering) -> None:
    def once_lost(asked: Asked) -> Answer | None:
        return Answer(200, json.dumps(PAYMENT).encode()) if len(razorpay.asked) > 1 else None

    razorpay.answers = once_lost
    assert gateway_at(razorpay.url).payment("pay_1").status == "paid"
    assert len(razorpay.asked) == 2
    razorpay.answers = lambda _: None
    razorpay.asked.clear()
    with pytest.raises(ProviderUnknown):
        gateway_at(razorpay.url).refund("pay_1", 100, "key-of-the-refund")
    assert len(razorpay.asked) == 1


def test_the_key_goes_nowhere_else(razorpay: Answering) -> None:
    razorpay.answers = lambda _: answer_with(302, Location="/elsewhere")
    with pytest.raises(ProviderUnavailable):
        gateway_at(razorpay.url).payment("pay_1")
    assert {asked.path for asked in razorpay.asked} == {"/v1/payments/pay_1"}


def test_an_answer_that_is_not_as_documented_names_the_field_and_not_what_it_holds(razorpay: Answering) -> None:
    razorpay.answers = lambda _: Answer(200, json.dumps({**PAYMENT, "amount": "85000 of Ann"}).encode())
    with pytest.raises(ProviderUnknown, match="no payment: amount: ") as error:
        gateway_at(razorpay.url).payment("pay_1")
    assert "Ann" not in str(error.value)


@pytest.mark.parametrize("reference", ["", "pay_", "pay_1/../../orders", "pay_1?x=1", "pi_1", "order_ä", "pay_1\n"])
def test_an_id_that_is_none_is_not_sent(razorpay: Answering, reference: str) -> None:
    with pytest.raises(ProviderRefuses, match=r"^(reference|payment_id): "):
        gateway_at(razorpay.url).payment(reference)
    assert not razorpay.asked


def test_the_key_of_a_refund_gets_the_form_that_razorpay_takes(razorpay: Answering) -> None:
    razorpay.answers = lambda _: answer_with(500)
    for key in ("key-of-the-refund", "refund:acct 1", "refund:acct 1", "short"):
        with pytest.raises(ProviderUnknown):
            gateway_at(razorpay.url).refund("pay_1", 100, key)
    keys = [asked.headers["x-refund-idempotency"] for asked in razorpay.asked]
    assert keys[0] == "key-of-the-refund"
    assert keys[1] == keys[2] != keys[3]
    assert all(len(key) >= 10 and key.replace("-", "").isalnum() for key in keys)


def test_without_a_key_there_is_no_gateway() -> None:
    with pytest.raises(SettingMissing, match="LEDGER_RAZORPAY_KEY_ID"):
        gateway_at("http://127.0.0.1:1", razorpay_key_id="")
