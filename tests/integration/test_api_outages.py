"""Kafka or Postgres away: the API says so within seconds, lives on, and works on by itself when they are back."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from ledger.dev.stack import Stack
from ledger.records import api_keys
from ledger.settings import Settings
from tests.support.events import priced_usage
from tests.support.freezing import frozen
from tests.support.ledgers import temporary_stack
from tests.support.servers import api, client, key, projector
from tests.support.waiting import eventually

PATIENCE_SECONDS = 9


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Servers of our own, since they are stopped."""
    with temporary_stack() as running:
        yield running


@pytest.fixture(scope="module")
def token(settings: Settings) -> str:
    return key(settings)


@pytest.fixture(scope="module")
def http(
    stack: Stack, settings: Settings, token: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of an API that was started while neither server ran."""
    stack.kafka.kill()
    stack.postgres.kill()
    with api(settings, tmp_path_factory.mktemp("api")) as url, client(url, token) as http:
        yield http


@contextmanager
def patience(seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """What happens here doesn't take long."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def test_it_starts_without_either(http: httpx.Client, stack: Stack) -> None:
    assert http.get("/healthz").status_code == 200
    with patience():
        assert http.get("/readyz").json()["missing"] == ["kafka", "postgres", "projection", "book", "log"]
    with patience():
        answer = http.get("/v1/prices")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
    assert answer.headers["Retry-After"]
    stack.postgres.start()
    eventually(lambda: http.get("/v1/accounts").status_code == 200)
    with patience():
        answer = http.post("/v1/usage", json=priced_usage("acct_1"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "log_unavailable")
    stack.kafka.start()
    eventually(lambda: http.post("/v1/usage", json=priced_usage("acct_1")).status_code == 202)
    eventually(lambda: http.get("/readyz").json()["missing"] == ["projection"])


def test_without_kafka_reads_go_on_and_usage_is_refused(http: httpx.Client, stack: Stack) -> None:
    stack.kafka.kill()
    with patience():
        answer = http.post("/v1/usage", json=[priced_usage("acct_1"), priced_usage("acct_2")])
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "log_unavailable")
    assert (answer.json()["error"]["type"], answer.headers["Retry-After"]) == ("unavailable_error", "2")
    assert http.get("/v1/accounts").status_code == 200
    assert http.get("/v1/prices").status_code == 200
    eventually(lambda: "kafka" in http.get("/readyz").json()["missing"])
    stack.kafka.start()
    eventually(lambda: http.post("/v1/usage", json=priced_usage("acct_1")).status_code == 202)


def statuses(http: httpx.Client, token: str) -> tuple[int, str]:
    """What a key may: the status of reading, and the code of the error."""
    answer = http.get("/v1/accounts", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("error", {}).get("code", "")


def age_of_the_views(http: httpx.Client) -> float:
    lines = [line for line in http.get("/metrics").text.splitlines() if line.startswith("ledger_projected_through_age")]
    return max(float(line.rpartition(" ")[2]) for line in lines)


@contextmanager
def killed(stack: Stack) -> Iterator[None]:
    stack.postgres.kill()
    yield
    stack.postgres.start()


@contextmanager
def standing_still(stack: Stack) -> Iterator[None]:
    with frozen(stack.postgres.pid):
        yield


@pytest.mark.parametrize("outage", [killed, standing_still])
def test_without_postgres_usage_is_accepted_and_metrics_are_told(
    outage: Callable[[Stack], AbstractContextManager[None]],
    http: httpx.Client,
    settings: Settings,
    stack: Stack,
    token: str,
    tmp_path: Path,
) -> None:
    unseen, revoked = key(settings), key(settings)
    assert statuses(http, revoked) == (200, "")
    with projector(settings, tmp_path):
        eventually(lambda: http.get("/readyz").json()["ready"])
        eventually(lambda: age_of_the_views(http) < 10)
    with psycopg.connect(settings.database) as connection:
        api_keys.revoke(connection, revoked.split("_")[1])
    eventually(lambda: statuses(http, revoked)[0] == 401)  # so it is forgotten, and no outage brings it back
    assert "ledger_postgres_up 1.0" in http.get("/metrics").text
    with outage(stack):
        with patience():  # the first ones find out
            assert http.post("/v1/usage", json=priced_usage("acct_1")).status_code == 202
            assert statuses(http, token) == (503, "database_unavailable")
        for _ in range(3):
            with patience(2):
                assert http.post("/v1/usage", json=[priced_usage("acct_1"), priced_usage("acct_2")]).status_code == 202
            with patience(2):
                assert statuses(http, token) == (503, "database_unavailable")
            with patience(2):
                assert http.post("/v1/authorizations", json={"account_id": "acct_1"}).status_code == 503
            with patience(2):
                assert statuses(http, unseen) == statuses(http, revoked) == (503, "database_unavailable")
        assert statuses(http, token[:-2] + ("AA" if token[-2:] != "AA" else "BB")) == (401, "unauthorized")
        assert "postgres" in http.get("/readyz").json()["missing"]
        before, text = age_of_the_views(http), http.get("/metrics").text
        assert "ledger_postgres_up 0.0" in text
        assert 'ledger_http_request_seconds_count{method="POST",route="/v1/usage",status="202"}' in text
        time.sleep(1.5)
        assert age_of_the_views(http) > before + 1
    back = time.monotonic()
    eventually(lambda: statuses(http, token) == statuses(http, unseen) == (200, ""))
    assert statuses(http, revoked) == (401, "unauthorized")
    print(f"{outage.__name__}: {time.monotonic() - back:.1f} s after")
    assert time.monotonic() - back < PATIENCE_SECONDS


def test_without_postgres_a_key_is_valid_for_the_grace_that_is_set(
    settings: Settings, stack: Stack, tmp_path: Path
) -> None:
    token = key(settings)
    with api(settings, tmp_path, key_grace_seconds=3) as url, client(url, token) as http:
        eventually(lambda: http.post("/v1/usage", json=priced_usage("acct_1")).status_code == 202)
        with killed(stack):
            assert http.post("/v1/usage", json=priced_usage("acct_1")).status_code == 202
            eventually(lambda: http.post("/v1/usage", json=priced_usage("acct_1")).status_code == 503, 10)
            assert http.post("/v1/usage", json=priced_usage("acct_1")).json()["error"]["code"] == "database_unavailable"
        eventually(lambda: http.post("/v1/usage", json=priced_usage("acct_1")).status_code == 202)


def test_without_postgres_what_needs_it_is_503_at_once(http: httpx.Client, settings: Settings, stack: Stack) -> None:
    unseen = key(settings)
    stack.postgres.kill()

    def ask(_: int) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {unseen}"}
        answer = http.post("/v1/authorizations", json={"account_id": "a"}, headers=headers)
        return answer.status_code, answer.json()["error"]["code"]

    with patience(), ThreadPoolExecutor(10) as pool:  # at once; they don't wait for each other
        assert set(pool.map(ask, range(10))) == {(503, "database_unavailable")}
    assert http.get("/healthz").status_code == 200
    assert "postgres" in http.get("/readyz").json()["missing"]
    stack.postgres.start()
    eventually(lambda: http.get("/v1/accounts").status_code == 200)
    answer = http.post("/v1/authorizations", json={"account_id": "acct_9"})
    assert answer.status_code in (402, 503), answer.text
