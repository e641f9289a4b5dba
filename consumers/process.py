"""`ledger consume`: consumers in one process, each in a thread and a group of its own; one that fails ends them all."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager

import psycopg
from kafka.errors import KafkaError
from prometheus_client import start_http_server

from consumers.consumer import Consumer
from consumers.dead_letters import DeadLetters
from consumers.patience import Patience
from consumers.runner import Runner
from ledger import logs
from ledger.core.errors import LedgerError
from ledger.log.book import Follower
from ledger.log.topics import check_topics
from ledger.settings import Settings

_FIRST_BOOK_SECONDS = 5.0
_CONSUMERS: dict[str, Callable[[], Consumer]] = {DeadLetters.name: DeadLetters}


class NoSuchConsumer(LedgerError):
    """There is no consumer of this name."""


class MetricsPortTaken(LedgerError):
    """Something listens on LEDGER_CONSUMER_METRICS_PORT already."""


def run(settings: Settings, names: Sequence[str] = ()) -> None:
    """Runs the named consumers, or all, until SIGTERM or Ctrl-C.

    Raises what makes it end: NoSuchConsumer, MetricsPortTaken, SettingMissing, TopicMissing, TopicChanged, and whatever
    a consumer raises.
    """
    consumers = chosen(names)
    settings.signing_key()  # what is not signed becomes a dead letter, which is
    logs.configure()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it logs every attempt to reach a broker that is away
    stopping = threading.Event()
    with _metrics(settings):
        _on_signals(sys.exit)  # there is nothing to finish yet
        _wait_for_topics(settings)
        _on_signals(stopping.set)
        with closing(Follower(settings)) as book:
            book.wait(_FIRST_BOOK_SECONDS)
            _run_all([Runner(consumer, settings, book, stopping) for consumer in consumers], stopping)


def chosen(names: Sequence[str]) -> list[Consumer]:
    """The consumers of these names, all without any. Raises NoSuchConsumer."""
    unknown = [name for name in names if name not in _CONSUMERS]
    if unknown:
        raise NoSuchConsumer(f"{', '.join(unknown)}; there are {', '.join(_CONSUMERS)}")
    return [_CONSUMERS[name]() for name in dict.fromkeys(names or _CONSUMERS)]


def _run_all(runners: Sequence[Runner], stopping: threading.Event) -> None:
    """Each in a thread. One that ends before it is told to has failed; the others finish what they have in hand."""
    with ThreadPoolExecutor(len(runners), "consumer") as threads:
        for ended in as_completed([threads.submit(runner.run) for runner in runners]):
            stopping.set()
            ended.result()


def _wait_for_topics(settings: Settings) -> None:
    """Until Kafka and Postgres agree that the topics are those that the ledger was built on, or refuse."""
    patience = Patience("all", threading.Event())
    while True:
        try:
            with psycopg.connect(settings.database, connect_timeout=5) as connection:
                check_topics(settings, connection)
            return patience.over()
        except (psycopg.OperationalError, KafkaError) as error:
            patience.wait(error)


def _on_signals(call: Callable[[], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: call())


@contextmanager
def _metrics(settings: Settings) -> Iterator[None]:
    """Prometheus' endpoint, if a port is set."""
    port = settings.consumer_metrics_port
    if not port:
        yield
        return
    try:
        server, thread = start_http_server(port, settings.api_host)
    except OSError as error:
        raise MetricsPortTaken(f"{settings.api_host}:{port}, {error.strerror}") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
