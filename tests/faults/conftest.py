"""A ledger of its own for each test: its workers need not wait until the group has forgotten those that were killed."""

import pytest

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.settings import Settings
from tests.support.ledgers import new_ledger


@pytest.fixture
def settings(stack: Stack) -> Settings:
    """A ledger of six partitions, so that two workers and three have equal shares."""
    settings = new_ledger(stack, event_partitions=6)
    bootstrap(settings)
    return settings
