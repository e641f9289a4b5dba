"""A version of the book: what it must be, and which keys and schemas it accepts."""

from typing import Any

import pytest
from pydantic import ValidationError

from ledger.core.account import Account
from ledger.core.book_versions import Book
from ledger.core.errors import Refused, UnknownRules
from ledger.core.fold import apply
from schemas.fields import faults_of

from .records import Published, book_of, fact_of, ms, plain_book, record, version_of, wire_of
from .story import Story

NOON = ms("2026-11-21T12:00:00Z")


def _second(**changes: Any) -> Published:
    return Published(wire_of(version=2, **changes), NOON)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"default_package": "gold"}, "default_package", id="default package"),
        pytest.param(
            {"packages": [{"name": "a", "included_traces": 1}] * 2, "default_package": "a"}, "packages: a", id="twice"
        ),
        pytest.param({"signing_keys": []}, "signing_keys", id="no key"),
        pytest.param(
            {"signing_keys": [{"key_id": "a:b"}]}, "signing_keys.0.key_id", id="a key that no header can name"
        ),
        pytest.param({"levels": [{"name": "low", "at_most": "1"}] * 2}, "levels: low", id="a level twice"),
        pytest.param({"markups": {"auto": "-0.1", "tier": "0"}}, "markups.auto", id="a negative markup"),
        pytest.param({"trace_price": 0.1}, "trace_price", id="a float"),
        pytest.param({"bounds": {"top_up_credits_min": "0"}}, "top_up_credits_min", id="a top-up of nothing"),
        pytest.param(
            {"bounds": {"event_credits_max": "4"}}, "top_up_credits_min", id="a top-up that no event may move"
        ),
        pytest.param({"surprise": 1}, "surprise", id="an unknown field"),
    ],
)
def test_a_version_that_makes_no_sense_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        version_of(wire_of(**changes))
    assert reason in str(faults_of(refusal.value))


def test_an_entry_names_the_version_and_rules_that_made_it() -> None:
    dearer = _second(markups={"auto": "1", "tier": "1"})
    story = Story(book_of(Published(wire_of(), 0), dearer))
    before = story.spend("1", "2026-11-21T12:00:59.999Z").entry
    after = story.spend("1", "2026-11-21T12:01:00Z").entry
    assert [(entry.book_version, entry.rules, entry.amount) for entry in (before, after)] == [
        (1, 1, -1_100_000_000),
        (2, 1, -2_000_000_000),
    ]


def test_rules_that_this_program_does_not_have_stop_the_fold_and_refuse_nobody() -> None:
    with pytest.raises(UnknownRules):
        Story(plain_book(rules=99)).spend("1")


KEYS = [{"key_id": "k1", "valid_from": "2026-11-21T00:00:00Z", "valid_until": "2026-11-22T00:00:00Z"}]


@pytest.mark.parametrize(
    ("key_id", "at", "code"),
    [
        pytest.param("k1", "2026-11-20T23:59:59.999Z", "key_not_valid", id="before"),
        pytest.param("k1", "2026-11-21T00:00:00Z", None, id="first moment"),
        pytest.param("k1", "2026-11-21T23:59:59.999Z", None, id="last moment"),
        pytest.param("k1", "2026-11-22T00:00:00Z", "key_not_valid", id="retired"),
        pytest.param("k2", "2026-11-21T12:00:00Z", "key_not_valid", id="unknown"),
        pytest.param(None, "2026-11-21T12:00:00Z", "unsigned", id="unsigned"),
    ],
)
def test_a_key_signs_only_while_it_is_valid(key_id: str | None, at: str, code: str | None) -> None:
    said = record("account.opened", {}, at, key_id=key_id)
    assert _refusal(said, plain_book(signing_keys=KEYS)) == code


@pytest.mark.parametrize(
    ("versions", "schema", "code"),
    [([1], 1, None), ([1], 2, "unknown_schema_version"), ([1, 2], 2, None), ([2], 1, "unknown_schema_version")],
)
def test_a_schema_version_is_one_that_the_book_accepts(versions: list[int], schema: int, code: str | None) -> None:
    said = record("account.opened", {}, schema=schema)
    assert _refusal(said, plain_book(schema_versions=versions)) == code


@pytest.mark.parametrize("key_id", [None, "k1"])
def test_a_router_need_not_sign_usage_and_may(key_id: str | None) -> None:
    said = record("trace.recorded", {"trace_id": "t", "count": 1}, key_id=key_id)
    assert _refusal(said, plain_book()) is None


def _refusal(said: Any, book: Book) -> str | None:
    try:
        apply(Account(said.account), fact_of(said), said.append_ms, book)
    except Refused as refusal:
        return refusal.code
    return None
