"""A cluster of three real brokers as production has it: each record on three of them, acknowledged by two.

Each broker can be killed, stopped for a while, and started again. None outlives the test run.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ledger.dev.kafka import EmbeddedKafka, Quorum, free_port, new_cluster_id

BROKERS = 3
HEAP = "192m"
# Those of production, where the embedded broker has others. The session is Kafka's default: so long a broker is dead
# before its partitions get another leader.
PROPERTIES = """
default.replication.factor=3
min.insync.replicas=2
offsets.topic.num.partitions=3
offsets.topic.replication.factor=3
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
broker.heartbeat.interval.ms=2000
broker.session.timeout.ms=9000
"""


class Brokers:
    """Three brokers of one cluster. They keep their ports, ids and data for as long as this object lives."""

    def __init__(self, folder: Path, *, more: str = "", heap: str = HEAP) -> None:
        """`more`: further lines of each broker's server.properties."""
        quorum = Quorum(new_cluster_id(), {node: free_port() for node in range(1, BROKERS + 1)})
        self.all = [
            EmbeddedKafka(folder / f"broker-{node}", heap=heap, more=PROPERTIES + more, node_id=node, quorum=quorum)
            for node in quorum.controller_ports
        ]

    @property
    def bootstrap(self) -> str:
        """Where clients connect to: all three."""
        return ",".join(broker.bootstrap for broker in self.all)

    def start(self) -> None:
        """Starts those that don't run, at the same time, and waits until each serves."""
        _together([broker.start for broker in self.all])

    def kill(self) -> None:
        """Ends all at the same time with SIGKILL, as a power cut would."""
        _together([broker.kill for broker in self.all])

    def pause(self, *brokers: EmbeddedKafka) -> None:
        """SIGSTOP: these, or all, keep their connections and don't answer."""
        _signal(brokers or self.all, signal.SIGSTOP)

    def resume(self, *brokers: EmbeddedKafka) -> None:
        """SIGCONT: these, or all, go on where they were stopped."""
        _signal(brokers or self.all, signal.SIGCONT)


@contextmanager
def three_brokers(*, more: str = "", heap: str = HEAP) -> Iterator[Brokers]:
    """A running cluster in a folder of its own; both are gone after the block."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-brokers-"))
    brokers = Brokers(folder, more=more, heap=heap)
    try:
        brokers.start()
        yield brokers
    finally:
        brokers.kill()  # at once: a broker that stops in order waits for the others
        shutil.rmtree(folder)


def _signal(brokers: Iterable[EmbeddedKafka], number: signal.Signals) -> None:
    for broker in brokers:
        assert broker.pid is not None, f"the broker in {broker.folder} does not run"
        os.kill(broker.pid, number)


def _together(calls: list[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(len(calls)) as threads:
        for done in [threads.submit(call) for call in calls]:
            done.result()
