"""Usage over HTTP: what is accepted is on the log, what is refused names its field, a batch is whole."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaConsumer, TopicPartition

from ledger.settings import Settings
from schemas.events import EVENT
from schemas.topics import EVENTS
from tests.support.events import priced_usage
from tests.support.servers import api, client, key


@pytest.fixture(scope="module")
def http(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client with all scopes, of an API without a projector: usage needs none."""
    folder: Path = tmp_path_factory.mktemp("api")
    with ExitStack() as stack:
        url = stack.enter_context(api(settings, folder))
        yield stack.enter_context(client(url, key(settings)))


def records(settings: Settings, positions: list[dict[str, Any]]) -> list[tuple[bytes, bytes]]:
    """Key and value of the records at these positions."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka.split(","), enable_auto_commit=False)
    try:
        return [
            _record(consumer, TopicPartition(settings.topic(EVENTS), at["partition"]), at["offset"]) for at in positions
        ]
    finally:
        consumer.close()


def _record(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> tuple[bytes, bytes]:
    consumer.assign([partition])
    consumer.seek(partition, offset)
    found: list[Any] = []
    while not found:
        found = consumer.poll(timeout_ms=1000, max_records=1).get(partition, [])
    return found[0].key, found[0].value


def ends(settings: Settings) -> int:
    """How many records the log holds."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka.split(","))
    try:
        partitions = [TopicPartition(settings.topic(EVENTS), number) for number in range(settings.event_partitions)]
        return sum(consumer.end_offsets(partitions).values())
    finally:
        consumer.close()


def test_one_event_is_on_the_log_as_it_was_sent(http: httpx.Client, settings: Settings) -> None:
    event = priced_usage("acct_1") | {"traceparent": "00-abc-def-01"}
    answer = http.post("/v1/usage", json=event, headers={"Content-Type": "application/cloudevents+json"})
    assert answer.status_code == 202
    (at,) = answer.json()["events"]
    assert answer.json()["accepted"] == 1
    ((record_key, value),) = records(settings, [at])
    assert (record_key, json.loads(value)) == (b"acct_1", event)


def test_a_batch_is_on_the_log_in_its_order(http: httpx.Client, settings: Settings) -> None:
    batch = [priced_usage(f"acct_{number % 7}", request_id=f"req_{number}") for number in range(1000)]
    answer = http.post("/v1/usage", json=batch, headers={"Content-Type": "application/cloudevents-batch+json"})
    assert answer.status_code == 202
    events = answer.json()["events"]
    assert [event["account_id"] for event in events] == [event["subject"] for event in batch]
    some = [0, 7, 14, 999]
    found = [json.loads(value)["data"]["request_id"] for _, value in records(settings, [events[i] for i in some])]
    assert found == [f"req_{number}" for number in some]
    offsets = [event["offset"] for event in events if event["account_id"] == "acct_3"]
    assert offsets == sorted(offsets)


def test_the_id_of_an_event_is_the_one_that_the_fold_gives_it(http: httpx.Client) -> None:
    event = priced_usage("acct_1") | {"id": "019AA3F2-0000-7000-8000-00000000000A"}
    assert http.post("/v1/usage", json=event).json()["events"][0]["event_id"] == event["id"].lower()


BAD = [
    ("negative tokens", {"input_tokens": -1}, 422, "invalid", "data.input_tokens"),
    ("a fraction of a token", {"output_tokens": 1.5}, 422, "invalid", "data.output_tokens"),
    ("tokens as text", {"input_tokens": "12"}, 422, "invalid", "data.input_tokens"),
    ("an exponent", {"provider_cost": "1e-3"}, 422, "invalid", "data.provider_cost"),
    ("a negative cost", {"provider_cost": "-0.1"}, 422, "invalid", "data.provider_cost"),
    ("cost as a number", {"provider_cost": 0.1}, 422, "invalid", "data.provider_cost"),
    ("too many digits", {"provider_cost": "0." + "1" * 19}, 422, "invalid", "data.provider_cost"),
    ("NUL", {"request_id": "a\0b"}, 422, "invalid", "data.request_id"),
    ("a tab", {"model": "a\tb"}, 422, "invalid", "data.model"),
    ("an unknown mode", {"mode": "manual"}, 422, "invalid", "data.mode"),
    ("an unknown field", {"colour": "red"}, 422, "invalid", "data.colour"),
    ("a model without a price", {"model": "gpt-99"}, 422, "unpriced", "data.model"),
    (
        "more cached than input",
        {"units": {"cache_read_tokens": 5000}},
        422,
        "counts_do_not_nest",
        "data.units",
    ),
]


