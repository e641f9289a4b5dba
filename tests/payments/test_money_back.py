"""Refunds and disputes, told in any order: the credits go with the money, never more than is left, and come back."""

import secrets
from collections.abc import Iterator

import pytest

from ledger.dev.stack import Stack
from tests.payments.payment_system import PaymentSystem, payment_system
from tests.payments.stories import expected, lines_of, played

SEED = secrets.randbelow(2**32)

# steps | balance | what the provider has | state of the purchase | webhooks answered | alerts
STRIPE = """
buys pays webhooks refunds:400 webhooks:refund                   | 6    | 600  | credited | 200 |
buys pays webhooks refunds:300 refunds:333 refunds:367 webhooks:refund | 0    | 0    | credited | 200 |
buys pays webhooks refunds:300 refunds:333 sweep webhooks:refund | 3.67 | 367  | credited | 200 |
# A refund that is seen first waits for its purchase.
buys pays refunds:400 webhooks:refund                            | 6    | 600  | credited | 200 |
buys pays loses-row refunds:1000 webhooks                        | 0    | 0    | credited | 200 |
# Asked for by us.
buys pays webhooks operator-refunds:4 webhooks sweep             | 6    | 600  | credited | 200 |
buys pays webhooks operator-refunds:2.5 operator-refunds:2.5 operator-refunds:all webhooks \
                                                                 | 0    | 0    | credited | 200 |
# What was spent is owed.
buys pays webhooks spends:5 operator-refunds:all webhooks        | -5.5 | 0    | credited | 200 |
# The answer was lost, the refund was not: repeated, it is the same one, and what it took is not missing for it.
buys pays webhooks refund-answer-lost:6 webhooks:refund repeats-refund:6 | 4    | 400  | credited | 200 |
buys pays webhooks refund-answer-lost:4 webhooks:refund a-day-passes repeats-refund:4 webhooks:refund \
                                                                 | 6    | 600  | credited | 200 |

# A dispute takes the credits until it is decided.
buys pays webhooks disputes:1000 webhooks                        | 0    | 1000 | credited | 200 |
buys pays webhooks disputes:1000 webhooks wins-dispute webhooks  | 10   | 1000 | credited | 200 |
buys pays webhooks disputes:1000 webhooks loses-dispute webhooks sweep | 0    | 1000 | credited | 200 |
buys pays disputes:1000 wins-dispute webhooks                    | 10   | 1000 | credited | 200 |
buys pays disputes:1000 loses-dispute sweep webhooks             | 0    | 1000 | credited | 200 |
buys pays webhooks disputes:300 webhooks                         | 7    | 1000 | credited | 200 |
buys pays webhooks refunds:400 webhooks disputes:600 webhooks    | 0    | 600  | credited | 200 |
# Whatever the bank takes: no more credits than are left of the purchase.
buys pays webhooks refunds:400 webhooks disputes:1000 webhooks   | 0    | 600  | credited | 200 |
"""
RAZORPAY = """
buys pays webhooks refunds:34000 webhooks:refund | 6 | 51000 | credited | 200 |
buys pays webhooks refunds:25000 refunds:30000 refunds:30000 webhooks:refund | 0 | 0 | credited | 200 |
buys pays refunds:34000 webhooks:refund | 6 | 51000 | credited | 200 |
buys pays webhooks operator-refunds:4 webhooks sweep | 6 | 51000 | credited | 200 |
buys pays webhooks spends:5 operator-refunds:all webhooks | -5.5 | 0 | credited | 200 |
buys pays webhooks refund-answer-lost:6 webhooks:refund repeats-refund:6 | 4 | 34000 | credited | 200 |

buys pays webhooks disputes:85000 webhooks | 0 | 85000 | credited | 200 |
buys pays webhooks disputes:85000 webhooks wins-dispute webhooks | 10 | 85000 | credited | 200 |
buys pays disputes:85000 loses-dispute webhooks sweep | 0 | 85000 | credited | 200 |
"""


@pytest.fixture(scope="module")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentSystem]:
    with payment_system(stack, tmp_path_factory.mktemp("system")) as running:
        for provider in ("stripe", "razorpay"):
            running.webhooks(provider, on=False)
        yield running


@pytest.mark.parametrize("line", lines_of(STRIPE))
def test_stripe(system: PaymentSystem, line: str) -> None:
    print("seed:", SEED)
    assert played(system, "stripe", line, SEED) == expected(line)


@pytest.mark.parametrize("line", lines_of(RAZORPAY))
def test_razorpay(system: PaymentSystem, line: str) -> None:
    print("seed:", SEED)
    assert played(system, "razorpay", line, SEED) == expected(line)


def test_nothing_was_refused_by_the_fold(system: PaymentSystem) -> None:
    assert system.rows("SELECT code || ' ' || reason FROM views.dead_letters") == []
    assert system.balanced()
