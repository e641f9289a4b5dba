"""The projector's workers as real processes: started, killed, stopped and resumed; none outlives its test."""

import contextlib
import logging
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import CoordinatorNotAvailableError

from ledger.log.connecting import kafka_options
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.support.programs import Program, environment
from tests.support.waiting import eventually

# It warns whenever it describes a group that is between two assignments.
logging.getLogger("kafka.admin").setLevel(logging.ERROR)

_STOP_SECONDS = 4.0
RUN = """
from ledger.settings import Settings
from projectors.worker import run
run(Settings())
"""


class Worker:
    """One worker process; what it logs is in `log`."""

    def __init__(self, settings: Settings, folder: Path, log: Path, run: str = RUN) -> None:
        self.log, self.paused = log, False
        with log.open("wb") as out:
            self._process = Program("-c", run, environment=environment(settings), folder=folder, stdout=out, stderr=out)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL, as the kernel's out-of-memory killer sends it."""
        self._process.kill()
        self._process.wait(10)

    def pause(self) -> None:
        """SIGSTOP: the process is frozen in the middle of its work."""
        self._process.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self.paused = False

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM; the exit code."""
        self.ask_to_stop()
        return self.wait(seconds)

    def wait(self, seconds: float = 30) -> int:
        """The exit code, once it has ended."""
        return self._process.wait(seconds)


class Crew:
    """The workers of one ledger."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.all: list[Worker] = []

    def start(self, run: str = RUN, **changes: Any) -> Worker:
        """One more worker, some of its settings changed, or what it runs."""
        settings = self.settings.model_copy(update=changes)
        worker = Worker(settings, self.folder, self.folder / f"worker-{len(self.all)}.log", run)
        self.all.append(worker)
        return worker

    def assignments(self, group_id: str = "") -> dict[str, int]:
        """How many partitions each member of the group, or of another one, owns, as the broker has it."""
        group_id = group_id or self.settings.group("projector")
        admin = KafkaAdminClient(**kafka_options(self.settings))
        try:
            group = admin.describe_groups([group_id])[group_id]
        except CoordinatorNotAvailableError:  # the broker is young, and this its first group
            return {}
        finally:
            admin.close()
        return {member["member_id"]: _partitions(member) for member in group["members"]}

    def end(self) -> None:
        """Stops those that run, all at once, and kills what does not end soon."""
        deadline = time.monotonic() + _STOP_SECONDS
        for worker in self.alive:
            worker.kill() if worker.paused else worker.ask_to_stop()
        for worker in self.alive:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(max(0, deadline - time.monotonic()))
        for worker in self.alive:
            worker.kill()

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.all if worker.alive]


@contextmanager
def crew(settings: Settings, folder: Path) -> Iterator[Crew]:
    """A crew that is stopped at the end of the block, so that the next one need not wait until Kafka has forgotten it.

    Kafka waits six seconds for a member that was killed.
    """
    members = Crew(settings, folder)
    try:
        yield members
    finally:
        members.end()


def wait_until_projected(settings: Settings, seconds: float = 60) -> None:
    """Waits until all that is on the log is folded and all that the folds say is published."""
    with log_reader(settings) as reader, psycopg.connect(settings.database, autocommit=True) as connection:
        eventually(lambda: lag(settings, reader, connection) == 0, seconds, lambda: lag(settings, reader, connection))


def lag(settings: Settings, reader: KafkaConsumer, connection: psycopg.Connection[Any]) -> int:
    """Records that are not folded and messages that are not out. Views first: what they say is on the log by now."""
    folded = connection.execute(
        "SELECT coalesce(sum(next_offset), 0)::bigint, (SELECT count(*) FROM records.outbox WHERE sent_at IS NULL) "
        "FROM views.progress"
    ).fetchone()
    assert folded
    ends = reader.end_offsets([TopicPartition(settings.topic(EVENTS), n) for n in range(settings.event_partitions)])
    return sum(ends.values()) - folded[0] + folded[1]


def folded(settings: Settings) -> int:
    """How many records are folded."""
    with psycopg.connect(settings.database) as connection:
        row = connection.execute("SELECT coalesce(sum(next_offset), 0)::bigint FROM views.progress").fetchone()
    assert row
    return int(row[0])


@contextmanager
def log_reader(settings: Settings) -> Iterator[KafkaConsumer]:
    """A consumer without a group."""
    consumer = KafkaConsumer(**kafka_options(settings), enable_auto_commit=False, fetch_max_bytes=8 << 20)
    try:
        yield consumer
    finally:
        consumer.close()


def records_of(settings: Settings, topic: str, partitions: int) -> list[Any]:
    """All records of a topic, partition by partition, in their order."""
    places = [TopicPartition(settings.topic(topic), number) for number in range(partitions)]
    records: list[Any] = []
    with log_reader(settings) as consumer:
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        deadline = time.monotonic() + 60
        while any(consumer.position(place) < end for place, end in ends.items()):
            assert time.monotonic() < deadline, f"{topic} could not be read to its end"
            for fetched in consumer.poll(timeout_ms=500).values():
                records += fetched
    return sorted(records, key=lambda record: (record.partition, record.offset))


def _partitions(member: dict[str, Any]) -> int:
    assignment = member["member_assignment"]  # empty bytes while the group is between two assignments
    return sum(len(topic["partitions"]) for topic in assignment["assigned_partitions"]) if assignment else 0
