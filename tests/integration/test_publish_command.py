"""`ledger publish`: lines of a file or a pipe onto the log, and what stops it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.dev.child_processes import environment_of
from ledger.settings import Settings
from schemas.signatures import signature_of, verifies
from schemas.topics import EVENTS
from tests.support.events import Event, Ids, purchase, usage
from tests.support.expected import home_of
from tests.support.programs import run
from tests.support.workers import records_of

IDS = Ids(41)


def publish(settings: Settings, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return run("-m", "ledger.cli", "publish", *arguments, environment=environment_of(settings), stdin=stdin)


def lines(*events: Event) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def written(folder: Path, content: bytes) -> str:
    path = folder / "events.ndjson"
    path.write_bytes(content)
    return str(path)


def on_the_log(settings: Settings, account: str) -> list[Any]:
    records = records_of(settings, EVENTS, settings.event_partitions)
    return [record for record in records if record.key == account.encode()]


def test_twenty_thousand_lines_are_on_the_log_each_where_its_account_belongs(
    settings: Settings, tmp_path: Path
) -> None:
    events = [usage(f"many_{number % 100}", IDS()) for number in range(20_000)]
    done = publish(settings, written(tmp_path, lines(*events)), "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["read"], counts["published"]) == (20_000, 20_000)
    assert counts["events_per_second"] > 0
    print(counts)
    records = [r for r in records_of(settings, EVENTS, settings.event_partitions) if r.key.startswith(b"many_")]
    assert {json.loads(r.value)["id"] for r in records} == {event["id"] for event in events}
    assert len(records) == 20_000
    assert all(r.partition == home_of(r.key.decode(), settings.event_partitions) for r in records)


def test_a_terminal_sees_progress_with_a_rate_and_the_time_that_is_left(settings: Settings, tmp_path: Path) -> None:
    path = written(tmp_path, lines(*(usage("bar", IDS()) for _ in range(3_000))))
    command = f"{sys.executable} -m ledger.cli publish {path}"
    shown = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        env=environment_of(settings) | {"TERM": "xterm", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "3000/3000" in shown.stdout
    assert "/s" in shown.stdout
    assert "0:00:00" in shown.stdout
    assert "Published 3,000 events." in shown.stdout


def test_the_record_has_the_bytes_of_its_line_extensions_too(settings: Settings) -> None:
    event = usage("bytes", IDS()) | {"traceparent": "00-ab-cd-01"}
    done = publish(settings, "-", stdin=b"\n  " + lines(event) + b"\r\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"Published 1 events.\n"
    assert [record.value for record in on_the_log(settings, "bytes")] == [json.dumps(event).encode()]


def test_the_first_bad_line_ends_it_by_number_and_field_and_those_before_it_are_published(
    settings: Settings, tmp_path: Path
) -> None:
    good, bad = [usage("stops", IDS()) for _ in range(3)], usage("stops", IDS(), mode="fast")
    done = publish(settings, written(tmp_path, lines(*good, bad, usage("stops", IDS()))), "--json")
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: line 4: ")
    assert b"data.mode" in done.stderr
    assert b"fast" not in done.stderr
    assert json.loads(done.stdout)["published"] == 3
    assert len(on_the_log(settings, "stops")) == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"not JSON", b"JSON"),
        (b"[]", b"record"),
        (b'{"specversion": "1.0"}', b"type"),
        (b"\xff\xfe", b"JSON"),
        (b"{" + b" " * 200_000 + b"}", b"65536"),
    ],
    ids=["no JSON", "an array", "no type", "no UTF-8", "too long"],
)
def test_what_is_no_event_is_said_in_one_line_of_words(settings: Settings, line: bytes, words: bytes) -> None:
    done = publish(settings, "--check", stdin=line)
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: line 1: The line is not an event that the ledger reads: ")
    assert words in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_check_publishes_nothing_and_needs_no_kafka(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"kafka": "127.0.0.1:1"})
    done = publish(nowhere, "--check", stdin=lines(usage("checked", IDS()), usage("checked", IDS())))
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"2 events are valid; nothing was published.\n"


def test_money_is_refused_without_sign_and_signed_with_it(settings: Settings) -> None:
    money = lines(usage("money", IDS()), purchase("money", IDS(), "10", "pur_cli"))
    refused = publish(settings, stdin=money)
    assert refused.returncode == 1
    assert b"line 2: Only usage and traces may be unsigned; publish with --sign" in refused.stderr
    assert publish(settings, "--sign", stdin=money).returncode == 0
    unsigned, again, paid = on_the_log(settings, "money")
    assert signature_of(unsigned.headers) is signature_of(again.headers) is None
    signature = signature_of(paid.headers)
    assert signature is not None
    assert verifies(signature, paid.value, settings.secrets)


def test_sign_without_a_key_is_refused_before_anything_is_published(settings: Settings) -> None:
    keyless = settings.model_copy(update={"signing_key_id": ""})
    done = publish(keyless, "--sign", stdin=lines(usage("keyless", IDS())))
    assert done.returncode == 1
    assert b"LEDGER_SIGNING_KEY_ID" in done.stderr
    assert not on_the_log(settings, "keyless")


def test_a_broker_that_is_away_is_said_in_words_and_nothing_counts_as_published(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"kafka": "127.0.0.1:1"})
    done = publish(nowhere, "--json", stdin=lines(usage("away", IDS())))
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: Kafka did not acknowledge the record")
    assert b"Traceback" not in done.stderr
    assert json.loads(done.stdout)["published"] == 0
