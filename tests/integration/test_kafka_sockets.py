"""A client of Kafka that is closed has closed its sockets, whatever its connection to a silent broker was doing."""

import gc
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ledger.kafka_sockets import ClosingClient
from ledger.log.first_contact import RepairedClient

BROKER = "bootstrap-0"
WAIT_SECONDS = 0.2


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """A worker lets the garbage collector run so rarely that it must not be needed."""
    gc.disable()
    yield
    gc.enable()


def begins(client: Any) -> None:
    client._manager.get_connection(BROKER)


def waits_for_an_answer(client: Any) -> Any:
    connection = client._manager.get_connection(BROKER)
    deadline = time.monotonic() + 10
    while connection.transport is None:
        assert time.monotonic() < deadline
        client.poll(timeout_ms=10)
    return connection


def has_something_to_write(client: Any) -> None:
    connection = waits_for_an_answer(client)
    connection._init_complete()  # as if it had answered
    connection.in_flight_requests.clear()
    connection.transport.write(b"a request")


def has_timed_out(client: Any) -> None:
    begins(client)
    deadline = time.monotonic() + 5 * WAIT_SECONDS
    while time.monotonic() < deadline:
        client.poll(timeout_ms=50)


def fails_to_start(client: Any) -> None:
    with pytest.raises(Exception, match="bootstrap"):
        client._manager.bootstrap(timeout_ms=1000 * WAIT_SECONDS)


CONNECTS = [begins, waits_for_an_answer, has_something_to_write, has_timed_out, fails_to_start]
NEVER_CONNECTS = [begins, has_timed_out, fails_to_start]


@pytest.mark.parametrize("kind", [ClosingClient, RepairedClient])
@pytest.mark.parametrize(
    ("accepts", "state"), [*((True, state) for state in CONNECTS), *((False, state) for state in NEVER_CONNECTS)]
)
def test_a_closed_client_leaves_no_file(kind: type, accepts: bool, state: Callable[[Any], object]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=20 if accepts else 0) as broker:
        address = broker.getsockname()
        others = [] if accepts else [_connecting(address) for _ in range(4)]  # the queue is full
        before = _open_files()
        client = kind(
            bootstrap_servers=["{}:{}".format(*address)],
            socket_connection_setup_timeout_ms=1000 * WAIT_SECONDS,
            request_timeout_ms=1000 * WAIT_SECONDS,
        )
        state(client)
        client.close()
        assert _open_files() == before
        for other in others:
            other.close()


def _connecting(address: tuple[str, int]) -> socket.socket:
    other = socket.socket()
    other.setblocking(False)
    other.connect_ex(address)
    return other


def _open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))
