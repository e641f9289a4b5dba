"""A broker that is away leaves nothing behind in the process that asks for it, however often it asks."""

import os
import threading

import pytest

from ledger.dev.kafka import free_port
from ledger.log.publisher import LogUnavailable, Publisher
from ledger.settings import Settings

ATTEMPTS = 5


def test_attempts_to_reach_a_broker_that_is_away_leave_no_thread_and_no_file() -> None:
    away = Settings(kafka=f"127.0.0.1:{free_port()}")
    threads, files = threading.active_count(), _open_files()
    for _ in range(ATTEMPTS):
        with pytest.raises(LogUnavailable):
            Publisher(away, delivery_seconds=0.2)
    assert threading.active_count() == threads
    assert _open_files() < files + ATTEMPTS


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
