"""Refunds and disputes, told in any order: the credits go with the money, never more than is left, and come back."""

import secrets
from collections.abc import Iterator

import pytest

from ledger.dev.stack import Stack
from tests.payments.market import Market, market
from tests.payments.stories import expected, lines_of, told

SEED = secrets.randbelow(2**32)

# steps | balance | what the provider has | state of the purchase | webhooks answered | alerts
STRIPE = """
buys pays told refunds:400 told:refund                        | 6  | 600  | credited | 200 |
buys pays told refunds:300 refunds:333 refunds:367 told:refund | 0 | 0    | credited | 200 |
buys pays told refunds:300 refunds:333 swept told:refund      | 3.67 | 367 | credited | 200 |
# A refund that is seen first waits for its purchase.
buys pays refunds:400 told:refund                             | 6  | 600  | credited | 200 |
buys pays forgets refunds:1000 told                           | 0  | 0    | credited | 200 |
# Asked for by us.
buys pays told gives:4 told swept                             | 6  | 600  | credited | 200 |
buys pays told gives:2.5 gives:2.5 gives:all told             | 0  | 0    | credited | 200 |
# What was spent is owed.
buys pays told spends:5 gives:all told                        | -5.5 | 0  | credited | 200 |
# The answer was lost, the refund was not: repeated, it is the same one, and what it took is not missing for it.
buys pays told lost:6 told:refund again:6                     | 4  | 400  | credited | 200 |
buys pays told lost:4 told:refund a_day again:4 told:refund   | 6  | 600  | credited | 200 |

# A dispute takes the credits until it is decided.
buys pays told disputes:1000 told                             | 0  | 1000 | credited | 200 |
buys pays told disputes:1000 told wins told                   | 10 | 1000 | credited | 200 |
buys pays told disputes:1000 told loses told swept            | 0  | 1000 | credited | 200 |
buys pays disputes:1000 wins told                             | 10 | 1000 | credited | 200 |
buys pays disputes:1000 loses swept told                      | 0  | 1000 | credited | 200 |
buys pays told disputes:300 told                              | 7  | 1000 | credited | 200 |
buys pays told refunds:400 told disputes:600 told             | 0  | 600  | credited | 200 |
# Whatever the bank takes: no more credits than are left of the purchase.
buys pays told refunds:400 told disputes:1000 told            | 0  | 600  | credited | 200 |
"""
RAZORPAY = """
buys pays told refunds:34000 told:refund                      | 6  | 51000 | credited | 200 |
buys pays told refunds:25000 refunds:30000 refunds:30000 told:refund | 0 | 0 | credited | 200 |
buys pays refunds:34000 told:refund                           | 6  | 51000 | credited | 200 |
buys pays told gives:4 told swept                             | 6  | 51000 | credited | 200 |
buys pays told spends:5 gives:all told                        | -5.5 | 0   | credited | 200 |
buys pays told lost:6 told:refund again:6                     | 4  | 34000 | credited | 200 |

buys pays told disputes:85000 told                            | 0  | 85000 | credited | 200 |
buys pays told disputes:85000 told wins told                  | 10 | 85000 | credited | 200 |
buys pays disputes:85000 loses told swept                     | 0  | 85000 | credited | 200 |
"""


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market(stack, tmp_path_factory.mktemp("market")) as running:
        for provider in ("stripe", "razorpay"):
            running.webhooks(provider, on=False)
        yield running


@pytest.mark.parametrize("line", lines_of(STRIPE))
def test_stripe(shop: Market, line: str) -> None:
    print("seed:", SEED)
    assert told(shop, "stripe", line, SEED) == expected(line)


@pytest.mark.parametrize("line", lines_of(RAZORPAY))
def test_razorpay(shop: Market, line: str) -> None:
    print("seed:", SEED)
    assert told(shop, "razorpay", line, SEED) == expected(line)


def test_nothing_was_refused_by_the_fold(shop: Market) -> None:
    assert shop.rows("SELECT code || ' ' || reason FROM views.dead_letters") == []
    assert shop.balanced()
