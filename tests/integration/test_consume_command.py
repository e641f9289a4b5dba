"""`ledger consume` reports every signed dead letter at least once, whatever ends the process, and no unsigned one."""

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.consumer import Received
from consumers.runner import Runner
from ledger.core.errors import EXIT_CONFIG
from ledger.dev.bootstrap import bootstrap
from ledger.dev.child_processes import environment_of
from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from ledger.guard.guard import Guard
from ledger.log.book import BookFollower
from ledger.log.dead_letters import Problem, dead_letter_of
from ledger.log.publisher import Publisher
from ledger.settings import Settings
from schemas.dead_letters import RecordDeadLettered
from schemas.fields import json_of
from schemas.signatures import SigningKey
from schemas.topics import DEAD_LETTERS
from tests.support.ledgers import new_ledger, temporary_stack
from tests.support.programs import Program
from tests.support.waiting import eventually

GROUP = "dead-letters"


@pytest.fixture
def own(stack: Stack) -> Settings:
    """A ledger of the test's own, with topics and a book."""
    settings = new_ledger(stack)
    bootstrap(settings)
    return settings


class Dead:
    """A record that was refused, as far as a dead letter says anything about it."""

    key, value, headers, timestamp = b"acct_secret", b'{"subject": "acct_secret"}', (), 0

    def __init__(self, offset: int) -> None:
        self.offset = offset


def letter(offset: int) -> RecordDeadLettered:
    return dead_letter_of("test", "ledger.events", 0, Dead(offset), Problem("invalid", "data.mode: is missing"))


def publish(settings: Settings, offsets: range) -> None:
    with Publisher(settings) as publisher:
        key = settings.signing_key()
        for append in [publisher.append_event(DEAD_LETTERS, letter(offset), key) for offset in offsets]:
            append.position()


def left(settings: Settings) -> int | None:
    """How many records are not committed yet; None while nothing is. Asked of the broker by another client."""
    place = TopicPartition(settings.topic(DEAD_LETTERS), 0)
    kafka = Consumer({"bootstrap.servers": settings.kafka, "group.id": settings.group(GROUP), "log_level": 0})
    try:
        (committed,) = kafka.committed([place], timeout=20)
        _, end = kafka.get_watermark_offsets(place, timeout=20)
    except KafkaException:  # the broker is young, or between two lives
        return None
    finally:
        kafka.close()
    return None if committed.offset < 0 else end - committed.offset


class Consume:
    """A `ledger consume`; its log lines as dictionaries."""

    def __init__(self, settings: Settings, log: Path, *names: str) -> None:
        self._log = log
        with log.open("ab") as output:
            given = {"environment": environment_of(settings), "stdout": output, "stderr": output}
            self.process = Program("-m", "ledger.cli", "consume", *names, **given)

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        whole = self._log.read_text().rpartition("\n")[0].splitlines()
        lines = [json.loads(line) for line in whole]
        return [line for line in lines if event is None or line["event"] == event]

    def offsets(self) -> set[int]:
        """Of the dead letters on ledger.events that it has logged."""
        return {line["offset"] for line in self.lines("dead_letter") if line["topic"] == "ledger.events"}

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


@contextmanager
def consume(settings: Settings, folder: Path, *names: str) -> Iterator[Consume]:
    running = Consume(settings, folder / "consume.log", *names)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait(10)


def test_each_is_one_line_without_a_word_of_the_record_and_counted_and_committed(own: Settings, tmp_path: Path) -> None:
    settings = own.model_copy(update={"consumer_metrics_port": free_port()})
    publish(settings, range(3))
    with consume(settings, tmp_path) as running:
        eventually(lambda: left(settings) == 0, why=running.lines)
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{settings.consumer_metrics_port}/metrics").read().decode()
        assert running.stop() == 0
    lines = running.lines("dead_letter")
    assert [line["offset"] for line in lines] == [0, 1, 2]
    assert set(lines[0]) == {"topic", "partition", "offset", "code", "event", "level", "timestamp"}
    assert running.lines() == lines
    assert "acct_secret" not in (tmp_path / "consume.log").read_text()
    assert 'ledger_dead_letters_total{code="invalid",topic="ledger.events"} 3.0' in metrics
    assert f'ledger_dead_letters_total{{code="unpriced",topic="{settings.topic("ledger.events")}"}} 0.0' in metrics


def test_killed_in_the_middle_and_started_again_it_tells_of_each_at_least_once(own: Settings, tmp_path: Path) -> None:
    publish(own, range(4_000))
    with consume(own, tmp_path, GROUP) as running:
        eventually(lambda: len(running.offsets()) > 50, why=running.lines)
        running.process.kill()
        running.process.wait(10)
    before = running.offsets()
    assert len(before) < 4_000, "it was killed too late"
    publish(own, range(4_000, 4_100))
    with consume(own, tmp_path, GROUP) as running:
        eventually(lambda: left(own) == 0, why=lambda: running.lines()[-3:])
        assert running.stop() == 0
    assert running.offsets() == set(range(4_100))
    print(f"killed after {len(before)}; told of {len(running.lines('dead_letter')) - 4_100} again")


def test_started_again_after_an_orderly_end_it_tells_of_nothing_again(own: Settings, tmp_path: Path) -> None:
    for fresh in (range(5), range(5, 7)):
        publish(own, fresh)
        with consume(own, tmp_path) as running:
            eventually(lambda: left(own) == 0, why=running.lines)
            assert running.stop() == 0
    assert [line["offset"] for line in running.lines("dead_letter")] == list(range(7))


