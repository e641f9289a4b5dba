"""The API, the billing page and `ledger buy` refuse the same amounts."""

from collections.abc import Iterator

import pytest

from ledger.dev.stack import Stack
from tests.billing.customer import come_in, errors
from tests.payments.payment_system import PaymentSystem, payment_system
from tests.support.programs import ledger

# Larger than the book's bound for one event, so that each bound is met by an amount of its own.
LARGEST = "2000000"
BOUNDS = [
    ("4.99", "purchase_too_small", "smaller than the smallest", "The smallest purchase is $5.00."),
    ("2000000.01", "purchase_too_large", "larger than the largest", "The largest purchase is $1,000,000.00."),
    ("1000000.01", "amount_out_of_bounds", "larger than the book's bounds", "The largest purchase is $1,000,000.00."),
    ("10.001", "purchase_not_in_whole_cents", "sold in whole cents", "Type whole cents."),
]


@pytest.fixture(scope="module")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentSystem]:
    with payment_system(stack, tmp_path_factory.mktemp("sold"), purchase_credits_max=LARGEST) as running:
        yield running


@pytest.mark.parametrize(("amount", "code", "reason", "on_the_page"), BOUNDS)
def test_an_amount_that_is_not_sold_is_not_sold_anywhere(
    system: PaymentSystem, amount: str, code: str, reason: str, on_the_page: str
) -> None:
    account = system.account()
    over_http = system.post(account, "razorpay", amount)
    assert over_http.status_code == 422
    assert over_http.json()["error"]["code"] == code
    assert over_http.json()["error"]["param"] == "amount"

    form = {"amount": "custom", "custom": amount, "pay": "razorpay:", "name": "Ada", "country": "DE"}
    at_the_page = come_in(system, account).send("/add", **form)
    assert (at_the_page.status_code, errors(at_the_page.text)) == (422, {"custom": on_the_page})

    done = ledger(system.settings, "buy", account, amount, "--provider", "razorpay")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: amount: ")
    assert reason in done.stderr
    assert system.rows("SELECT amount_minor FROM records.checkouts WHERE account_id = %s", account) == []
