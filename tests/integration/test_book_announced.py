"""A correction beside an announced version, and a version that is withdrawn: from the command to the balances."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from ledger.cli.shared import console
from ledger.core.book_versions import NOTICE_MS
from ledger.dev.bootstrap import bootstrap
from ledger.dev.first_book import first_book
from ledger.dev.recomputed_balances import RecomputedBalances
from ledger.dev.stack import Stack
from ledger.dev.view_snapshot import read_snapshot
from ledger.log.book import append_event, published, withdrawn
from ledger.log.publisher import Publisher
from ledger.settings import Settings
from schemas.book import KeyValidity, Markups
from tests.support.book_commands import Commands, Wire, in_minutes
from tests.support.books import append_a_minute_ago
from tests.support.events import Ids, purchase, sender, usage
from tests.support.ledgers import new_ledger
from tests.support.waiting import eventually
from tests.support.workers import crew, wait_until_projected

IDS = Ids(47)
DAY_MINUTES = 24 * 60


@pytest.fixture
def settings(stack: Stack) -> Settings:
    """A ledger of the test's own, with the secrets of two keys. Its first book accepts the first one."""
    keys = {"test-1": "a secret of the tests only", "test-2": "another secret of the tests only"}
    settings = new_ledger(stack, signing_keys=keys)
    bootstrap(settings)
    return settings


