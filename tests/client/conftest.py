"""Usage to record, ledgers to record it with, and what arrived on the log."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from ledger.client import Ledger
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.support.housekeeping import housekeeping
from tests.support.servers import api, client, key, projector
from tests.support.waiting import eventually
from tests.support.workers import records_of

CALL: dict[str, Any] = {
    "request_id": "req_9",
    "provider": "openai",
    "model": "gpt-4o",
    "mode": "auto",
    "input_tokens": 374,
    "output_tokens": 44,
    "provider_cost": "0.001375",
}
NOWHERE = "127.0.0.1:1"

Open = Callable[..., Ledger]


@pytest.fixture
def opened(settings: Settings, tmp_path: Path) -> Iterator[Open]:
    """Makes ledgers over Kafka, on one spool; closed at the end of the test."""
    ledgers: list[Ledger] = []

    def make(kafka: str = settings.kafka, **options: Any) -> Ledger:
        given = {"source": "router/test", "spool": tmp_path / "spool", "topic_prefix": settings.topic_prefix}
        ledgers.append(Ledger.over_kafka(kafka, **(given | options)))
        return ledgers[-1]

    yield make
    for ledger in ledgers:
        ledger.close(0)


def arrived(settings: Settings, account_id: str) -> list[dict[str, Any]]:
    """The account's events on the log, in their order."""
    records = records_of(settings, EVENTS, settings.event_partitions)
    return [json.loads(record.value) for record in records if record.key == account_id.encode()]


def requests_of(settings: Settings, account_id: str) -> list[str]:
    """The request ids of the account's usage on the log, in the order of their first records."""
    return list(dict.fromkeys(event["data"]["request_id"] for event in arrived(settings, account_id)))


class Served(NamedTuple):
    """A ledger with its API, projector and housekeeping: the API's URL, a router's key, and an operator's client."""

    url: str
    token: str
    http: httpx.Client


@pytest.fixture(scope="module")
def served(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One per module."""
    folder = tmp_path_factory.mktemp("served")
    shop = "https://router.example/billing"
    with (
        api(settings, folder, top_up_url=shop) as url,
        projector(settings, folder),
        housekeeping(settings),
        client(url, key(settings)) as http,
    ):
        eventually(lambda: http.get("/readyz").status_code == 200)
        yield Served(url, key(settings, "usage:write", "authorizations:write"), http)
