"""A broker that is away leaves nothing behind in the process that asks for it, however often it asks."""

import gc
import os
import threading
from collections.abc import Iterator

import pytest

from ledger.dev.kafka import free_port
from ledger.log.publisher import LogUnavailable, Publisher
from ledger.settings import Settings

ATTEMPTS = 5


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """A worker lets the garbage collector run so rarely that it must not be needed."""
    gc.disable()
    yield
    gc.enable()


def test_attempts_to_reach_a_broker_that_is_away_leave_no_thread_and_no_file() -> None:
    away = Settings(kafka=f"127.0.0.1:{free_port()}")
    threads, files = threading.active_count(), _open_files()
    for _ in range(ATTEMPTS):
        with pytest.raises(LogUnavailable):
            Publisher(away, delivery_seconds=0.2)
    assert threading.active_count() == threads
    assert _open_files() == files


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
