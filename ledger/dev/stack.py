"""Kafka and Postgres in one home folder: started together, stopped cleanly, never left behind."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from ledger.dev.folder_lock import FolderLock
from ledger.dev.kafka import EmbeddedKafka
from ledger.dev.kafka_jars import kafka_jars
from ledger.dev.postgres import EmbeddedPostgres
from ledger.dev.secrets import SIGNING_KEY_ID, signing_secret
from ledger.settings import Settings


class Stack:
    """A context manager for both servers. Ctrl-C and SIGTERM stop them cleanly; SIGKILL leaves no server behind."""

    def __init__(self, home: Path, kafka_port: int | None = None, *, kafka_heap: str = "256m") -> None:
        self.home = home.absolute()
        self.kafka = EmbeddedKafka(self.home / "kafka", kafka_port, heap=kafka_heap)
        self.postgres = EmbeddedPostgres(self.home / "postgres")
        self._lock = FolderLock(self.home)

    def start(self) -> None:
        """Starts both servers. If one fails, the other is stopped too."""
        self._lock.acquire()
        try:
            kafka_jars()  # here, in the main thread, so that Ctrl-C ends a long download
            _together(self.kafka.start, self.postgres.start)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops both servers; does nothing if they are not running."""
        try:
            _together(self.kafka.stop, self.postgres.stop)
        finally:
            self._lock.release()

    def settings(self, event_partitions: int, **more: Any) -> Settings:
        """Settings of a ledger on both servers, with the secrets of the home. `more`: further settings."""
        return Settings(
            kafka=self.kafka.bootstrap,
            database=self.postgres.url(),
            home=self.home,
            event_partitions=event_partitions,
            replication_factor=1,
            signing_key_id=SIGNING_KEY_ID,
            signing_keys={SIGNING_KEY_ID: signing_secret(self.home)},
            **more,
        )

    def __enter__(self) -> Self:
        _end_on_sigterm()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _together(*calls: Callable[[], None]) -> None:
    with ThreadPoolExecutor(len(calls)) as threads:
        for done in [threads.submit(call) for call in calls]:
            done.result()


def _end_on_sigterm() -> None:
    """Makes SIGTERM end the main thread as Ctrl-C does, unless the program handles it itself."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
