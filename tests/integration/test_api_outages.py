"""Kafka or Postgres away: the API says so within seconds, lives on, and works on by itself when they are back."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from ledger.dev.stack import Stack
from ledger.settings import Settings
from tests.integration.api_harness import api, client, eventually, key, usage
from tests.support.ledgers import temporary_stack

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
def patience() -> Iterator[None]:
    """What happens here doesn't take long."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < PATIENCE_SECONDS


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
        answer = http.post("/v1/usage", json=usage("acct_1"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "log_unavailable")
    stack.kafka.start()
    eventually(lambda: http.post("/v1/usage", json=usage("acct_1")).status_code == 202)
    eventually(lambda: http.get("/readyz").json()["missing"] == ["projection"])


def test_without_kafka_reads_go_on_and_usage_is_refused(http: httpx.Client, stack: Stack) -> None:
    stack.kafka.kill()
    with patience():
        answer = http.post("/v1/usage", json=[usage("acct_1"), usage("acct_2")])
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "log_unavailable")
    assert (answer.json()["error"]["type"], answer.headers["Retry-After"]) == ("unavailable_error", "2")
    assert http.get("/v1/accounts").status_code == 200
    assert http.get("/v1/prices").status_code == 200
    eventually(lambda: "kafka" in http.get("/readyz").json()["missing"])
    stack.kafka.start()
    eventually(lambda: http.post("/v1/usage", json=usage("acct_1")).status_code == 202)


def test_without_postgres_everything_but_life_is_503(http: httpx.Client, settings: Settings, stack: Stack) -> None:
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
    answer = http.post("/v1/authorizations", json={"account_id": "acct_1"})  # nothing is projected here
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "projection_behind")
