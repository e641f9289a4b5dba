"""A ledger as production runs it, on one machine: three brokers, Postgres, two workers, an API of two processes,
consumers, and the payment sandbox. Each part can be killed, stopped and started; a supervisor restarts what ends.
"""

import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
from kafka import KafkaAdminClient

from ledger.dev.kafka import EmbeddedKafka, free_port
from ledger.dev.postgres import EmbeddedPostgres
from ledger.log.connecting import kafka_options
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.payments.payment_system import PaymentSystem
from tests.support.brokers import Brokers, three_brokers
from tests.support.programs import ROOT, environment, ledger
from tests.support.sandbox import RunningSandbox
from tests.support.services import Service, Supervisor

PARTITIONS = 6
WORKERS = 2
API_PROCESSES = 2
READY_SECONDS = 240.0
BOOTSTRAPS_MAX = 5
# As docs/how-to/deploy.md says.
SHORT_SESSIONS = "broker.heartbeat.interval.ms=500\nbroker.session.timeout.ms=3000\n"
BOOK = ROOT / "deploy" / "first-book.json"


class Production:
    """All parts of one ledger. `system`: its customers, and an operator."""

    def __init__(self, brokers: Brokers, postgres: EmbeddedPostgres, settings: Settings, folder: Path) -> None:
        self.brokers, self.postgres, self.settings, self.folder = brokers, postgres, settings, folder
        self.url = f"http://{settings.api_host}:{settings.api_port}"
        self.supervisor = Supervisor()
        self.system: PaymentSystem

    def start(self) -> None:
        """Starts everything, and returns when the ledger says that it is ready."""
        self._bootstrap()
        sandbox = self._sandbox()
        self.api = self._service("serve", "serve")
        self.system = PaymentSystem(self.settings, self.url, sandbox, self.folder)
        # One after the other: all at once they wait for each other's imports longer than some of them are given.
        self._wait_until(lambda: _answers(f"{self.url}/healthz"))
        self.workers = [self._service(f"worker-{number}", "project") for number in range(1, WORKERS + 1)]
        self.consumers = self._service("consume", "consume")
        self._wait_until(self.ready)

    def ready(self) -> bool:
        """Whether the API says that all is there."""
        try:
            return len(self.api.children()) == API_PROCESSES and self.system.http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def busiest_broker(self) -> EmbeddedKafka:
        """The broker that leads most partitions of the events."""
        admin = KafkaAdminClient(**kafka_options(self.settings))
        try:
            [topic] = admin.describe_topics([self.settings.topic(EVENTS)])
        finally:
            admin.close()
        leaders = [partition["leader_id"] for partition in topic["partitions"]]
        busiest: int = max(leaders, key=leaders.count)
        return self.brokers.all[busiest - 1]

    def pause_postgres(self) -> None:
        """SIGSTOP to the server and to each of its backends."""
        for process in self._postgres():
            process.send_signal(signal.SIGSTOP)

    def resume_postgres(self) -> None:
        for process in self._postgres():
            process.send_signal(signal.SIGCONT)

    def restart_by_hand(self) -> None:
        """What a person does who gives up waiting: all processes of the ledger anew, and none refused."""
        for service in [*self.workers, self.api, self.consumers]:
            service.refused = False
            if service.alive:
                service.process.kill()

    def rebuild(self) -> str:
        """Folds the whole log again while the workers are stopped, and compares; what it says if not all is equal."""
        for worker in self.workers:
            worker.off = True
            worker.stop()
        try:
            return self._rebuilt()
        finally:
            for worker in self.workers:
                worker.off = False

    def _rebuilt(self) -> str:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            done = ledger(self.settings, "rebuild", "--yes", "--json", timeout=600)
            if done.returncode == 0:
                return ""
            # Until Kafka has forgotten the workers.
            if "Projectors are running" not in done.stderr or time.monotonic() > deadline:
                return f"ledger rebuild: {done.returncode} {done.stderr.strip()[-500:]} {done.stdout.strip()[-500:]}"
            time.sleep(2)

    def _postgres(self) -> list[psutil.Process]:
        assert self.postgres.pid is not None, "Postgres does not run"
        server = psutil.Process(self.postgres.pid)
        return [server, *server.children(recursive=True)]

    def _sandbox(self) -> RunningSandbox:
        port = self.settings.stripe_url.rpartition(":")[2].partition("/")[0]
        self._service("sandbox", "sandbox", "--port", port, "--webhooks-to", "")
        url = f"http://127.0.0.1:{port}"
        sandbox = RunningSandbox(None, url)  # type: ignore[arg-type]  # the supervisor has its process
        self._wait_until(lambda: _answers(f"{url}/sandbox"))
        for provider, given in (
            ("stripe", self.settings.stripe_webhook_secrets),
            ("razorpay", self.settings.razorpay_webhook_secrets),
        ):
            sandbox.aim(provider, f"{self.url}/webhooks/{provider}", given[0].get_secret_value())
        return sandbox

    def _service(self, name: str, *arguments: str) -> Service:
        log = self.folder / f"{name}.log"
        return self.supervisor.add(Service(list(arguments), environment(self.settings), log))

    def _wait_until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not true():
            assert time.monotonic() < deadline, f"not ready in {READY_SECONDS:.0f} s, see {self.folder}"
            time.sleep(0.5)

    def _bootstrap(self) -> None:
        """Once is enough for a ledger that waits for the topics it has made; each further time is printed."""
        for _ in range(BOOTSTRAPS_MAX):
            done = ledger(self.settings, "bootstrap", "--book", str(BOOK))
            if done.returncode == 0:
                return
            print(f"ledger bootstrap, which must be run again: {done.stderr.strip()}", file=sys.stderr)
        raise AssertionError(f"ledger bootstrap: {done.returncode}\n{done.stderr}")


@contextmanager
def production(logs: Path) -> Iterator[Production]:
    """Everything, running, until the block ends. What the processes say is kept in `logs`."""
    logs.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="ledger-production-"))  # where Postgres' own user may enter
    postgres = EmbeddedPostgres(home / "postgres")
    try:
        with three_brokers(more=SHORT_SESSIONS) as brokers:
            postgres.start()
            running = Production(brokers, postgres, _settings(brokers, postgres), logs)
            with running.supervisor:
                running.start()
                yield running
    finally:
        postgres.kill()
        shutil.rmtree(home, ignore_errors=True)


def _settings(brokers: Brokers, postgres: EmbeddedPostgres) -> Settings:
    sandbox = f"http://127.0.0.1:{free_port()}"
    return Settings(
        kafka=brokers.bootstrap,
        database=postgres.url(),
        event_partitions=PARTITIONS,
        replication_factor=3,
        signing_key_id="production-1",
        signing_keys={"production-1": secrets.token_urlsafe(32)},
        api_port=free_port(),
        api_processes=API_PROCESSES,
        payments="sandbox",
        stripe_secret_key=f"sk_test_sandbox_{secrets.token_urlsafe(16)}",
        stripe_webhook_secrets=[f"whsec_{secrets.token_urlsafe(16)}"],
        stripe_url=f"{sandbox}/stripe",
        razorpay_key_id="rzp_test_sandbox",
        razorpay_key_secret=secrets.token_urlsafe(16),
        razorpay_webhook_secrets=[secrets.token_urlsafe(16)],
        razorpay_url=f"{sandbox}/razorpay",
        razorpay_rates=[{"from": "2026-01-01", "rupees": "85.00"}],
        supplier={"name": "Router GmbH", "address": ["Main St 1", "Bonn"], "country": "DE"},
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False
