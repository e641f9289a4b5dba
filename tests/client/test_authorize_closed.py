"""The API is killed, or says nothing: closed fails at once, open lets through what the grace allows and no more."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.client import Authorization, GateClosed, Ledger
from ledger.dev.kafka import free_port
from ledger.settings import Settings
from tests.client.gate import CALL, INPUT, KINDS, OUTPUT, KillableApi, balance, funded, nanos, opened
from tests.support.servers import client, key, projector
from tests.support.waiting import eventually

USAGE: dict[str, Any] = CALL | {"request_id": "req_1", "output_tokens": 100}
STREAM: dict[str, Any] = CALL | {"request_id": "req_2", "max_output_tokens": 2_000, "extend_by": 500}
PATIENCE_SECONDS = 3.0


@pytest.fixture(scope="module")
def projected(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A projector, and the address of an API."""
    with projector(settings, tmp_path_factory.mktemp("projector")):
        yield settings.model_copy(update={"api_port": free_port()})


@pytest.fixture(scope="module")
def api(projected: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillableApi]:
    """What a test leaves running the next one has."""
    api = KillableApi(projected, tmp_path_factory.mktemp("api"))
    yield api
    api.close()


@pytest.fixture
def http(projected: Settings, api: KillableApi) -> Iterator[httpx.Client]:
    with client(api.url, key(projected)) as http:
        yield http


@pytest.fixture(scope="module")
def token(projected: Settings) -> str:
    return key(projected, "usage:write", "authorizations:write")


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_api_is_a_refusal_or_a_grace(
    api: KillableApi, http: httpx.Client, token: str, kind: str, tmp_path: Path
) -> None:
    with opened(kind, api.url, token, tmp_path / "spool", grace="1") as ledger:
        api.start()
        account, other = funded(http, "10"), funded(http, "10")
        api.kill()
        started = time.monotonic()
        with pytest.raises(GateClosed, match="ConnectError") as caught:
            ledger.authorize(account, amount="0.1")
        assert (time.monotonic() - started < PATIENCE_SECONDS, caught.value.in_doubt) == (True, False)
        let = ledger.authorize(account, **CALL, max_output_tokens=9, fail="open", grace="0.6")
        assert (let.id, let.granted_without_hold, let.amount, let.max_output_tokens) == (None, True, "0.6", 9)
        assert ledger.extend(let, output_tokens=5) is let
        with pytest.raises(GateClosed, match="the account's grace is used up"):
            ledger.authorize(account, amount="0.5", fail="open")
        assert ledger.authorize(other, amount="1", fail="open").granted_without_hold
        ledger.release(let)
        again = ledger.authorize(account, amount="1", fail="open")
        # Recorded is not yet on the log, so it still counts.
        ledger.settle(again, **USAGE)
        with pytest.raises(GateClosed):
            ledger.authorize(account, amount="0.1", fail="open")
        api.start()
        ledger.flush(20)
        eventually(lambda: nanos(http, account)[0] == 10 * 10**9 - INPUT - 100 * OUTPUT)
        assert ledger.authorize(account, amount="1").id
        api.kill()
        assert ledger.authorize(account, amount="1", fail="open").granted_without_hold


def test_a_grace_is_shared_by_threads_to_the_last_nano(api: KillableApi, token: str, tmp_path: Path) -> None:
    api.close()
    with opened("threads", api.url, token, tmp_path, grace="1") as ledger:

        def ask(number: int) -> Authorization | None:
            try:
                return ledger.authorize(f"acct_{number % 2}", amount="0.05", fail="open")  # type: ignore[no-any-return]
            except GateClosed:
                return None

        with ThreadPoolExecutor(16) as pool:
            let = [found.account_id for found in pool.map(ask, range(100)) if found]
    assert (let.count("acct_0"), let.count("acct_1")) == (20, 20)


def test_what_is_on_the_log_counts_until_the_gate_has_decided(
    projected: Settings, api: KillableApi, http: httpx.Client, token: str, tmp_path: Path
) -> None:
    """Kafka is there while the API is away: one after the other, requests spend no more than the grace."""
    over_kafka = Ledger.over_kafka(
        projected.kafka,
        source="r",
        spool=tmp_path / "spool",
        api=api.url,
        key=token,
        grace="1",
        topic_prefix=projected.topic_prefix,
    )
    with over_kafka as ledger:
        api.start()
        account = funded(http, "10")
        api.kill()
        ledger.settle(ledger.authorize(account, amount="1", fail="open"), **USAGE)
        ledger.flush(20)
        with pytest.raises(GateClosed, match="used up"):
            ledger.authorize(account, amount="1", fail="open")
        api.start()
        ledger.release(ledger.authorize(account, amount="1"))
        eventually(lambda: balance(http, account)[1] == "0")
        api.kill()
        assert ledger.authorize(account, amount="1", fail="open").granted_without_hold


@pytest.mark.parametrize("kind", KINDS)
def test_an_api_that_says_nothing_is_waited_for_shortly_and_leaves_no_hold(
    api: KillableApi, http: httpx.Client, token: str, kind: str, tmp_path: Path
) -> None:
    with opened(kind, api.url, token, tmp_path / "spool", grace="1", gate_seconds=0.5) as ledger:
        api.start()
        account = funded(http, "10")
        ledger.release(ledger.authorize(account, amount="1"))
        eventually(lambda: balance(http, account) == ("10", "0"))
        with api.stopped():
            started = time.monotonic()
            with pytest.raises(GateClosed) as caught:
                ledger.authorize(account, amount="2")
            assert (time.monotonic() - started < PATIENCE_SECONDS, caught.value.in_doubt) == (True, True)
            assert ledger.authorize(account, amount="1", fail="open").granted_without_hold
        assert ledger.authorize(account, amount="4").amount == "4"  # the questions before it have been decided now
        eventually(lambda: balance(http, account) == ("10", "4"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fail", ["closed", "open"])
def test_a_stream_under_way_when_the_api_is_killed(
    api: KillableApi, http: httpx.Client, token: str, kind: str, fail: str, tmp_path: Path
) -> None:
    options = {"fail": fail, "grace": "0.5"} if fail == "open" else {}
    with opened(kind, api.url, token, tmp_path / "spool", grace="0.5") as ledger:
        produced = 0
        api.start()
        account = funded(http, "10")
        stream = ledger.stream(account, **STREAM, **options)
        try:
            with stream:
                api.kill()
                for _ in range(20):
                    produced += 100
                    stream.output(100)
        except GateClosed:
            assert fail == "closed"
        assert produced == (500 if fail == "closed" else 2_000)
        if fail == "open":
            with pytest.raises(GateClosed, match="used up"):
                ledger.authorize(account, amount="0.1", fail="open")
        api.start()
        ledger.flush(20)
        eventually(lambda: nanos(http, account) == (10 * 10**9 - INPUT - produced * OUTPUT, 0))
