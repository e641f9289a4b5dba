"""More ledgers than the one of the module: each with its own database, topics and group."""

import uuid
from typing import Any

from ledger.dev.stack import Stack
from ledger.settings import Settings


def new_ledger(stack: Stack, **changes: Any) -> Settings:
    """Settings over an empty database and no topics yet: for `bootstrap`, or for what comes before it."""
    name = f"ledger_{uuid.uuid4().hex[:8]}"
    stack.postgres.create_database(name)
    given: dict[str, Any] = {
        "kafka": stack.kafka.bootstrap,
        "database": stack.postgres.url(name),
        "topic_prefix": f"{name}.",
        "consumer_group": name,
        "event_partitions": 4,
        "replication_factor": 1,
        "signing_key_id": "test-1",
        "signing_keys": {"test-1": "a secret of the tests only"},
    }
    return Settings(**(given | changes))
