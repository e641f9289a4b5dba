"""Over HTTP: what is accepted is on the log, what is refused is set aside, whatever else goes wrong is waited out."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psycopg
import pytest

from ledger.client import EventsRejected, Ledger, NotDelivered
from ledger.dev.kafka import free_port
from ledger.records import api_keys
from ledger.settings import Settings
from tests.client.conftest import CALL, arrived, requests_of
from tests.support.servers import api, key

OpenHttp = Callable[..., Ledger]


@pytest.fixture(scope="module")
def url(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API for this ledger."""
    with api(settings, tmp_path_factory.mktemp("api")) as url:
        yield url


@pytest.fixture(scope="module")
def token(settings: Settings) -> str:
    return key(settings, "usage:write")


@pytest.fixture
def opened_http(url: str, token: str, tmp_path: Path) -> Iterator[OpenHttp]:
    """Makes ledgers over HTTP, on one spool."""
    with ExitStack() as stack:

        def make(url: str = url, key: str = token) -> Ledger:
            ledger = Ledger.over_http(url, key=key, source="router/test", spool=tmp_path / "spool")
            stack.callback(ledger.close, 0)
            return ledger

        yield make


def test_every_field_arrives(opened_http: OpenHttp, settings: Settings) -> None:
    given: dict[str, Any] = CALL | {
        "units": {"cache_read_tokens": 1},
        "metadata": {"team": "größe ✓"},
        "api_key_id": "k",
    }
    ledger = opened_http()
    event_id = ledger.record_usage("acct_http", **given)
    ledger.record_trace("acct_http", trace_id="t1", count=2)
    ledger.flush(20)
    usage, trace = arrived(settings, "acct_http")
    assert (usage["id"], usage["data"], usage["source"]) == (event_id, given, "router/test")
    assert trace["data"] == {"trace_id": "t1", "count": 2}


def test_what_the_ledger_refuses_is_set_aside_and_the_others_go_on(opened_http: OpenHttp, settings: Settings) -> None:
    ledger = opened_http()
    unpriced = {name: value for name, value in CALL.items() if name != "provider_cost"} | {"model": "gpt-99"}
    for number in range(40):
        call = unpriced if number in (3, 17) else CALL
        ledger.record_usage("acct_refused", **call | {"request_id": f"req_{number}"})
    with pytest.raises(EventsRejected, match=r"2$"):
        ledger.flush(20)
    expected = [f"req_{number}" for number in range(40) if number not in (3, 17)]
    assert requests_of(settings, "acct_refused") == expected
    assert [event.code for event in ledger.rejected] == ["unpriced", "unpriced"]
    assert all(event.reason.startswith("data.model: ") for event in ledger.rejected)
    assert [event.field for event in ledger.rejected] == ["data.model", "data.model"]
    assert [json.loads(event.value)["data"]["request_id"] for event in ledger.rejected] == ["req_3", "req_17"]
    ledger.close()
    again = opened_http()
    assert len(again.rejected) == 2
    again.retry_rejected()
    with pytest.raises(EventsRejected):
        again.flush(20)
    assert len(again.rejected) == 2
    again.drop_rejected()
    again.flush(1)


def test_an_api_that_is_away_and_comes_back_gets_everything(
    opened_http: OpenHttp, settings: Settings, tmp_path: Path
) -> None:
    port = free_port()
    ledger = opened_http(f"http://127.0.0.1:{port}")
    for number in range(1200):
        ledger.record_usage(f"acct_away_{number % 2}", **CALL | {"request_id": f"req_{number}"})
    with pytest.raises(NotDelivered, match=r"1200 after .*ConnectError"):
        ledger.flush(0.5)
    with api(settings, tmp_path, api_port=port):
        ledger.flush(40)
    for parity in (0, 1):
        expected = [f"req_{number}" for number in range(parity, 1200, 2)]
        assert requests_of(settings, f"acct_away_{parity}") == expected


def test_a_key_that_is_not_valid_yet_is_waited_for(opened_http: OpenHttp, settings: Settings) -> None:
    with psycopg.connect(settings.database) as connection:
        made = api_keys.create(connection, ("usage:write",), "")
        connection.execute("UPDATE records.api_keys SET revoked_at = now() WHERE key_id = %s", [made.key_id])
    ledger = opened_http(key=made.token)
    ledger.record_usage("acct_key", **CALL)
    with pytest.raises(NotDelivered, match="401 unauthorized"):
        ledger.flush(2)
    assert ledger.rejected == []
    with psycopg.connect(settings.database) as connection:
        connection.execute("UPDATE records.api_keys SET revoked_at = NULL WHERE key_id = %s", [made.key_id])
    ledger.flush(20)


@contextmanager
def proxy(url: str, body_bytes_max: int) -> Iterator[str]:
    """A proxy before the API that answers 413 in its own words to larger bodies."""

    class Bounded(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(body) > body_bytes_max:
                status, content = 413, b"<html>Request Entity Too Large</html>"
            else:
                passed = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
                answer = httpx.post(url + self.path, content=body, headers=passed)
                status, content = answer.status_code, answer.content
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Bounded) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_proxy_that_bounds_bodies_stops_nothing_but_what_is_too_large_alone(
    opened_http: OpenHttp, url: str, settings: Settings
) -> None:
    with proxy(url, 2_000) as bounded:
        ledger = opened_http(bounded)
        large = {"metadata": {f"note_{number}": "x" * 250 for number in range(8)}}
        for number in range(30):
            more = large if number == 11 else {}
            ledger.record_usage("acct_proxy", **CALL | {"request_id": f"req_{number}"} | more)
        with pytest.raises(EventsRejected, match=r"1$"):
            ledger.flush(20)
        assert [event.code for event in ledger.rejected] == ["http_error"]
        ledger.close(0)
    assert requests_of(settings, "acct_proxy") == [f"req_{number}" for number in range(30) if number != 11]


def test_a_wrong_address_is_no_verdict_about_events(opened_http: OpenHttp, url: str) -> None:
    ledger = opened_http(f"{url}/elsewhere")
    ledger.record_usage("acct_elsewhere", **CALL)
    with pytest.raises(NotDelivered, match="404"):
        ledger.flush(1)
    assert (ledger.depth, ledger.rejected) == (1, [])
