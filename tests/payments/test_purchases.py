"""Purchases from the first request to the credits: real HTTP, real Kafka and Postgres, the providers' sandbox."""

from collections.abc import Iterator

import pytest

from ledger.dev.stack import Stack
from tests.payments.market import Market, market


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market(stack, tmp_path_factory.mktemp("market")) as running:
        yield running


@pytest.mark.parametrize("provider", ["stripe", "razorpay"])
def test_credits_are_there_when_the_customer_comes_back(shop: Market, provider: str) -> None:
    account = shop.account()
    purchase = shop.buy(account, provider)
    back = shop.pay(purchase)
    page = shop.visit(back)
    print(page.url, page.text)
    shop.settled()
    assert shop.balance(account) == "10"
    assert "10 credits were added; the balance is $10.00" in shop.visit(purchase["pay_url"]).text
