"""`ledger tail`: what is on the log, filtered, followed, and harmless to the terminal that shows it."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.dev.child_processes import environment_of
from ledger.settings import Settings
from schemas.signatures import SigningKey
from tests.support.events import Ids, event, json_bytes, purchase, sender, usage
from tests.support.expected import home_of
from tests.support.programs import Program, run

IDS = Ids(42)
CONTROLS = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")
EVIL = "\x1b]0;owned\x07\x1b[2J\r\x7f\u009b31m\u202e"


def tail(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return run("-m", "ledger.cli", "tail", *arguments, environment=environment_of(settings))


def shown(settings: Settings, *arguments: str) -> list[dict[str, Any]]:
    """What a tail that does not follow shows, as JSON."""
    done = tail(settings, *arguments, "--no-follow", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def ids_of(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"]["id"] for line in lines]


@contextmanager
def following(settings: Settings, *arguments: str) -> Iterator[Program]:
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "own_group": True}
    command = ["-m", "ledger.cli", "tail", *arguments]
    with Program(*command, environment=environment_of(settings), **given) as process:
        try:
            yield process
        finally:
            process.kill()


def test_an_account_is_shown_in_its_order_with_place_time_and_signature(settings: Settings) -> None:
    events = [usage("acct_a", IDS()), purchase("acct_a", IDS(), "10"), usage("acct_a", IDS())]
    before = datetime.now(UTC)
    with sender(settings) as log:
        log.send(events[0], usage("acct_b", IDS()), *events[1:])
    lines = shown(settings, "--account", "acct_a", "--from", "beginning")
    assert [line["event"] for line in lines] == events
    assert {line["partition"] for line in lines} == {home_of("acct_a", settings.event_partitions)}
    assert [line["offset"] for line in lines] == sorted(line["offset"] for line in lines)
    assert [(line["signature"], line["key_id"]) for line in lines] == [
        ("none", None),
        ("valid", "test-1"),
        ("none", None),
    ]
    assert all(abs(datetime.fromisoformat(line["log_time"]) - before).total_seconds() < 60 for line in lines)


def test_a_person_reads_one_line_per_record(settings: Settings) -> None:
    with sender(settings) as log:
        log.send(purchase("acct_person", IDS(), "10"))
    lines = tail(settings, "--account", "acct_person", "--last", "1", "--no-follow").stdout.decode().splitlines()
    assert len(lines) == 1
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  \d+/\d+  acct_person  credits.purchased  ", lines[0])
    assert "signed by test-1" in lines[0]
    assert "credits=10" in lines[0]


def test_from_an_offset_from_a_moment_and_the_last_ones(settings: Settings) -> None:
    with sender(settings) as log:
        log.send(*(usage("acct_from", IDS()) for _ in range(5)))
        log.acknowledged()
        time.sleep(0.05)
        moment = datetime.now(UTC).isoformat()
        log.send(*(usage("acct_from", IDS()) for _ in range(3)))
    everything = shown(settings, "--account", "acct_from", "--from", "beginning")
    assert len(everything) == 8
    third = str(everything[2]["offset"])
    assert shown(settings, "--account", "acct_from", "--from", third) == everything[2:]
    assert shown(settings, "--account", "acct_from", "--from", moment) == everything[5:]
    assert shown(settings, "--account", "acct_from", "--last", "4") == everything[-4:]
    assert shown(settings, "--account", "acct_from") == everything  # the last 10, of which there are 8
    assert shown(settings, "--account", "acct_from", "--from", "end") == []


def test_the_last_of_a_type_are_found_however_far_back(settings: Settings) -> None:
    traces = [event("trace.recorded", f"acct_{n}", {"trace_id": "t", "count": 1}, IDS()) for n in range(6)]
    with sender(settings) as log:
        log.send(*traces)
        log.acknowledged()
        log.send(*(usage(f"acct_{n % 8}", IDS()) for n in range(12_000)))
    lines = shown(settings, "--type", "trace.recorded", "--last", "4")
    assert len(lines) == 4
    assert set(ids_of(lines)) <= {each["id"] for each in traces}
    assert [line["log_time"] for line in lines] == sorted(line["log_time"] for line in lines)


def test_what_is_published_while_it_follows_appears_and_nothing_else(settings: Settings) -> None:
    enough, sent = threading.Event(), list[str]()

    def publish() -> None:
        with sender(settings) as log:
            while not enough.wait(0.05):
                sent.append(IDS())
                log.send(usage("acct_live", sent[-1]), usage("acct_other", IDS()))
                log.acknowledged()

    thread = threading.Thread(target=publish)
    with following(settings, "--account", "acct_live", "--type", "usage.recorded", "--json") as process:
        assert process.stdout is not None
        thread.start()
        try:
            lines = [json.loads(process.stdout.readline()) for _ in range(20)]
        finally:
            enough.set()
            thread.join()
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    first = sent.index(lines[0]["event"]["id"])
    assert ids_of(lines) == sent[first : first + 20]


def test_what_cannot_be_read_is_shown_with_the_reason_and_moves_no_cursor(settings: Settings) -> None:
    account, extended = "acct_evil", usage("acct_evil", IDS()) | {"note": EVIL}
    with sender(settings) as log:
        log.append(EVIL.encode() + b"\xff", account.encode())
        log.append(json_bytes(usage(account, IDS(), model=EVIL)), account.encode())
        log.append(None, account.encode())
        log.send(extended)
    arguments = ("--account", account, "--from", "beginning", "--no-follow")
    text, lines = tail(settings, *arguments).stdout, shown(settings, *arguments[:-1])
    assert text.count(b"UNREADABLE") == 3
    assert b"\\x1b]0;owned" in text
    assert not CONTROLS.search(text)
    assert not CONTROLS.search(tail(settings, *arguments, "--json").stdout)
    assert {"\u009b", "\u202e"}.isdisjoint(text.decode())
    assert [line.get("problem", {}).get("code") for line in lines] == ["invalid", "invalid", "empty", None]
    assert lines[1]["problem"]["field"] == "data.model"
    assert lines[3]["event"] == extended


def test_a_forged_signature_is_named_and_one_of_an_unknown_key_is_not_vouched_for(settings: Settings) -> None:
    value = json_bytes(purchase("acct_forged", IDS(), "1000"))
    with sender(settings) as log:
        log.append(value, b"acct_forged", [SigningKey("test-1", b"a guess").header(value)])
        log.append(value, b"acct_forged", [SigningKey("other", b"unknown").header(value)])
        log.append(value, b"acct_forged", [("ledger-signature", b"nonsense")])
    lines = shown(settings, "--account", "acct_forged", "--from", "beginning")
    wanted = [("invalid", "test-1"), ("unchecked", "other"), ("invalid", None)]
    assert [(line["signature"], line["key_id"]) for line in lines] == wanted
    text = tail(settings, "--account", "acct_forged", "--from", "beginning", "--no-follow").stdout
    assert text.count(b"BAD SIGNATURE") == 2


def test_other_topics_are_read_too(settings: Settings) -> None:
    (book,) = shown(settings, "book", "--from", "beginning")
    assert (book["topic"], book["event"]["type"], book["signature"]) == ("ledger.book", "book.published", "valid")


def test_a_pipe_that_is_closed_ends_it_quietly(settings: Settings) -> None:
    with sender(settings) as log:
        log.send(*(usage("acct_pipe", IDS()) for _ in range(3_000)))
    with following(settings, "--account", "acct_pipe", "--from", "beginning") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(15) == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "yesterday"), b"--from: A time is"),
        (("--from", "2026-11-21T10:00:00"), b"--from: A time is"),
        (("book", "--account", "acct_a"), b"--account"),
        (("--last", "3", "--from", "beginning"), b"can't be combined"),
        (("everything",), b"everything"),
    ],
    ids=["no moment", "no zone", "account of the book", "two beginnings", "no topic"],
)
def test_what_makes_no_sense_is_refused_in_words(settings: Settings, arguments: tuple[str, ...], words: bytes) -> None:
    done = tail(settings, *arguments)
    assert done.returncode != 0
    assert words in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_broker_that_is_away_and_a_topic_that_is_missing_are_said_in_words(settings: Settings) -> None:
    away = tail(settings.model_copy(update={"kafka": "127.0.0.1:1"}), "--no-follow")
    missing = tail(settings.model_copy(update={"topic_prefix": f"none{os.getpid()}."}), "--no-follow")
    assert (away.returncode, missing.returncode) == (1, 1)
    assert away.stderr.startswith(b"Error: Kafka can't be read")
    assert missing.stderr.startswith(b"Error: A topic is missing")
