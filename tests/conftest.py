"""What every test may ask for: one real Kafka and Postgres per run, and a database of its own per module."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ledger.dev.stack import Stack
    from ledger.settings import Settings


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One stack per test run. Not below pytest's own folder, which pytest closes to the user that Postgres runs as."""
    from ledger.dev.stack import Stack

    home = Path(tempfile.mkdtemp(prefix="ledger-test-"))
    try:
        with Stack(home) as running:
            yield running
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def database(stack: Stack, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh, empty database that is dropped when the module is done."""
    module = re.sub(r"\W+", "_", request.module.__name__)[-40:]
    name = f"{module}_{uuid.uuid4().hex[:8]}"
    stack.postgres.create_database(name)
    yield stack.postgres.url(name)
    stack.postgres.drop_database(name)


@pytest.fixture(scope="module")
def settings(stack: Stack, database: str, request: pytest.FixtureRequest) -> Settings:
    """A ledger of the module's own: migrated, fresh topics behind a prefix, the first book published."""
    from ledger.dev.bootstrap import bootstrap
    from ledger.settings import Settings

    settings = Settings(
        kafka=stack.kafka.bootstrap,
        database=database,
        topic_prefix=f"{uuid.uuid4().hex[:8]}.",
        consumer_group=f"projector-{uuid.uuid4().hex[:8]}",
        event_partitions=4,
        replication_factor=1,
        signing_key_id="test-1",
        signing_keys={"test-1": "a secret of the tests only"},
    )
    bootstrap(settings)
    return settings


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Every run has another seed for hypothesis, and says which, before hypothesis asks for it."""
    if getattr(config.option, "hypothesis_seed", None) is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))


def pytest_report_header(config: pytest.Config) -> str:
    return f"to draw the same random logs again: --hypothesis-seed={config.option.hypothesis_seed}"
