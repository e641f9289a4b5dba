"""`ledger consume`: runs consumers in one process, each in its own thread; if one fails, all end.

Most are driven by records, in a Kafka group of their own; the payment sweep, invoices and housekeeping by time;
charging and notifications by both.
"""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from typing import NamedTuple, Protocol

import psycopg
from kafka.errors import KafkaError
from prometheus_client import REGISTRY, start_http_server

from consumers import charge_top_ups, payment_sweep
from consumers.charge_top_ups import ChargeLater, ChargeTopUps, Charging
from consumers.dead_letters import DeadLetters
from consumers.housekeeping import NAME as HOUSEKEEPING
from consumers.housekeeping import ExpireHolds, ForgetOldRows, RequestTopUps
from consumers.invoices import NAME as INVOICES
from consumers.invoices import Invoices
from consumers.notifications import NAME as NOTIFICATIONS
from consumers.notifications import Deliver, NotifyOfEffects, NotifyOfEvents
from consumers.payment_metrics import PaymentMetrics
from consumers.periodic import Periodic, Task
from consumers.retry_pause import RetryPause
from consumers.runner import Runner
from consumers.top_up_maintenance import TopUpMaintenance
from consumers.top_up_metrics import count_from_zero
from ledger import logs
from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.guard.guard import Guard
from ledger.guard.metrics import GuardMetrics
from ledger.log.book import BookFollower
from ledger.log.connecting import check_may_write
from ledger.log.topics import check_topics
from ledger.payments.gateways import gateways_of
from ledger.postgres.connections import connect
from ledger.postgres.kinds import START
from ledger.settings import Settings

_FIRST_BOOK_SECONDS = 5.0


class Common(NamedTuple):
    """What the consumers of one process share."""

    settings: Settings
    book: BookFollower
    guard: Guard
    stopping: threading.Event


class Worker(Protocol):
    """Works in a thread of its own until `stopping` is set."""

    def run(self) -> None: ...


def _payment_sweep(common: Common) -> list[Worker]:
    sweeps = payment_sweep.payment_sweeps(common.settings, common.guard, common.stopping)
    return [Periodic(sweep, common.settings, common.stopping) for sweep in sweeps]


def _charge_top_ups(common: Common) -> list[Worker]:
    """None with LEDGER_PAYMENTS=off: then another system charges."""
    gateways = gateways_of(common.settings)
    if not gateways:
        return []
    count_from_zero(gateways)
    tasks: list[Task] = [
        ChargeLater(Charging(common.settings, gateways, common.guard)),
        TopUpMaintenance(Charging(common.settings, gateways, common.guard)),
    ]
    first = Runner(ChargeTopUps(Charging(common.settings, gateways, common.guard)), *common)
    return [first, *(Periodic(task, common.settings, common.stopping) for task in tasks)]


def _invoices(common: Common) -> list[Worker]:
    """None without LEDGER_SUPPLIER: an invoice must name its supplier."""
    if not common.settings.supplier.name:
        return []
    return [Periodic(Invoices(common.settings, common.guard), common.settings, common.stopping)]


def _notifications(common: Common) -> list[Worker]:
    tasks: list[Task] = [NotifyOfEvents(common.settings), Deliver(common.settings, common.stopping)]
    first = Runner(NotifyOfEffects(common.settings, common.book), *common)
    return [first, *(Periodic(task, common.settings, common.stopping) for task in tasks)]


def _housekeeping(common: Common) -> list[Worker]:
    tasks: list[Task] = [ExpireHolds(), RequestTopUps(common.settings, common.guard), ForgetOldRows()]
    return [Periodic(task, common.settings, common.stopping) for task in tasks]


# Each makes the workers of one consumer.
_CONSUMERS: dict[str, Callable[[Common], Sequence[Worker]]] = {
    DeadLetters.name: lambda common: [Runner(DeadLetters(common.settings), *common)],
    charge_top_ups.NAME: _charge_top_ups,
    payment_sweep.NAME: _payment_sweep,
    INVOICES: _invoices,
    NOTIFICATIONS: _notifications,
    HOUSEKEEPING: _housekeeping,
}


class NothingToDo(LedgerError, exit_code=EXIT_CONFIG):
    message = "None of these consumers has work here: LEDGER_PAYMENTS is off, or LEDGER_SUPPLIER is empty"


class NoSuchConsumer(LedgerError, exit_code=EXIT_CONFIG):
    message = "There is no consumer of this name"


class MetricsPortTaken(LedgerError):
    message = "Something listens on LEDGER_CONSUMER_METRICS_PORT already"


def run(settings: Settings, names: Sequence[str] = ()) -> None:
    """Runs the named consumers, or all, until SIGTERM or Ctrl-C.

    Raises what makes it end: FoldOnly, NoSuchConsumer, NothingToDo, MetricsPortTaken, SettingMissing, TopicMissing,
    TopicChanged, LogHasAnotherOwner, and whatever a consumer raises.
    """
    check_may_write(settings)  # consumers have effects outside: money, e-mails, webhooks, events
    consumers = chosen(names)
    settings.signing_key()  # raises SettingMissing: consumers sign what they append
    logs.configure(settings.log_format)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it logs every attempt to reach a broker that is away
    stopping = threading.Event()
    with _metrics(settings):
        _on_signals(sys.exit)  # no work has begun yet
        _wait_for_topics(settings)
        _on_signals(stopping.set)
        with closing(BookFollower(settings)) as book, closing(Guard(settings).start()) as guard, _shown(guard):
            book.wait(_FIRST_BOOK_SECONDS)
            common = Common(settings, book, guard, stopping)
            _run_all([worker for name in consumers for worker in _CONSUMERS[name](common)], stopping)


def chosen(names: Sequence[str]) -> list[str]:
    """These consumers, all without any; a name may be written as its module is. Raises NoSuchConsumer."""
    wanted = [name.replace("_", "-") for name in names] or list(_CONSUMERS)
    unknown = [name for name in wanted if name not in _CONSUMERS]
    if unknown:
        raise NoSuchConsumer(f"{', '.join(unknown)}; there are {', '.join(_CONSUMERS)}")
    return list(dict.fromkeys(wanted))


def _run_all(workers: Sequence[Worker], stopping: threading.Event) -> None:
    """Runs each in a thread. One that ends unasked has failed; then the others finish their current work and end."""
    if not workers:
        raise NothingToDo()
    with ThreadPoolExecutor(len(workers), "consumer") as threads:
        for ended in as_completed([threads.submit(worker.run) for worker in workers]):
            stopping.set()
            ended.result()


def _wait_for_topics(settings: Settings) -> None:
    """Waits for Kafka and Postgres, and checks that the topics are those that the ledger was built on."""
    retry_pause = RetryPause("all", threading.Event())
    while True:
        try:
            with connect(settings.database, START) as connection:
                check_topics(settings, connection)
            return retry_pause.reset()
        except (psycopg.OperationalError, KafkaError) as error:
            retry_pause.wait(error)


@contextmanager
def _shown(guard: Guard) -> Iterator[None]:
    """Shows in the metrics whether this process may write."""
    figures = GuardMetrics(guard)
    REGISTRY.register(figures)
    try:
        yield
    finally:
        REGISTRY.unregister(figures)


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
    figures = PaymentMetrics(settings.database)
    REGISTRY.register(figures)
    try:
        yield
    finally:
        REGISTRY.unregister(figures)
        server.shutdown()
        server.server_close()
        thread.join()
