"""One system for all tests of the billing page without a browser."""

from collections.abc import Iterator

import pytest

from ledger.dev.stack import Stack
from tests.payments.payment_system import PaymentSystem, payment_system
from tests.support.invoicing import SUPPLIER


@pytest.fixture(scope="package")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentSystem]:
    """A ledger, its API and the payment sandbox."""
    with payment_system(
        stack, tmp_path_factory.mktemp("billing"), brand_name="Nova Router", supplier=SUPPLIER
    ) as running:
        yield running