@pytest.fixture
def commands(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setattr(console, "width", 200)
    return Commands(settings, tmp_path)


def announce(commands: Commands, wire: Wire, minutes: float = DAY_MINUTES) -> int:
    """Publishes a version that takes effect later; its number."""
    said = commands.says("publish", commands.file(wire), "--effective-from", in_minutes(minutes), "--yes", "--json")
    return int(json.loads(said)["version"])


def states(commands: Commands) -> dict[int, str]:
    listed = json.loads(commands.says("list", "--json"))["data"]
    return {line["version"]: line["state"] for line in listed}


def markups(auto: str) -> Wire:
    return {"markups": {"auto": auto, "tier": "0.08"}}


def test_a_correction_beside_an_announced_version_takes_effect_and_what_it_loses_is_said(commands: Commands) -> None:
    first = commands.latest()
    december = announce(commands, first | {"trace_price": "0.5"})
    mended = commands.file(first | markups("0.3"), "mended.json")
    refused = commands.refuses("publish", mended, "--yes")
    assert refused.endswith(f"add --until-announced: version {december}")
    said = commands.says("diff", mended)
    assert f"Version {december} takes over at" in said
    assert ["markups", "auto", "0.3", "0.1"] in [line.split() for line in said.splitlines()]
    found = json.loads(commands.says("publish", mended, "--until-announced", "--yes", "--json"))
    moment = datetime.fromisoformat(found["effective_from"])
    assert 50 < (moment - datetime.now(UTC)).total_seconds() <= 60
    assert states(commands) == {1: "in force", december: "announced", found["version"]: "announced"}
    at_once = json.loads(commands.says("show", "--json", "--at", moment.isoformat()))
    later = json.loads(commands.says("show", "--json", "--at", in_minutes(2 * DAY_MINUTES)))
    assert (at_once["version"], later["version"]) == (found["version"], december)


def test_a_version_that_is_announced_again_with_the_correction_keeps_it(commands: Commands) -> None:
    first, moment = commands.latest(), in_minutes(DAY_MINUTES)
    mended, announced = first | markups("0.3"), first | {"trace_price": "0.5"}
    for wire in (announced, announced | markups("0.3")):
        commands.says("publish", commands.file(wire), "--effective-from", moment, "--yes")
    said = commands.says("publish", commands.file(mended), "--yes")
    assert "Version 3 takes over at" in said
    assert "and keeps these changes." in said
    assert states(commands) == {1: "in force", 2: "replaced", 3: "announced", 4: "announced"}
    assert json.loads(commands.says("diff", "next.json", "--json"))["take_overs"][0]["undone"] == []


def test_keys_of_an_announced_version_would_not_count_so_it_is_said(commands: Commands) -> None:
    first = commands.latest()
    second_key = {"key_id": "test-2"}
    december = announce(commands, first | {"signing_keys": [*first["signing_keys"], second_key]})
    mended = commands.file(first | {"trace_price": "0.5"}, "mended.json")
    found = json.loads(commands.says("diff", mended, "--json"))["take_overs"]
    assert [(each["version"], [key["name"] for key in each["keys_that_do_not_count"]]) for each in found] == [
        (december, ["test-2"])
    ]
    assert f"version {december}" in commands.refuses("publish", mended, "--yes")
    assert f"these of version {december} would not count" in commands.says("diff", mended)


def test_what_is_shown_as_in_force_has_the_keys_that_are_accepted(commands: Commands) -> None:
    """So the next version that a person makes of it does not bring back a retired key."""
    first = commands.latest()
    announce(commands, first | {"trace_price": "0.5"})
    retired = first | {"trace_price": "0.5", "signing_keys": [*first["signing_keys"], {"key_id": "test-2"}]}
    commands.says("publish", commands.file(retired), "--yes")
    later = json.loads(commands.says("show", "--json", "--at", in_minutes(2 * DAY_MINUTES)))
    assert (later["version"], later["signing_keys"]) == (2, retired["signing_keys"])
    assert json.loads(commands.says("show", "--json", "--version", "2"))["signing_keys"] == first["signing_keys"]


def test_the_next_import_does_not_bring_an_announced_change_forward(commands: Commands) -> None:
    announce(commands, commands.latest() | {"trace_price": "0.5"})
    words = ("import", "--provider", "openai", "--model", "gpt-4o", "--json")
    version = json.loads(commands.says(*words))["version"]
    assert (version["version"], version["trace_price"]) == (3, first_book("test-1").trace_price)


def test_an_announced_version_is_withdrawn_and_only_an_announced_one(commands: Commands) -> None:
    number = announce(commands, commands.latest() | markups("0.3"))
    status, shown = commands.answers("n", "withdraw", str(number))
    assert status == 1
    assert f"Withdraw version {number}?" in shown
    assert states(commands)[number] == "announced"
    said = commands.says("withdraw", str(number), "--yes")
    assert "version 1 will be in force" in said
    assert ["markups", "auto", "0.3", "0.1"] in [line.split() for line in said.splitlines()]
    assert f"Version {number} is withdrawn." in said
    assert states(commands) == {1: "in force", number: "withdrawn"}
    assert f"Version {number}, withdrawn" in commands.says("show", "--version", str(number))
    later = json.loads(commands.says("show", "--json", "--at", in_minutes(2 * DAY_MINUTES)))
    assert later["version"] == 1
    assert announce(commands, commands.latest()) == number + 1


def test_what_can_not_be_withdrawn_is_refused_before_it_is_appended(commands: Commands) -> None:
    soon = announce(commands, commands.latest(), minutes=1.5)
    eventually(lambda: datetime.now(UTC) > moment_of(commands, soon) - timedelta(milliseconds=NOTICE_MS), 60)
    for number in (1, soon):
        assert "can be withdrawn until 60 seconds before" in commands.refuses("withdraw", str(number), "--yes")
    assert "The book has no version of that number: 9" in commands.refuses("withdraw", "9", "--yes")
    number = announce(commands, commands.latest())
    commands.says("withdraw", str(number), "--yes")
    assert "is withdrawn already" in commands.refuses("withdraw", str(number), "--yes")


def moment_of(commands: Commands, number: int) -> datetime:
    return datetime.fromtimestamp(commands.starts_ms(number) / 1000, UTC)


def test_usage_is_charged_by_the_correction_and_the_recount_of_dev_agrees(settings: Settings, tmp_path: Path) -> None:
    """A version is announced for tomorrow, another one published without a date, and a third one withdrawn."""
    before = read_snapshot(settings.database)
    first = first_book(settings.signing_key_id)
    tomorrow, mended, soon = (
        first.model_copy(update={"version": number, "markups": Markups(auto=auto, tier="0"), "effective_from": date})
        for number, auto, date in (
            (2, "1", datetime.now(UTC) + timedelta(days=1)),
            (3, "0.25", None),
            (4, "2", datetime.now(UTC) + timedelta(seconds=5)),
        )
    )
    append_a_minute_ago(settings, published(tomorrow), published(mended), published(soon), withdrawn(4))
    eventually(lambda: soon.effective_from is not None and datetime.now(UTC) > soon.effective_from, 30)
    with sender(settings) as log:
        log.send(purchase("acct_1", IDS(), "10", "pur_1"), usage("acct_1", IDS(), "1"), usage("acct_1", IDS(), "2"))
    with crew(settings, tmp_path) as members:
        members.start()
        wait_until_projected(settings)
    after = read_snapshot(settings.database)
    assert after.balances["acct_1"] == 10_000_000_000 - 3 * 1_250_000_000
    recomputed = RecomputedBalances(settings, before)
    try:
        recomputed.follow(dict(after.progress))
    finally:
        recomputed.close()
    assert dict(recomputed.balances) == dict(after.balances)


def test_a_stolen_key_is_retired_beside_an_announced_version(settings: Settings, tmp_path: Path) -> None:
    """The announced version takes effect after the retirement, and still lists the key."""
    stolen, new = settings.signing_key_id, "test-2"
    first = first_book(stolen)
    soon = datetime.now(UTC) + timedelta(seconds=5)
    announced = first.model_copy(update={"version": 2, "effective_from": soon})
    retired = first.model_copy(update={"version": 3, "signing_keys": (KeyValidity(key_id=new),)})
    append_a_minute_ago(settings, published(announced), published(retired))
    eventually(lambda: datetime.now(UTC) > soon, 30)
    with sender(settings) as log:
        log.send(purchase("acct_1", IDS(), "10", "pur_stolen"))
    with sender(settings.model_copy(update={"signing_key_id": new})) as log:
        log.send(purchase("acct_1", IDS(), "7", "pur_new"))
    with crew(settings, tmp_path) as members:
        members.start()
        wait_until_projected(settings)
    assert read_snapshot(settings.database).balances["acct_1"] == 7_000_000_000
    with psycopg.connect(settings.database) as connection:
        codes = connection.execute(
            "SELECT code FROM views.dead_letters WHERE topic = %s", [settings.topic("ledger.events")]
        )
        assert codes.fetchall() == [("key_not_valid",)]


def test_a_withdrawal_that_comes_too_late_is_a_dead_letter_and_changes_nothing(settings: Settings) -> None:
    number = 2
    soon = first_book(settings.signing_key_id).model_copy(update={"version": number})
    with Publisher(settings) as publisher:
        for event in (published(soon), withdrawn(number)):
            position = append_event(publisher, event, settings.signing_key())
    commands = Commands(settings, Path())
    assert states(commands)[number] == "announced"
    assert position.offset > 0
