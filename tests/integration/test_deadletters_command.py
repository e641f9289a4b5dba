"""`ledger deadletters`: what was refused is listed, and shown whole, escaped, with what to do about it."""

import base64
import json
import re
import subprocess
from typing import Any, NamedTuple

import pytest

from ledger.dev.bootstrap import bootstrap
from ledger.dev.child_processes import environment_of
from ledger.dev.stack import Stack
from ledger.settings import Settings
from schemas.topics import BOOK, EVENTS
from tests.support.events import Ids, Place, json_bytes, purchase, sender, usage
from tests.support.ledgers import new_ledger
from tests.support.programs import run
from tests.support.workers import crew, wait_until_projected

IDS = Ids(43)
EVIL = b'{"type": "usage.recorded", "note": "\x1b[2J\x07\x7f\xc2\x9b31m\xe2\x80\xae", "cut": '


class Refusals(NamedTuple):
    """A ledger in which these were refused, in this order."""

    settings: Settings
    unpriced: Place
    unsigned: Place
    evil: Place


@pytest.fixture(scope="module")
def refusals(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Refusals:
    settings = new_ledger(stack)
    bootstrap(settings)
    with sender(settings) as log:
        log.send(usage("acct_1", IDS(), cost=None, model="unheard-of"))
        (unpriced,) = log.acknowledged()
        log.append(json_bytes(purchase("acct_1", IDS(), "1000")), b"acct_1")
        (unsigned,) = log.acknowledged()
        log.append(EVIL, b"acct_\x1b[7m", [("trace", b"\x1b\xff")], partition=1)
        (evil,) = log.acknowledged()
    with crew(settings, tmp_path_factory.mktemp("workers")) as members:
        members.start()
        wait_until_projected(settings)
    return Refusals(settings, unpriced, unsigned, evil)


def deadletters(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return run("-m", "ledger.cli", "deadletters", *arguments, environment=environment_of(settings))


def listed(settings: Settings, *arguments: str) -> list[dict[str, Any]]:
    done = deadletters(settings, "list", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    data: list[dict[str, Any]] = json.loads(done.stdout)["data"]
    return data


def test_the_newest_is_first_and_filters_filter(refusals: Refusals) -> None:
    settings = refusals.settings
    everything = listed(settings)
    assert [each["code"] for each in everything] == ["invalid", "unsigned", "unpriced"]
    assert {each["topic"] for each in everything} == {settings.topic(EVENTS)}
    assert (everything[1]["partition"], everything[1]["offset"]) == refusals.unsigned
    assert everything[2]["account_id"] == "acct_1"
    assert listed(settings, "--code", "unpriced") == everything[2:]
    assert listed(settings, "--limit", "1") == everything[:1]
    assert listed(settings, "--since", everything[1]["log_time"]) == everything[:2]
    assert listed(settings, "--topic", "events") == everything
    assert listed(settings, "--topic", "book") == []


def test_a_person_reads_one_line_each(refusals: Refusals) -> None:
    lines = deadletters(refusals.settings, "list").stdout.decode().splitlines()
    partition, offset = refusals.unpriced
    assert len(lines) == 3
    assert f"{refusals.settings.topic(EVENTS)}/{partition}/{offset}  unpriced  acct_1  " in lines[2]


def test_the_whole_record_is_shown_with_the_reason_and_what_to_do(refusals: Refusals) -> None:
    partition, offset = refusals.unpriced
    done = deadletters(refusals.settings, "show", f"events/{partition}/{offset}")
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "The book has no price for this model" in text
    assert "ledger book publish" in text
    assert "acct_1" in text
    assert '"model": "unheard-of"' in text


def test_what_an_attacker_wrote_reaches_the_terminal_escaped_and_a_program_to_the_byte(refusals: Refusals) -> None:
    partition, offset = refusals.evil
    place = f"{refusals.settings.topic(EVENTS)}/{partition}/{offset}"  # as the list has it
    text = deadletters(refusals.settings, "show", place).stdout
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert {"\u009b", "\u202e"}.isdisjoint(text.decode())
    assert b"\\x1b[2J\\x07\\x7f\\x9b31m\\u202e" in text
    output = deadletters(refusals.settings, "show", place, "--json").stdout
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", output)
    told = json.loads(output)
    assert base64.b64decode(told["value_base64"]) == EVIL
    assert told["key"] == "acct_\\x1b[7m"
    assert told["headers"] == [["trace", "\\x1b\\xff"]]
    assert told["code"] == "invalid"
    assert told["advice"]


def test_a_record_that_is_none_and_a_place_that_is_none_are_said_in_words(refusals: Refusals) -> None:
    none = deadletters(refusals.settings, "show", f"{BOOK}/0/0")
    nowhere = deadletters(refusals.settings, "show", "events/0")
    assert (none.returncode, nowhere.returncode) == (1, 2)
    assert none.stderr.startswith(b"Error: The record at this place is not a dead letter")
    assert b"TOPIC/PARTITION/OFFSET" in nowhere.stderr