def test_what_nobody_of_ours_signed_is_a_dead_letter_itself(own: Settings, tmp_path: Path) -> None:
    value, topic = json_of(letter(7)), own.topic(DEAD_LETTERS)
    key = letter(7).subject.encode()
    with Publisher(own) as publisher:
        publisher.append(DEAD_LETTERS, key, value).position()
        publisher.append(DEAD_LETTERS, key, value, [SigningKey("test-1", b"a guess").header(value)]).position()
        publisher.append(DEAD_LETTERS, key, b"{}", [own.signing_key().header(b"{}")]).position()
    stray = own.model_copy(update={"signing_keys": {**own.signing_keys, "stray": own.signing_keys["test-1"]}})
    with Publisher(own) as publisher:  # a secret that we know, of a key that the book does not
        header = SigningKey("stray", own.secrets["test-1"]).header(value)
        publisher.append(DEAD_LETTERS, key, value, [header]).position()
    with consume(stray, tmp_path) as running:
        eventually(lambda: left(stray) == 0 and len(running.lines("dead_letter")) == 4, why=running.lines)
        assert running.stop() == 0
    told = [(line["topic"], line["offset"], line["code"]) for line in running.lines("dead_letter")]
    codes = ["unsigned", "bad_signature", "invalid", "key_not_valid"]
    assert told == [(topic, offset, code) for offset, code in enumerate(codes)]


class Failing:
    """Can't do its work the first times."""

    name, topics, at_once = GROUP, (DEAD_LETTERS,), 1

    def __init__(self, stopping: threading.Event, times: int) -> None:
        self._stopping, self._times = stopping, times
        self.handled: list[int] = []

    def handle(self, received: Received) -> None:
        assert isinstance(received.event, RecordDeadLettered)
        if received.event.data.offset == 1 and self._times:
            self._times -= 1
            raise ZeroDivisionError
        self.handled.append(received.event.data.offset)
        if received.event.data.offset == 2:
            self._stopping.set()


def test_an_unexpected_error_ends_it_and_the_record_comes_again(own: Settings) -> None:
    publish(own, range(3))
    stopping = threading.Event()
    failing = Failing(stopping, times=1)
    with closing(BookFollower(own)) as book, Guard(own) as guard:
        book.wait(30)
        with pytest.raises(ZeroDivisionError):
            Runner(failing, own, book, guard, stopping).run()
        assert left(own) in (None, 2)  # the first may have been committed by then, the second not
        Runner(failing, own, book, guard, stopping).run()
    assert failing.handled in ([0, 0, 1, 2], [0, 1, 2])
    assert left(own) == 0


def test_without_kafka_it_waits_in_few_words_and_still_ends_at_once(own: Settings, tmp_path: Path) -> None:
    with consume(own.model_copy(update={"kafka": "127.0.0.1:1"}), tmp_path) as running:
        eventually(lambda: running.lines("waiting"), seconds=90)
        time.sleep(5)
        began = time.monotonic()
        assert running.stop() == 0
    assert time.monotonic() - began < 15
    assert len(running.lines()) == 1


def test_a_broker_that_comes_back_is_noticed(tmp_path: Path) -> None:
    with temporary_stack() as mortal:
        settings = new_ledger(mortal)
        bootstrap(settings)
        publish(settings, range(2))
        with consume(settings, tmp_path) as running:
            eventually(lambda: left(settings) == 0, why=running.lines)
            mortal.kafka.kill()
            time.sleep(25)  # beyond the time after which the end of the book counts as unknown
            assert running.process.poll() is None
            mortal.kafka.start()
            publish(settings, range(2, 4))
            eventually(lambda: running.offsets() == set(range(4)), why=running.lines)
            eventually(lambda: left(settings) == 0, why=running.lines)
            eventually(lambda: consumers(running, "working_again") == consumers(running, "waiting"), why=running.lines)
            assert running.stop() == 0
        waited = consumers(running, "waiting")
        assert GROUP in waited
        assert len(set(waited)) == len(waited)  # each says so once


def consumers(running: Consume, event: str) -> list[str]:
    """Which of them have said this, once for each time."""
    return sorted(line["consumer"] for line in running.lines(event))


@pytest.mark.parametrize(
    ("changes", "names", "words"),
    [
        ({}, ("everything",), "There is no consumer of this name: everything; there are dead-letters"),
        ({"signing_key_id": ""}, (), "LEDGER_SIGNING_KEY_ID"),
        ({"topic_prefix": f"none{os.getpid()}."}, (), "A topic is missing"),
    ],
    ids=["no such consumer", "no signing key", "no topics"],
)
def test_what_it_cannot_run_with_ends_it_in_words(
    own: Settings, tmp_path: Path, changes: dict[str, Any], names: tuple[str, ...], words: str
) -> None:
    with consume(own.model_copy(update=changes), tmp_path, *names) as running:
        assert running.process.wait(60) == EXIT_CONFIG
    output = (tmp_path / "consume.log").read_text()
    assert output.startswith("Error: ")
    assert words in output
    assert "Traceback" not in output


def test_ctrl_c_ends_it_in_order(own: Settings, tmp_path: Path) -> None:
    publish(own, range(1))
    with consume(own, tmp_path) as running:
        eventually(lambda: left(own) == 0, why=running.lines)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(20) == 0
