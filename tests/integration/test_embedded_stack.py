"""The embedded stack keeps its promises: real servers, kept data, orderly ends, no orphans."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from ledger.dev import java_class_cache
from ledger.dev.errors import DidNotStart, FolderInUse, PortTaken
from ledger.dev.kafka import EmbeddedKafka, free_port
from ledger.dev.kafka_jars import PINS, exclusive
from ledger.dev.postgres import EmbeddedPostgres
from ledger.dev.stack import Stack

NINE_HUNDRED_KB = b"x" * 900_000

HOLD_A_STACK = """
import signal, sys, time
from pathlib import Path
from ledger.dev.stack import Stack

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
with Stack(Path(sys.argv[1])) as stack:
    print(stack.kafka.pid, stack.postgres.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home that the tests of this module use one after the other, as later starts are cheaper."""
    with short_folder() as folder:
        yield folder


@contextmanager
def short_folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="ledger-test-") as folder:
        yield Path(folder)


@contextmanager
def another_process_with_a_stack(home: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A script that holds a stack until a signal ends it, and every process that belongs to its servers."""
    command = [sys.executable, "-c", HOLD_A_STACK, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as script:
        try:
            assert script.stdout is not None
            assert len(script.stdout.readline().split()) == 2
            yield script, psutil.Process(script.pid).children(recursive=True)
        finally:
            script.kill()


def create_topic(bootstrap: str, name: str) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])


def produce(bootstrap: str, topic: str, value: bytes) -> None:
    with closing(KafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)) as producer:
        producer.send(topic, value).get(timeout=10)


def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    partition = TopicPartition(topic, 0)
    with closing(KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")) as consumer:
        consumer.assign([partition])
        deadline, values = time.monotonic() + 10, list[bytes]()
        while len(values) < count and time.monotonic() < deadline:
            values += [record.value for record in consumer.poll(timeout_ms=500).get(partition, [])]
        return values


def test_a_record_of_900_kb_goes_in_and_comes_out(stack: Stack) -> None:
    create_topic(stack.kafka.bootstrap, "large")
    produce(stack.kafka.bootstrap, "large", NINE_HUNDRED_KB)
    assert consume(stack.kafka.bootstrap, "large", 1) == [NINE_HUNDRED_KB]


def test_the_database_is_fresh_and_durable(database: str) -> None:
    with psycopg.connect(database) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        settings = {name: connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")}
    assert tables == (0,)
    assert settings == {"fsync": ("on",), "synchronous_commit": ("on",)}


def test_stop_and_kill_keep_data_and_addresses(home: Path) -> None:
    stack = Stack(home)
    stack.start()
    try:
        bootstrap, url = stack.kafka.bootstrap, stack.postgres.url()
        create_topic(bootstrap, "kept")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (what text)")
        for end in ("stop", "kill"):
            produce(bootstrap, "kept", end.encode())
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("INSERT INTO kept VALUES (%s)", [end])
            for server in (stack.kafka, stack.postgres):
                getattr(server, end)()
                assert server.pid is None
                server.start()
        assert (stack.kafka.bootstrap, stack.postgres.url()) == (bootstrap, url)
        assert consume(bootstrap, "kept", 2) == [b"stop", b"kill"]
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT what FROM kept").fetchall() == [("stop",), ("kill",)]
    finally:
        stack.stop()


def test_a_later_start_is_quick(home: Path) -> None:
    started = time.monotonic()
    with Stack(home):
        print(f"later start: {time.monotonic() - started:.1f} s")


def test_a_second_stack_on_the_same_home_is_refused_and_told_by_whom(stack: Stack) -> None:
    with pytest.raises(FolderInUse, match=f"process {os.getpid()}"):
        Stack(stack.home).start()
    assert stack.kafka.pid is not None
    assert stack.postgres.pid is not None


def test_two_stacks_run_side_by_side(stack: Stack, home: Path) -> None:
    with Stack(home) as other:
        assert other.kafka.bootstrap != stack.kafka.bootstrap
        assert other.postgres.url() != stack.postgres.url()
        with psycopg.connect(stack.postgres.url()), psycopg.connect(other.postgres.url()):
            pass


def test_a_taken_port_is_named(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(PortTaken, match=str(stack.kafka.port)):
        EmbeddedKafka(tmp_path, stack.kafka.port).start()


def test_a_broker_that_dies_on_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path, free_port(), heap="1k")
    with pytest.raises(DidNotStart, match="Too small maximum heap"):
        broker.start()
    assert broker.pid is None


def test_a_folder_too_deep_for_a_socket_works_too() -> None:
    with short_folder() as folder:
        postgres = EmbeddedPostgres(folder / ("deep" * 30))
        postgres.start()
        try:
            psycopg.connect(postgres.url()).close()
        finally:
            postgres.stop()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_servers_in_order(home: Path, ending: signal.Signals) -> None:
    with another_process_with_a_stack(home) as (script, servers):
        os.killpg(script.pid, ending)  # to the whole group, as a terminal sends it
        script.wait(20)
    assert not [server for server in servers if server.is_running()]
    assert "database system is shut down" in (home / "postgres" / "postgres.log").read_text()


def test_sigkill_of_the_parent_leaves_no_orphan_and_a_home_that_starts_again(home: Path) -> None:
    with another_process_with_a_stack(home) as (script, servers):
        assert len(servers) >= 4
        script.kill()
        script.wait(5)
    with Stack(home):  # waits for what is still stopping
        _gone, alive = psutil.wait_procs(servers, timeout=5)  # the last supervisor may still have to be reaped
        assert not alive


def test_sigkill_of_parent_and_supervisors_leaves_no_orphan(home: Path) -> None:
    with another_process_with_a_stack(home) as (script, servers):
        script.send_signal(signal.SIGSTOP)
        for supervisor in psutil.Process(script.pid).children():
            supervisor.kill()
        script.kill()
    _gone, alive = psutil.wait_procs(servers, timeout=10)
    assert not alive


@pytest.mark.parametrize("java_can", [True, False])
def test_the_class_cache_is_made_once_and_used_if_java_could_make_it(
    java_can: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java_class_cache, "jars_folder", lambda: tmp_path)
    trained = []

    def train(options: Sequence[str]) -> None:
        trained.append(options[0])
        if java_can:
            Path(options[0].partition("=")[2]).write_bytes(b"classes")

    options = [java_class_cache.java_options(train) for _ in range(2)]
    assert len(trained) == 1
    assert options[0] == options[1]
    assert [option.partition("=")[0] for option in options[0][:1]] == (["-XX:AOTCache"] if java_can else [])
    assert len(list(tmp_path.glob("classes-*"))) == 1


def test_a_broker_starts_from_the_class_cache(home: Path) -> None:
    broker = EmbeddedKafka(home)
    broker.start()
    used = [Path(each.path).name for each in psutil.Process(broker.pid).memory_maps()]
    broker.stop()
    assert any(name.startswith("classes-") for name in used)


def test_every_pinned_kafka_jar_is_of_one_version() -> None:
    coordinates = [jar["coordinate"].split(":") for jar in json.loads(PINS.read_text())["jars"]]
    versions = [version for group, _name, version in coordinates if group == "org.apache.kafka"]
    assert len(versions) > 10
    assert len(set(versions)) == 1


def test_who_prepares_kafka_may_download_it_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first broker on a new machine does both, one within the other."""
    with exclusive(tmp_path, "preparing"), exclusive(tmp_path, "downloading"):
        pass
    assert not capsys.readouterr().err, "it waited for itself"
