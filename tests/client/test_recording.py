"""What a router records: every field arrives, a wrong one is named, and the id is the ledger's own."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.client import InvalidEvent, Ledger, UnsuitableOption
from ledger.settings import Settings
from schemas.events import Usage
from tests.client.conftest import CALL, NOWHERE, Open, arrived

EVERYTHING: dict[str, Any] = CALL | {
    "units": {"cache_read_tokens": 100, "cache_write_tokens": 7},
    "attributes": {"service_tier": "priority"},
    "extra_cost": "0.000001",
    "own_key": True,
    "api_key_id": "key_1",
    "authorization_id": "auth_1",
    "metadata": {"team": "größe ✓"},
}


def test_every_field_arrives(opened: Open, settings: Settings) -> None:
    assert set(EVERYTHING) == set(Usage.model_fields)
    ledger, moment = opened(), datetime(2026, 11, 21, 10, 0, 0, 123000, tzinfo=UTC)
    event_id = ledger.record_usage("acct_all", **EVERYTHING, time=moment)
    trace_id = ledger.record_trace("acct_all", trace_id="t1", count=3)
    ledger.flush(20)
    usage, trace = arrived(settings, "acct_all")
    assert (usage["id"], usage["type"], usage["source"], usage["subject"]) == (
        event_id,
        "usage.recorded",
        "router/test",
        "acct_all",
    )
    assert (usage["data"], usage["time"]) == (EVERYTHING, "2026-11-21T10:00:00.123000Z")
    assert (trace["id"], trace["type"], trace["data"]) == (trace_id, "trace.recorded", {"trace_id": "t1", "count": 3})


def test_an_event_without_a_time_happened_now(opened: Open, settings: Settings) -> None:
    before, ledger = datetime.now(UTC), opened()
    ledger.record_usage("acct_now", **CALL)
    ledger.flush(20)
    (event,) = arrived(settings, "acct_now")
    assert before <= datetime.fromisoformat(event["time"]) <= datetime.now(UTC)


def test_ids_are_uuids_of_version_7_in_the_order_of_time(opened: Open) -> None:
    ledger = opened(NOWHERE)
    before = datetime.now(UTC).timestamp()
    ids = [uuid.UUID(ledger.record_trace("acct_ids", trace_id="t", count=1)) for _ in range(500)]
    after = datetime.now(UTC).timestamp()
    assert len(set(ids)) == 500
    assert {(each.version, each.variant) for each in ids} == {(7, uuid.RFC_4122)}
    moments = [each.int >> 80 for each in ids]
    assert moments == sorted(moments)
    assert int(before * 1000) <= moments[0] <= moments[-1] <= after * 1000


def test_an_id_of_the_caller_s_own_is_returned_as_the_ledger_knows_it(opened: Open) -> None:
    ledger = opened(NOWHERE)
    own = "019AA3F2-0B6E-7C1A-9D53-0C9F2B6A1E77"
    assert ledger.record_usage("acct_own", **CALL, event_id=own) == own.lower()
    first = ledger.record_usage("acct_own", **CALL, event_id="call-1")
    assert first == ledger.record_usage("acct_own", **CALL, event_id="call-1")
    assert uuid.UUID(first).version == 5


BAD: list[tuple[str, dict[str, Any]]] = [
    ("input_tokens", {"input_tokens": -1}),
    ("input_tokens", {"input_tokens": "12"}),
    ("output_tokens", {"output_tokens": 1.5}),
    ("provider_cost", {"provider_cost": 0.001}),
    ("provider_cost", {"provider_cost": "1e-3"}),
    ("provider_cost", {"provider_cost": "-1"}),
    ("mode", {"mode": "manual"}),
    ("model", {"model": "a\tb"}),
    ("request_id", {"request_id": ""}),
    ("metadata.team", {"metadata": {"team": "\0"}}),
    ("colour", {"colour": "red"}),
    ("account_id", {"account_id": "a b"}),
    ("event_id", {"event_id": ""}),
    ("event_id", {"event_id": 7}),
    ("time", {"time": datetime(2026, 1, 1)}),  # noqa: DTZ001  # a time without a zone is the mistake
    ("time", {"time": "yesterday"}),
]


@pytest.mark.parametrize(("field", "changes"), BAD)
def test_bad_input_names_the_field_and_records_nothing(opened: Open, field: str, changes: dict[str, Any]) -> None:
    ledger = opened(NOWHERE)
    with pytest.raises(InvalidEvent) as caught:
        ledger.record_usage(**({"account_id": "acct_1"} | CALL | changes))
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert ledger.depth == 0


def test_a_missing_field_is_named_and_so_are_all_that_are_wrong(opened: Open) -> None:
    with pytest.raises(InvalidEvent, match=r"^trace_id: .* is missing; count: ") as caught:
        opened(NOWHERE).record_trace("acct_1", count=0)  # type: ignore[call-arg]
    assert caught.value.field == "trace_id"


def test_a_wrong_source_is_refused_at_once(opened: Open) -> None:
    with pytest.raises(InvalidEvent, match=r"^source: "):
        opened(source="a router")


@pytest.mark.parametrize("option", ["acks", "enable_idempotence", "partitioner", "sasl_nothing"])
def test_what_the_promises_rest_on_can_t_be_chosen(opened: Open, option: str) -> None:
    with pytest.raises(UnsuitableOption, match=f"^{option}: "):
        opened(**{option: 0})


def test_it_is_a_context_manager(settings: Settings, opened: Open, tmp_path: Any) -> None:
    with opened() as ledger:
        assert isinstance(ledger, Ledger)
        ledger.record_usage("acct_with", **CALL)
    assert len(arrived(settings, "acct_with")) == 1
    assert list((tmp_path / "spool").iterdir()) == []
