"""Servers and ledgers for tests: a stack in a folder of its own, and settings over a database of it."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.dev.stack import Stack
from ledger.settings import Settings


@contextmanager
def temporary_stack() -> Iterator[Stack]:
    """Servers of one's own. Not below pytest's own folder, which pytest closes to the user that Postgres runs as."""
    home = Path(tempfile.mkdtemp(prefix="ledger-test-"))
    try:
        with Stack(home) as running:
            try:
                yield running
            finally:
                running.kafka.kill()  # an orderly stop takes six seconds, and nothing of it is kept
    finally:
        shutil.rmtree(home)


def new_ledger(stack: Stack, **changes: Any) -> Settings:
    """Settings over an empty database and no topics yet: for `bootstrap`, or for what comes before it."""
    name = f"ledger_{uuid.uuid4().hex[:8]}"
    if "database" not in changes:
        stack.postgres.create_database(name)
    given: dict[str, Any] = {
        "kafka": stack.kafka.bootstrap,
        "database": stack.postgres.url(name),
        "topic_prefix": f"{name}.",
        "event_partitions": 4,
        "replication_factor": 1,
        "signing_key_id": "test-1",
        "signing_keys": {"test-1": "a secret of the tests only"},
    }
    return Settings(**(given | changes))
