"""Purchases that go wrong in every way that is known: charged always means credited, once; and nothing else is."""

import secrets
from collections.abc import Iterator

import pytest

from ledger.dev.stack import Stack
from tests.payments.market import Market, market
from tests.payments.stories import expected, lines_of, told

SEED = secrets.randbelow(2**32)

# steps | balance | taken | state | webhooks answered | alerts
STRIPE = """
# Whoever learns of the payment first, and however often.
buys pays told                                      | 10 | 1000 | credited   | 200 |
buys pays back                                      | 10 | 1000 | credited   |     |
buys pays swept                                     | 10 | 1000 | credited   |     |
buys pays told back told swept                      | 10 | 1000 | credited   | 200 |
buys pays back told looks swept told                | 10 | 1000 | credited   | 200 |

# Asked twice, answered once, or not at all.
buys buys pays back told                            | 10 | 1000 | credited   | 200 |
fault:reset_after/checkout.sessions.create/3 buys buys pays back told      | 10 | 1000 | credited | 200 |
saves:pm_card_visa fault:timeout_after/payment_intents.create/3 buys buys  | 10 | 1000 | credited |     |
saves:pm_card_visa fault:timeout_after/payment_intents.create/3 buys buys told swept | 10 | 1000 | credited | 200 |
buys fault:error_before/checkout.sessions.retrieve/3 pays back back told   | 10 | 1000 | credited | 200 |

# The row is lost: what the provider kept is enough.
buys pays forgets told back                         | 10 | 1000 | credited   | 200 |
buys pays forgets swept                             | 10 | 1000 | credited   |     |

# Declines.
buys declined told back                             | 0  | 0    | pending    | 200 |
buys declined pays told back                        | 10 | 1000 | credited   | 200 |
saves:pm_card_chargeCustomerFail buys told          | 0  | 0    | failed     | 200 |
saves:pm_card_authenticationRequired buys looks confirms back told         | 10 | 1000 | credited | 200 |

# What does not fit credits nothing.
buys forges:amount/500 told                         | 0  | 500  | mismatched | 200 422 | other_amount
buys forges:currency/eur told                       | 0  | 1000 | mismatched | 200 422 | other_currency
buys forges:credits/1000 told                       | 0  | 1000 | pending    | 200 422 | terms_forged
buys mistakes:credits/99000000000 pays told back    | 0  | 1000 | mismatched | 200 422 | other_terms
buys elsewhere told                                 | 0  | 85000 | mismatched | 422 | other_provider
buys pays told forges:amount/1000 told              | 10 | 2000 | credited   | 200 422 | paid_twice
"""


RAZORPAY = """
buys pays told                                      | 10 | 85000 | credited   | 200 |
buys pays back                                      | 10 | 85000 | credited   |     |
buys pays swept                                     | 10 | 85000 | credited   |     |
buys pays told back told swept                      | 10 | 85000 | credited   | 200 |
buys pays back told looks swept told                | 10 | 85000 | credited   | 200 |

buys buys pays back told                            | 10 | 85000 | credited   | 200 |
fault:reset_after/orders.create/1 buys buys pays back told            | 10 | 85000 | credited   | 200 |
buys pays fault:error_before/orders.fetch/3 back told                 | 10 | 85000 | credited   | 200 |

buys pays forgets told back                         | 10 | 85000 | credited   | 200 |
buys pays forgets swept                             | 10 | 85000 | credited   |     |

# A decline is not the end: the same page takes another card.
buys declined told back looks                       | 0  | 0     | pending    | 200 |
buys declined back pays told back                   | 10 | 85000 | credited   | 200 |
buys declined pays swept told                       | 10 | 85000 | credited   | 200 |

buys forges:amount/500 told                         | 0  | 500   | mismatched | 422 | other_amount
buys forges:credits/1000 told                       | 0  | 85000 | pending    | 422 | terms_forged
buys mistakes:credits/99000000000 pays told back    | 0  | 85000 | mismatched | 422 | other_terms
buys elsewhere told                                 | 0  | 1000  | mismatched | 200 422 | other_provider
buys pays told forges:kind/purchase told            | 10 | 170000 | credited  | 200 422 | paid_twice
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
    """Whoever told of a payment built the same event: another content under its id would be a dead letter."""
    assert shop.rows("SELECT code || ' ' || reason FROM views.dead_letters") == []
    assert shop.balanced()
