"""Asking the gate: what it grants, what a refusal says, one hold per question even when answers are lost."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.client import (
    AsyncLedger,
    AuthorizationEnded,
    Closed,
    GateClosed,
    InsufficientCredits,
    InvalidAuthorization,
    Ledger,
    UnsuitableOption,
)
from ledger.core.errors import LedgerError
from tests.client.conftest import NOWHERE, Served
from tests.client.gate import CALL, KINDS, Losing, balance, funded, opened
from tests.support.waiting import eventually

INSUFFICIENT = b'{"error":{"message":"Insufficient credits. Please top up your account.","type":"billing_error"}}'
USAGE: dict[str, Any] = CALL | {"request_id": "req_1", "output_tokens": 100}


@pytest.fixture(params=KINDS)
def ledger(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> Iterator[Any]:
    with opened(request.param, served.url, served.token, tmp_path / "spool") as ledger:
        yield ledger


@pytest.fixture
def losing(served: Served) -> Iterator[Losing]:
    with Losing(served.url).running() as proxy:
        yield proxy


GRANTED = [
    pytest.param({"amount": "0.5"}, ("0.5", None, "0.5"), id="an amount"),
    pytest.param({**CALL, "max_output_tokens": 1000}, ("0.01375", 1000, "0.98625"), id="a priced call"),
    pytest.param(
        {**CALL, "max_output_tokens": 1000, "units": {"cache_read_tokens": 1000}, "attributes": {"speed": "fast"}},
        ("0.012375", 1000, "0.987625"),
        id="a priced call whose prompt is cached",
    ),
    pytest.param({**CALL, "max_output_tokens": 1000, "own_key": True}, ("0", 1000, "1"), id="the customer's own key"),
    pytest.param({}, ("0.05", None, "0.95"), id="nothing: the default"),
    pytest.param({"amount": "7", "clamp": True}, ("1", None, "0"), id="clamped"),
    pytest.param({"amount": "1", "ttl": 60, "api_key_id": "k"}, ("1", None, "0"), id="a time to live and a key"),
]


@pytest.mark.parametrize(("asked", "granted"), GRANTED)
def test_what_is_asked_for_is_held(
    served: Served, ledger: Any, asked: dict[str, Any], granted: tuple[Any, ...]
) -> None:
    account = funded(served.http, "1")
    held = ledger.authorize(account, **asked)
    assert (held.amount, held.max_output_tokens, held.available) == granted
    assert (held.account_id, held.granted_without_hold) == (account, False)
    lasts = timedelta(seconds=asked.get("ttl", 300))
    assert abs(held.expires_at - datetime.now(UTC) - lasts) < timedelta(seconds=10)
    assert balance(served.http, account) == ("1", granted[0])


def test_a_refusal_has_all_that_a_router_passes_on_or_decides_by(served: Served, ledger: Any) -> None:
    account = funded(served.http, "0.01")
    with pytest.raises(InsufficientCredits, match=r"0.01 available, 0.01375 required") as caught:
        ledger.authorize(account, **CALL, max_output_tokens=1000)
    refusal = caught.value
    assert (refusal.body, refusal.available, refusal.required) == (INSUFFICIENT, "0.01", "0.01375")
    assert (refusal.max_affordable_output_tokens, refusal.top_up_in_flight) == (659, False)
    assert refusal.top_up_url == "https://router.example/billing"
    with pytest.raises(InsufficientCredits) as caught:
        ledger.authorize(account, amount="1", fail="open")
    assert caught.value.max_affordable_output_tokens is None


BAD: list[tuple[str | None, dict[str, Any], type[LedgerError]]] = [
    ("amount", {"amount": "-1"}, InvalidAuthorization),
    ("amount", {"amount": 0.5}, InvalidAuthorization),
    (None, {"amount": "0"}, InvalidAuthorization),
    (None, CALL, InvalidAuthorization),
    ("ttl", {"ttl": 10**9}, InvalidAuthorization),
    ("model", CALL | {"model": "gpt-99", "max_output_tokens": 1}, InvalidAuthorization),
    ("account_id", {"account_id": "a b"}, InvalidAuthorization),
    ("colour", {"colour": "red"}, InvalidAuthorization),
    ("fail", {"fail": "ajar"}, UnsuitableOption),
    ("grace", {"fail": "open"}, UnsuitableOption),
    ("grace", {"fail": "open", "grace": "0"}, UnsuitableOption),
    ("grace", {"fail": "open", "grace": "1e3"}, UnsuitableOption),
]


@pytest.mark.parametrize(("field", "asked", "kind"), BAD)
def test_bad_input_names_the_field(ledger: Any, field: str, asked: dict[str, Any], kind: type[LedgerError]) -> None:
    with pytest.raises(kind) as caught:
        ledger.authorize(**({"account_id": "acct_1"} | asked))
    assert caught.value.field == field


def test_usage_settles_and_a_release_gives_back(served: Served, ledger: Any) -> None:
    account = funded(served.http, "1")
    first, second = ledger.authorize(account, amount="0.4"), ledger.authorize(account, amount="0.4")
    ledger.settle(first, **USAGE)
    eventually(lambda: balance(served.http, account) == ("0.99615", "0.4"))
    ledger.release(second)
    eventually(lambda: balance(served.http, account) == ("0.99615", "0"))


def test_an_extension_holds_more_until_the_funds_end(served: Served, ledger: Any) -> None:
    account = funded(served.http, "0.02")
    held = ledger.authorize(account, **CALL, max_output_tokens=1000)
    more = ledger.extend(held, output_tokens=500)
    assert (more.id, more.amount, more.max_output_tokens, more.available) == (held.id, "0.01925", 1500, "0.00075")
    with pytest.raises(InsufficientCredits, match=r"0.00075 available, 0.0011 required"):
        ledger.extend(more, output_tokens=100)
    longer = ledger.extend(more, ttl=3000)
    assert (longer.amount, longer.max_output_tokens) == ("0.01925", 1500)
    assert longer.expires_at > more.expires_at
    assert ledger.extend(more, amount="0.0005", ttl=400).available == "0.00025"
    with pytest.raises(InvalidAuthorization, match="either amount or output_tokens"):
        ledger.extend(more, amount="0.0001", output_tokens=1)
    ledger.release(more)
    eventually(lambda: balance(served.http, account) == ("0.02", "0"))
    with pytest.raises(AuthorizationEnded):
        ledger.extend(more, amount="0.001")


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_answer_holds_once(served: Served, losing: Losing, kind: str, tmp_path: Path) -> None:
    account = funded(served.http, "1")
    with opened(kind, losing.url, served.token, tmp_path) as ledger:
        losing.lose["authorizations"] = 1
        held = ledger.authorize(account, amount="0.3")
        assert balance(served.http, account) == ("1", "0.3")
        losing.lose["extend"] = 1
        assert ledger.extend(held, amount="0.2").amount == "0.5"
        assert balance(served.http, account) == ("1", "0.5")
    assert losing.lose == {"authorizations": 0, "extend": 0}


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_that_is_given_up_leaves_no_hold(served: Served, losing: Losing, kind: str, tmp_path: Path) -> None:
    account = funded(served.http, "1")
    with opened(kind, losing.url, served.token, tmp_path) as ledger:
        losing.lose["authorizations"] = 3  # both attempts, and the first try to undo them
        with pytest.raises(GateClosed) as caught:
            ledger.authorize(account, amount="0.3")
        assert caught.value.in_doubt
        eventually(lambda: losing.lose["authorizations"] == 0 and balance(served.http, account) == ("1", "0"))


def test_a_cancelled_question_leaves_no_hold(served: Served, tmp_path: Path) -> None:
    accounts = [funded(served.http, "1") for _ in range(20)]

    async def run() -> None:
        async with AsyncLedger.over_http(served.url, key=served.token, source="r", spool=tmp_path) as ledger:
            tasks = [asyncio.create_task(ledger.authorize(account, amount="0.3")) for account in accounts]
            for number, task in enumerate(tasks):
                await asyncio.sleep(number / 4_000)
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert any(isinstance(end, asyncio.CancelledError) for end in ended)
            for end in ended:
                if not isinstance(end, BaseException):
                    await ledger.release(end)

    asyncio.run(run())
    eventually(lambda: all(balance(served.http, account) == ("1", "0") for account in accounts))


def test_a_key_that_is_not_valid_is_a_closed_gate(served: Served, tmp_path: Path) -> None:
    with opened("threads", served.url, "lk_no_key", tmp_path) as ledger:
        with pytest.raises(GateClosed, match="401 unauthorized") as caught:
            ledger.authorize("acct_1", amount="1")
        assert not caught.value.in_doubt


def test_a_client_without_the_api_s_address_says_so(tmp_path: Path) -> None:
    with (
        Ledger.over_kafka(NOWHERE, source="r", spool=tmp_path) as ledger,
        pytest.raises(UnsuitableOption, match=r"^api: "),
    ):
        ledger.authorize("acct_1")
    with pytest.raises(Closed):
        ledger.authorize("acct_1")
    with pytest.raises(UnsuitableOption, match=r"^grace: "):
        Ledger.over_kafka(NOWHERE, source="r", spool=tmp_path, grace="-1")
