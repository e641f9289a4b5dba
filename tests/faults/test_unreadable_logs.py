"""Batches that can't be read: named, and waited for until a person decides, while everything else goes on."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from crc32c import crc32c
from kafka import KafkaProducer

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.log.connecting import kafka_options
from ledger.log.kafka_python_fixes import LogUnreadable
from ledger.log.topic_reader import topic_reader
from ledger.settings import Settings
from projectors.rebuild import rebuild
from projectors.skip_decision import BeyondTheLog, StillReadable, decide_skip
from schemas.topics import EVENTS
from tests.support.events import Event, Ids, sender, usage
from tests.support.expected import home_of
from tests.support.ledgers import new_ledger, temporary_stack
from tests.support.programs import ledger
from tests.support.servers import api, client
from tests.support.waiting import eventually
from tests.support.workers import crew, wait_until_projected

IDS = Ids(43)
CHECKSUM, CODEC, GROWING, LAST, SOUND = range(5)


class Silent:
    """Receives the progress of a rebuild, and shows nothing."""

    def begin(self, stage: str, total: int | None) -> None:
        pass

    def reach(self, done: int) -> None:
        pass


class Lying(NamedTuple):
    """A batch in a segment's file."""

    at: int
    size: int
    base_offset: int


@pytest.fixture(scope="module")
def mortal() -> Iterator[Stack]:
    with temporary_stack() as running:
        yield running


def account_at(settings: Settings, home: int) -> str:
    return next(name for n in range(1000) if home_of(name := f"acct_{n}", settings.event_partitions) == home)


def batches(data: bytes) -> list[Lying]:
    found, at = [], 0
    while at + 12 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        if length <= 0:
            break
        found.append(Lying(at, 12 + length, base))
        at += 12 + length
    return found


def damage(stack: Stack, settings: Settings, partition: int, number: int, how: Callable[[bytearray], None]) -> None:
    """Changes a batch on the disk of a broker that is stopped."""
    [segment] = (Path(stack.kafka.folder) / "data" / f"{settings.topic(EVENTS)}-{partition}").glob("*.log")
    data = bytearray(segment.read_bytes())
    lying = batches(bytes(data))[number]
    batch = data[lying.at : lying.at + lying.size]
    how(batch)
    data[lying.at : lying.at + lying.size] = batch
    segment.write_bytes(data)


def flip_a_bit(batch: bytearray) -> None:
    batch[-5] ^= 0x10


def name_an_unknown_codec(batch: bytearray) -> None:
    attributes = struct.unpack_from(">h", batch, 21)[0]
    struct.pack_into(">h", batch, 21, attributes & ~7 | 6)
    struct.pack_into(">I", batch, 17, crc32c(bytes(batch[21:])))


def posted(settings: Settings) -> set[str]:
    with psycopg.connect(settings.database) as connection:
        return {row[0] for row in connection.execute("SELECT event_id::text FROM views.entries")}


def ids(*events: Event) -> set[str]:
    return {each["id"] for each in events}


def dead_letters(settings: Settings) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.database) as connection:
        query = "SELECT partition, log_offset, code FROM views.dead_letters ORDER BY partition, log_offset"
        return connection.execute(query).fetchall()


def show_all(settings: Settings, account: str) -> None:
    """As `ledger tail` does."""
    with topic_reader(settings, settings.topic(EVENTS), account) as reader:
        reader.seek("beginning")
        list(reader.records(follow=False))


def send_what_grows(settings: Settings, account: str) -> None:
    """A record of 70 MB that takes 70 kB under way, as any producer may send it."""
    producer = KafkaProducer(**kafka_options(settings), compression_type="gzip", max_request_size=200_000_000)
    producer.send(settings.topic(EVENTS), key=account.encode(), value=bytes(70_000_000)).get(60)
    producer.close()


def test_what_cannot_be_read_waits_for_a_decision_and_nothing_else_does(mortal: Stack, tmp_path: Path) -> None:
    settings = new_ledger(mortal, event_partitions=5)
    bootstrap(settings)
    accounts = [account_at(settings, home) for home in range(5)]
    sent = [[usage(account, IDS()) for account in accounts] for _ in range(3)]
    for events in sent:
        with sender(settings) as log:
            log.send(*events)
    send_what_grows(settings, accounts[GROWING])
    mortal.kafka.stop()
    damage(mortal, settings, CHECKSUM, 1, flip_a_bit)
    damage(mortal, settings, CODEC, 0, name_an_unknown_codec)
    damage(mortal, settings, LAST, 2, flip_a_bit)
    mortal.kafka.start()

    broken = ids(sent[1][CHECKSUM], sent[0][CODEC], sent[2][LAST])
    behind = ids(sent[2][CHECKSUM], sent[1][CODEC], sent[2][CODEC])
    sound = ids(*(each for events in sent for each in events)) - broken - behind
    with crew(settings, tmp_path) as members, api(settings, tmp_path) as url:
        worker = members.start(stall_seconds=8)
        eventually(lambda: posted(settings) == sound, 60, lambda: worker.output)
        eventually(lambda: worker.output.count("unreadable_records") == 3, 30, lambda: worker.output)
        assert "the checksum is wrong" in worker.output
        assert "codec 6 is not known" in worker.output
        with client(url, None) as http:
            eventually(lambda: "ledger log skip" in http.get("/readyz").text, 60)
        more = usage(accounts[SOUND], IDS())
        with sender(settings) as log:
            log.send(more)
        eventually(lambda: posted(settings) == sound | ids(more), 30, lambda: worker.output)
        assert worker.alive, worker.output

        with pytest.raises(LogUnreadable, match=f"{settings.topic(EVENTS)}/{CHECKSUM} at offset 1"):
            show_all(settings, accounts[CHECKSUM])
        for partition, first, last in ((CHECKSUM, 0, None), (SOUND, 1, 1)):
            with pytest.raises(StillReadable):
                decide_skip(settings, partition, first, last, "no")
        with pytest.raises(BeyondTheLog):
            decide_skip(settings, LAST, 2, 3, "no")
        assert decide_skip(settings, CHECKSUM, 1, None, "disk 2 failed").last == 1
        assert decide_skip(settings, LAST, 2, 2, "disk 2 failed").last == 2
        decided = ledger(settings, "log", "skip", f"events/{CODEC}/0", "--reason", "disk 2 failed", "--json")
        assert json.loads(decided.stdout)["last_offset"] == 0, decided.stderr
        wait_until_projected(settings)
        assert posted(settings) == sound | behind | ids(more)
        letters = dead_letters(settings)
        assert letters == [
            (CHECKSUM, 1, "unreadable"),
            (CODEC, 0, "unreadable"),
            (GROWING, 3, "too_large"),
            (LAST, 2, "unreadable"),
        ]
        worker.stop()
    rebuilt = rebuild(settings, Silent())
    assert (rebuilt.different, rebuilt.lost) == (0, 0)
    assert dead_letters(settings) == letters
    assert "disk 2 failed" in ledger(settings, "deadletters", "show", f"events/{LAST}/2").stdout
    assert posted(settings) == sound | behind | ids(more)
