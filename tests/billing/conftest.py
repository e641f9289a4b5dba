"""One market for all tests of the billing page without a browser."""

from collections.abc import Iterator

import pytest

from ledger.dev.stack import Stack
from tests.payments.market import Market, market
from tests.support.invoicing import SUPPLIER


@pytest.fixture(scope="package")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """A ledger, its API and the payment sandbox."""
    with market(stack, tmp_path_factory.mktemp("billing"), brand_name="Nova Router", supplier=SUPPLIER) as running:
        yield running
