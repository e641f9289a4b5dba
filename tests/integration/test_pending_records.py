"""Records that are handled at the same time: in order within a key, and committed only as far as everything is done."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import pytest
from kafka import TopicPartition

from consumers.pending_records import PendingRecords
from tests.support.waiting import eventually

HERE, THERE = TopicPartition("t", 0), TopicPartition("t", 1)


class Record(NamedTuple):
    partition: int
    offset: int
    key: bytes
    topic: str = "t"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as running:
        yield running


def ends(pending: PendingRecords) -> dict[TopicPartition, int]:
    return {place: end.offset for place, end in pending.committable().items()}


def test_nothing_behind_an_unfinished_record_is_committed(threads: ThreadPoolExecutor) -> None:
    pending, goes_on, done = PendingRecords(threads), threading.Event(), []

    def handle(record: Any) -> None:
        if record.key == b"slow":
            assert goes_on.wait(20)
        done.append(record.offset)

    for record in (Record(0, 5, b"a"), Record(0, 6, b"slow"), Record(0, 7, b"c"), Record(1, 2, b"d")):
        pending.submit(record, handle)
    eventually(lambda: len(done) == 3, 20)
    found: dict[TopicPartition, int] = {}
    eventually(lambda: found.update(ends(pending)) or len(found) == 2, 20)
    assert found == {HERE: 6, THERE: 3}
    assert len(pending) == 2
    goes_on.set()
    eventually(lambda: found.update(ends(pending)) or found[HERE] == 8, 20)
    assert (len(pending), ends(pending)) == (0, {})


def test_records_of_a_key_are_handled_one_after_the_other(threads: ThreadPoolExecutor) -> None:
    pending, busy, done = PendingRecords(threads), threading.Lock(), []

    def handle(record: Any) -> None:
        assert busy.acquire(blocking=False)
        threading.Event().wait(0.01)
        done.append(record.offset)
        busy.release()

    for offset in range(10):
        pending.submit(Record(0, offset, b"one"), handle)
    eventually(lambda: len(done) == 10, 20)
    assert done == list(range(10))


def test_what_fails_is_raised_and_not_committed(threads: ThreadPoolExecutor) -> None:
    pending = PendingRecords(threads)

    def handle(record: Any) -> None:
        raise RuntimeError("no")

    pending.submit(Record(0, 1, b"a"), handle)
    with pytest.raises(RuntimeError):
        eventually(lambda: ends(pending), 20)


def test_what_was_given_to_somebody_else_is_not_committed(threads: ThreadPoolExecutor) -> None:
    pending = PendingRecords(threads)
    pending.submit(Record(0, 1, b"a"), lambda record: None)
    pending.submit(Record(1, 1, b"b"), lambda record: None)
    wait([threads.submit(lambda: None)])
    pending.retain([THERE])
    found: dict[TopicPartition, int] = {}
    eventually(lambda: found.update(ends(pending)) or found, 20)
    assert found == {THERE: 2}