@pytest.mark.parametrize(("data", "status", "code", "param"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_data_is_refused_with_its_field(
    http: httpx.Client, data: dict[str, Any], status: int, code: str, param: str
) -> None:
    answer = http.post("/v1/usage", json=priced_usage("acct_1", **data))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["message"].startswith(param)
    assert error["request_id"] == answer.headers["X-Request-Id"]


ENVELOPES = [
    ({"type": "usage.guessed"}, 422, "invalid", None),
    ({"type": "credits.purchased"}, 422, "invalid", "data.purchase_id"),
    ({"subject": "a b"}, 422, "invalid", "subject"),
    ({"subject": None}, 422, "invalid", "subject"),
    ({"specversion": "0.3"}, 422, "invalid", "specversion"),
    ({"id": ""}, 422, "invalid", "id"),
    ({"time": "yesterday"}, 422, "invalid", "time"),
    ({"dataschema": "urn:ledger:usage.recorded:7"}, 422, "unknown_schema_version", "dataschema"),
]


@pytest.mark.parametrize(("fields", "status", "code", "param"), ENVELOPES)
def test_a_bad_envelope_is_refused_with_its_attribute(
    http: httpx.Client, fields: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    answer = http.post("/v1/usage", json=priced_usage("acct_1") | fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)


def test_nobody_mints_credits_here(http: httpx.Client) -> None:
    event = priced_usage("acct_1") | {
        "type": "credits.adjusted",
        "data": {"amount": "1000000", "reason_code": "gift", "actor_id": "me"},
    }
    answer = http.post("/v1/usage", json=event)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_for_routers")
    assert answer.json()["error"]["param"] == "type"


BODIES = [
    (b"", 400, "invalid_json"),
    (b"hello", 400, "invalid_json"),
    (b'{"a": ', 400, "invalid_json"),
    (b'"\\ud800"', 400, "invalid_json"),
    (json.dumps(priced_usage("acct_1", request_id="@")).encode().replace(b'"@"', b'"\\udfff"'), 400, "invalid_json"),
    (b"\xff\xfe", 400, "invalid_json"),
    (b"[" * 5000, 400, "invalid_json"),
    (b"null", 422, "invalid"),
    (b"12", 422, "invalid"),
    (b"{}", 422, "invalid"),
    (b"[]", 422, "batch_empty"),
    (json.dumps([priced_usage("acct_1")] * 1001).encode(), 413, "batch_too_large"),
    (json.dumps(priced_usage("acct_1", metadata={"note": "x" * 900_000})).encode(), 413, "too_large"),
    (b" " * 70_000 + json.dumps(priced_usage("acct_1")).encode(), 413, "too_large"),
    (b"[" + b" " * 9_000_000 + b"]", 413, "too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), BODIES, ids=range(len(BODIES)))
def test_a_bad_body_is_refused(http: httpx.Client, body: bytes, status: int, code: str) -> None:
    answer = http.post("/v1/usage", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_another_media_type_is_refused(http: httpx.Client) -> None:
    answer = http.post("/v1/usage", content=b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 415


def test_a_batch_with_one_bad_event_is_refused_as_a_whole(http: httpx.Client, settings: Settings) -> None:
    before = ends(settings)
    batch = [
        priced_usage("acct_1"),
        priced_usage("acct_1", model="gpt-99"),
        priced_usage("acct_1"),
        priced_usage("acct_1", input_tokens=-1),
        7,
    ]
    answer = http.post("/v1/usage", json=batch)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, "unpriced", "[1].data.model")
    assert [(item["index"], item["code"], item["param"]) for item in error["items"]] == [
        (1, "unpriced", "[1].data.model"),
        (3, "invalid", "[3].data.input_tokens"),
        (4, "invalid", "[4]"),
    ]
    assert ends(settings) == before


def test_an_account_s_key_records_only_its_own_usage(http: httpx.Client, settings: Settings) -> None:
    own = {"Authorization": f"Bearer {key(settings, 'usage:write', account='acct_own')}"}
    assert http.post("/v1/usage", json=priced_usage("acct_own"), headers=own).status_code == 202
    answer = http.post("/v1/usage", json=[priced_usage("acct_own"), priced_usage("acct_other")], headers=own)
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "[1].subject")


def test_whatever_is_accepted_is_an_event(http: httpx.Client, settings: Settings) -> None:
    event = priced_usage("acct_1", provider_cost="0.01", metadata={"team": "größe ✓"}, api_key_id="k\\t1")
    at = http.post("/v1/usage", json=[event]).json()["events"]
    ((_, value),) = records(settings, at)
    assert EVENT.validate_json(value) == EVENT.validate_json(json.dumps(event))
