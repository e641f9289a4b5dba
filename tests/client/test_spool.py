"""The spool: bounded, taken over from the dead and never from the living, safe around fork, visible."""

import errno
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from prometheus_client import CollectorRegistry, generate_latest

from ledger.client import Closed, EventsRejected, Ledger, NotDelivered, SpoolFull, SpoolUnusable, UsedAfterFork
from ledger.client.delivery import PORTION_BYTES
from ledger.client.events import usage_event
from ledger.client.spool import Rejection, Spool, new_spool, orphans
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.client.conftest import CALL, NOWHERE, Open, arrived, requests_of
from tests.support.programs import ROOT, Program
from tests.support.waiting import eventually

RECORDS_AND_WAITS = """
import sys, time
from ledger.client import Ledger
ledger = Ledger.over_kafka("127.0.0.1:1", source="router/test", spool=sys.argv[1])
for number in range(100):
    ledger.record_trace(sys.argv[2], trace_id=f"t{number}", count=1)
print("recorded", flush=True)
time.sleep(600)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Program]:
    """Another process on the same spool, which has recorded 100 traces that it can't deliver."""
    arguments = ["-c", RECORDS_AND_WAITS, str(tmp_path / "spool"), f"acct_{tmp_path.name}"]
    process = Program(*arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    with process.stdout as out:
        assert out.readline() == b"recorded\n"
        yield process
    process.kill()
    process.wait(10)


def test_a_full_spool_is_an_exception_and_has_room_again_when_events_are_delivered(
    opened: Open, settings: Settings, tmp_path: Path
) -> None:
    small = 200_000
    ledger = opened(NOWHERE, spool_bytes_max=small)
    recorded: list[str] = []
    with pytest.raises(SpoolFull):  # noqa: PT012  # which of them raises is what is not known
        while len(recorded) < 5_000:
            ledger.record_usage("acct_full", **CALL | {"request_id": f"req_{len(recorded)}"})
            recorded.append(f"req_{len(recorded)}")
    assert 100 < ledger.depth == len(recorded)
    ledger.close(0)
    (file,) = (tmp_path / "spool").iterdir()
    assert file.stat().st_size <= small
    successor = opened(spool_bytes_max=small)
    successor.flush(20)
    successor.record_usage("acct_full", **CALL | {"request_id": "req_last"})
    successor.flush(20)
    assert requests_of(settings, "acct_full") == [*recorded, "req_last"]


def test_what_is_refused_leaves_a_full_spool_which_stays_bounded(tmp_path: Path) -> None:
    small, refused = 100_000, 0
    spool = new_spool(tmp_path, small)
    for _ in range(20):  # until it is full of what was refused
        with suppress(SpoolFull):
            while True:
                spool.add(usage_event("router/test", "acct_1", CALL))
        while portion := spool.head(PORTION_BYTES):
            spool.settle([], [Rejection(seq, "unpriced", "no price for this model") for seq, _ in portion[::2]])
            refused += len(portion[::2])
    assert (spool.depth, spool.rejected_count, len(spool.rejected())) == (0, refused, refused)
    assert refused > 100
    with pytest.raises(SpoolFull):
        spool.add(usage_event("router/test", "acct_1", CALL))
    assert spool.path.stat().st_size < 2 * small
    spool.retry_rejected()
    assert (spool.depth, spool.rejected_count) == (refused, 0)
    spool.settle([seq for seq, _ in spool.head(PORTION_BYTES)], [])
    spool.add(usage_event("router/test", "acct_1", CALL))
    spool.close()


def test_what_a_killed_process_left_is_delivered_in_its_order(
    opened: Open, settings: Settings, tmp_path: Path, other: Program
) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait(10)
    ledger = opened()
    ledger.record_trace(f"acct_{tmp_path.name}", trace_id="mine", count=1)
    ledger.flush(20)
    traces = [event["data"]["trace_id"] for event in arrived(settings, f"acct_{tmp_path.name}")]
    assert traces == [*(f"t{number}" for number in range(100)), "mine"]
    ledger.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_a_living_process_has_is_left_alone(
    opened: Open, settings: Settings, tmp_path: Path, other: Program
) -> None:
    ledger = opened()
    assert ledger.depth == 0
    ledger.flush(20)
    assert arrived(settings, f"acct_{tmp_path.name}") == []


def test_a_process_that_dies_later_is_noticed(
    opened: Open, settings: Settings, tmp_path: Path, other: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.client.delivery.ADOPTION_SECONDS", 0.2)
    opened()
    other.kill()
    eventually(lambda: len(arrived(settings, f"acct_{tmp_path.name}")) == 100)


def test_a_folder_that_can_t_be_read_for_once_stops_nothing(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def look(*of: Any) -> Iterator[Spool]:
        looked.append(threading.current_thread().name)
        if len(looked) == 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return orphans(*of)

    ledger = opened()
    monkeypatch.setattr("ledger.client.delivery.ADOPTION_SECONDS", 0.05)
    monkeypatch.setattr("ledger.client.delivery.orphans", look)
    ledger.record_usage("acct_unread", **CALL)  # wakes the thread
    eventually(lambda: looked)
    ledger.record_usage("acct_unread", **CALL)
    ledger.flush(20)
    eventually(lambda: len(looked) > 1)
    assert set(looked) == {"ledger-delivery"}


def test_two_ledgers_of_one_process_share_a_folder(opened: Open, settings: Settings) -> None:
    one, two = opened(), opened()
    one.record_usage("acct_one", **CALL)
    two.record_usage("acct_two", **CALL)
    one.flush(20), two.flush(20)
    assert len(arrived(settings, "acct_one")) == len(arrived(settings, "acct_two")) == 1


def test_events_of_many_threads_are_all_recorded_each_account_in_its_order(opened: Open, settings: Settings) -> None:
    ledger = opened()

    def record(thread: int) -> None:
        for number in range(300):
            ledger.record_usage(f"acct_thread_{thread}", **CALL | {"request_id": f"req_{number}"})

    threads = [threading.Thread(target=record, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.flush(30)
    for thread_number in range(8):
        assert requests_of(settings, f"acct_thread_{thread_number}") == [f"req_{number}" for number in range(300)]


def in_child(ledger: Ledger, spool: Path, settings: Settings, answers: Any) -> None:
    """What a forked worker does: the parent's ledger refuses it, its own works."""
    for use in (lambda: ledger.record_usage("acct_fork", **CALL), lambda: ledger.flush(1)):
        try:
            use()
        except UsedAfterFork:
            answers.put("refused")
    own = {"source": "router/child", "spool": spool, "topic_prefix": settings.topic_prefix}
    with Ledger.over_kafka(settings.kafka, **own) as mine:
        mine.record_usage("acct_fork", **CALL | {"request_id": "child"})
        mine.flush(20)


def test_a_forked_child_is_refused_and_the_parent_goes_on(opened: Open, settings: Settings, tmp_path: Path) -> None:
    ledger = opened()
    ledger.record_usage("acct_fork", **CALL | {"request_id": "before"})
    ledger.flush(20)
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    child = fork.Process(target=in_child, args=(ledger, tmp_path / "spool", settings, answers))
    child.start()
    child.join(40)
    assert (child.exitcode, answers.get(), answers.get()) == (0, "refused", "refused")
    ledger.record_usage("acct_fork", **CALL | {"request_id": "after"})
    ledger.flush(20)
    assert requests_of(settings, "acct_fork") == ["before", "child", "after"]


LETS_A_CHILD_END = """
import os, sys
from ledger.client import Ledger
ledger = Ledger.over_kafka("127.0.0.1:1", source="router/test", spool=sys.argv[1])
ledger.record_trace("acct_1", trace_id="before", count=1)
if os.fork() == 0:
    assert ledger.oldest_seconds == 0
    ledger.close()
    sys.exit()
assert os.wait()[1] == 0
ledger.record_trace("acct_1", trace_id="after", count=1)
os.kill(os.getpid(), 9)
"""
FREES_IN_A_CHILD = """
import os, sys
from pathlib import Path
from ledger.client.events import trace_event
from ledger.client.spool import new_spool
spool = new_spool(Path(sys.argv[1]), 2**20)
spool.add(trace_event("router/test", "acct_1", {"trace_id": "before", "count": 1}))
if os.fork() == 0:
    del spool
    sys.exit()
assert os.wait()[1] == 0
spool.add(trace_event("router/test", "acct_1", {"trace_id": "after", "count": 1}))
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("program", [LETS_A_CHILD_END, FREES_IN_A_CHILD], ids=["closes", "frees"])
def test_the_end_of_a_forked_child_takes_nothing_from_its_parent(tmp_path: Path, program: str) -> None:
    command = [sys.executable, "-c", program, str(tmp_path / "spool")]
    assert subprocess.run(command, cwd=ROOT, timeout=60, stderr=subprocess.DEVNULL).returncode == -signal.SIGKILL
    (file,) = (tmp_path / "spool").glob("*.spool")
    with sqlite3.connect(file) as spool:
        assert spool.execute("SELECT count(*) FROM waiting").fetchone() == (2,)
    spool.close()


def test_what_is_not_delivered_in_time_is_said_and_stays(opened: Open) -> None:
    ledger = opened(NOWHERE)
    ledger.record_usage("acct_1", **CALL)
    with pytest.raises(NotDelivered, match=r"1 after 0\.1 s"):
        ledger.flush(0.1)
    ledger.close(0)
    with pytest.raises(Closed):
        ledger.record_usage("acct_1", **CALL)
    with pytest.raises(NotDelivered):
        ledger.flush(0.1)
    assert opened(NOWHERE).depth == 1


def test_a_folder_that_can_t_be_written_is_said_at_once(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolUnusable, match=r"^spool: "):
        opened(spool=tmp_path / "file" / "spool")


def test_a_file_that_is_no_spool_stops_nothing(opened: Open, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "0.spool").write_bytes(b"not a database at all" * 1000)
    ledger = opened()
    ledger.record_usage("acct_junk", **CALL)
    ledger.flush(20)
    assert len(arrived(settings, "acct_junk")) == 1


def test_the_metrics_say_how_much_waits_and_how_long(opened: Open) -> None:
    ledger, registry = opened(NOWHERE), CollectorRegistry()
    registry.register(ledger.metrics)
    assert ledger.oldest_seconds == 0
    ledger.record_usage("acct_1", **CALL), ledger.record_usage("acct_1", **CALL)
    eventually(lambda: ledger.oldest_seconds > 0.1)
    eventually(lambda: registry.get_sample_value("ledger_client_failures_total"))
    text = generate_latest(registry).decode()
    assert "ledger_client_waiting_events 2.0" in text
    assert "ledger_client_delivered_total 0.0" in text
    assert 0.1 < (registry.get_sample_value("ledger_client_oldest_seconds") or 0) < 60


@pytest.fixture
def narrow(settings: Settings) -> Iterator[None]:
    """A log that takes records of a thousand bytes at most."""
    topic = settings.topic(EVENTS)
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "1000"})])
    yield
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "1048588"})])
    admin.close()


def test_what_kafka_refuses_is_set_aside_and_the_others_go_on(opened: Open, settings: Settings, narrow: None) -> None:
    ledger = opened()
    large = {"metadata": {f"note_{number}": "x" * 250 for number in range(4)}}
    for number in range(9):
        ledger.record_usage("acct_large", **CALL | {"request_id": f"req_{number}"} | (large if number == 4 else {}))
    with pytest.raises(EventsRejected, match=r"1$"):
        ledger.flush(30)
    assert requests_of(settings, "acct_large") == [f"req_{number}" for number in range(9) if number != 4]
    (rejected,) = ledger.rejected
    assert (rejected.account_id, rejected.code) == ("acct_large", "too_large")
    assert b'"req_4"' in rejected.value
    assert ledger.depth == 0
    ledger.drop_rejected()
    ledger.flush(1)
