"""What is repeated is a duplicate, whatever the book says by then and wherever a batch begins."""

import psycopg
import pytest

from ledger.core.book_versions import NOTICE_MS
from ledger.dev.first_book import first_book
from ledger.dev.stack import Stack
from ledger.records.migrate import migrate
from ledger.settings import Settings
from tests.support.events import Ids, usage
from tests.support.ledgers import new_ledger
from tests.support.past import Past, at

IDS = Ids(19)


@pytest.fixture(scope="module")
def settings(stack: Stack, database: str) -> Settings:
    """Migrated only."""
    settings = new_ledger(stack, database=database)
    migrate(settings.database)
    return settings


def test_usage_that_is_repeated_when_its_model_has_no_price_any_more_is_no_dead_letter(settings: Settings) -> None:
    past, once, noon = Past(settings), usage("acct_1", IDS(), None), at("2026-10-01T12:00:00+00:00")
    past.happened([(noon, once)])
    first = first_book(settings.signing_key_id)
    without = first.model_copy(update={"version": 2, "prices": first.prices[1:]})
    past.book = past.book.with_version(without, noon)
    past.happened([(noon + NOTICE_MS, once)])  # alone in its batch: nothing else would have ids looked up
    past.close()
    with psycopg.connect(settings.database) as connection:
        outcomes = connection.execute("SELECT outcome, records FROM views.record_counts ORDER BY outcome").fetchall()
    assert outcomes == [("duplicate", 1), ("posted", 1)]
