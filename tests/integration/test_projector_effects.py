"""What a fold has to say to consumers goes out once, signed, under an id that follows from its cause."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ledger.settings import Settings
from schemas.effects import EFFECT, AutoTopUpTriggered, BalanceLevelChanged, Effect
from schemas.signatures import signature_of, verifies
from schemas.topics import TOP_UPS
from tests.support.events import Event, Ids, event, policy, purchase, sender, usage
from tests.support.expected import derived
from tests.support.workers import Crew, crew, records_of, wait_until_projected

IDS = Ids(6)


@pytest.fixture(scope="module")
def members(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with crew(settings, tmp_path_factory.mktemp("workers")) as members:
        members.start()
        yield members


@pytest.fixture
def records(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        yield connection


def after(settings: Settings, *events: Event) -> list[Effect]:
    """Everything that was said about the account of these events, once they are folded."""
    with sender(settings) as log:
        log.send(*events)
    wait_until_projected(settings)
    key = events[0]["subject"].encode()
    return [EFFECT.validate_json(each.value) for each in effect_records(settings) if each.key == key]


def effect_records(settings: Settings) -> list[Any]:
    return records_of(settings, TOP_UPS, settings.event_partitions)


def top_up(account: str, trigger_id: str) -> Event:
    """The purchase that pays a trigger."""
    paid = purchase(account, IDS(), "20", f"pur_{trigger_id}")
    return paid | {"data": paid["data"] | {"kind": "auto_top_up", "trigger_id": trigger_id}}


def test_crossing_the_threshold_triggers_exactly_once_until_it_is_paid(settings: Settings, members: Crew) -> None:
    crossing = usage("acct_1", IDS(), "5")
    usages = [usage("acct_1", IDS(), "0.1") for _ in range(3)]
    opening = [purchase("acct_1", IDS(), "15"), policy("acct_1", IDS(), "10", "20")]
    triggered = [each for each in after(settings, *opening, crossing, *usages) if each.type.endswith("triggered")]
    assert len(triggered) == 1
    assert isinstance(triggered[0], AutoTopUpTriggered)
    trigger = triggered[0].data
    assert trigger.trigger_id == triggered[0].id == derived("acct_1", crossing["id"])
    assert (trigger.credits, trigger.balance, trigger.threshold) == ("20", "9.5", "10")
    assert (trigger.caused_by, trigger.provider, trigger.payment_method_id) == (crossing["id"], "stripe", "pm_1")

    again = usage("acct_1", IDS(), "18")
    more = after(settings, top_up("acct_1", trigger.trigger_id), *usages, again)
    ids = [each.id for each in more if each.type == "auto_top_up.triggered"]
    assert ids == [trigger.trigger_id, derived("acct_1", again["id"])]


def test_a_balance_that_sinks_and_recovers_says_each_level_once(settings: Settings, members: Crew) -> None:
    events = [
        purchase("acct_2", IDS(), "8"),
        usage("acct_2", IDS(), "3"),
        usage("acct_2", IDS(), "1"),
        usage("acct_2", IDS(), "9"),
        purchase("acct_2", IDS(), "100", "pur_2"),
    ]
    changes = after(settings, *events)
    assert all(isinstance(each, BalanceLevelChanged) for each in changes)
    levels = [(each.data.previous, each.data.level, each.data.balance) for each in changes]
    assert levels == [
        ("exhausted", "ok", "8"),
        ("ok", "low", "4.7"),
        ("low", "exhausted", "-6.3"),
        ("exhausted", "ok", "93.7"),
    ]
    causes = [("signed", events[0]["id"]), (events[1]["id"],), (events[3]["id"],), ("signed", events[4]["id"])]
    assert [each.id for each in changes] == [derived("acct_2", "balance.level_changed", *cause) for cause in causes]


def test_a_top_up_that_was_given_up_says_so(settings: Settings, members: Crew) -> None:
    crossing = usage("acct_3", IDS(), "0.1")
    trigger_id = derived("acct_3", crossing["id"])
    failure = {"trigger_id": trigger_id, "reason_code": "card_declined", "suspended": True}
    opening = [purchase("acct_3", IDS(), "10"), policy("acct_3", IDS(), "10", "20"), crossing]
    effects = after(settings, *opening, event("auto_top_up.failed", "acct_3", failure, IDS()))
    kinds = [each.type.removeprefix("auto_top_up.") for each in effects]
    assert kinds == ["balance.level_changed", "triggered", "suspended"]
    assert effects[-1].data.trigger_id == trigger_id


def test_all_that_was_said_is_signed_and_under_its_accounts_key(settings: Settings, members: Crew) -> None:
    after(settings, purchase("acct_4", IDS(), "10"))
    for record in effect_records(settings):
        signature = signature_of(record.headers)
        assert signature is not None
        assert verifies(signature, record.value, settings.secrets)
        assert record.key == json.loads(record.value)["subject"].encode()


def test_what_is_out_is_noted_and_its_value_dropped_but_never_its_id(
    settings: Settings, members: Crew, records: psycopg.Connection[Any]
) -> None:
    after(settings, purchase("acct_5", IDS(), "10"))
    rows = records.execute("SELECT message_id::text, sent_at IS NOT NULL, value FROM records.outbox").fetchall()
    assert {sent for _, sent, _ in rows} == {True}
    assert {value for _, _, value in rows} == {None}
    assert sorted(id for id, _, _ in rows) == sorted(
        json.loads(record.value)["id"] for record in effect_records(settings)
    )
