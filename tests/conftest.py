"""What every test may ask for: one real Kafka and Postgres per process, and a database of its own per module."""

from __future__ import annotations

import os
import re
import secrets
import uuid
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.settings import Settings
from tests.support import programs
from tests.support.ledgers import new_ledger, temporary_stack

# How much hypothesis tries: enough for every run, and far more with LEDGER_HYPOTHESIS=slow (`make test-slow`).
hypothesis.settings.register_profile(
    "usual",
    max_examples=40,
    deadline=None,
    print_blob=True,
    phases=set(hypothesis.Phase) - {hypothesis.Phase.explain},  # which can take minutes on logs
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("slow", hypothesis.settings.get_profile("usual"), max_examples=2_000)
hypothesis.settings.load_profile(os.environ.get("LEDGER_HYPOTHESIS", "usual"))

# A file is run by one process: those that take longest begin first, so that all processes end at the same time.
LONGEST = (
    "e2e/test_billing_in_a_browser.py",
    "faults/test_gate_faults.py",
    "integration/test_consume_command.py",
    "integration/test_secured_kafka.py",
    "payments/test_sweep.py",
    "integration/test_rebuild.py",
    "faults/test_recover.py",
    "payments/test_top_up_stories.py",
    "payments/test_purchase_stories.py",
    "faults/test_outage_lengths.py",
    "faults/test_unreadable_logs.py",
    "faults/test_clients_come_back.py",
    "faults/test_lost_logs.py",
    "faults/test_invoice_kills.py",
    "faults/test_top_up_kills.py",
    "faults/test_client_kills.py",
    "integration/test_gate.py",
    "integration/test_copies.py",
    "integration/test_embedded_stack.py",
    "integration/test_dev.py",
    "docs/test_examples.py",
    "payments/test_purchases.py",
    "payments/test_money_back.py",
    "payments/test_refused_log.py",
    "payments/test_webhooks.py",
    "integration/test_restores.py",
    "integration/test_releases.py",
    "integration/test_gate_machine.py",
    "integration/test_api_outages.py",
    "core/test_properties.py",
    "client/test_authorize_closed.py",
)
# The longest files are not run by one process: their tests are dealt out, and what they share is made once per part.
PARTS = {
    "faults/test_gate_faults.py": 2,
    "integration/test_consume_command.py": 2,
    "payments/test_sweep.py": 2,
    "payments/test_top_up_stories.py": 2,
    "payments/test_purchase_stories.py": 2,
}
# Short files that need no server: they come last.
COMPUTING = ("contracts", "core", "reports", "scenarios")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One stack per process that runs tests."""
    programs.prepare()
    with temporary_stack() as running:
        yield running


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
    settings = new_ledger(stack, database=database)
    bootstrap(settings)
    return settings


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Every run has another seed for hypothesis, and says which, before hypothesis asks for it."""
    if getattr(config.option, "hypothesis_seed", None) is None:
        of_this_run: dict[str, str] = getattr(config, "workerinput", {})  # of one of several processes
        config.option.hypothesis_seed = of_this_run.get("hypothesis_seed") or str(secrets.randbelow(2**32))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hands the seed that was said on to a process that runs tests."""
    node.workerinput["hypothesis_seed"] = str(node.config.option.hypothesis_seed)


class ByFile(LoadFileScheduling):
    """Deals out files, and the longest ones in parts."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        parts = PARTS.get(file.removeprefix("tests/"), 1)
        return f"{file}#{crc32(test.encode()) % parts}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_report_header(config: pytest.Config) -> str:
    return f"to draw the same random logs again: --hypothesis-seed={config.option.hypothesis_seed}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """Where the item's file comes in the order of a run."""
    file = "/".join(item.path.parts[-2:])
    if file in LONGEST:
        return LONGEST.index(file)
    return len(LONGEST) + (item.path.parent.name in COMPUTING)
